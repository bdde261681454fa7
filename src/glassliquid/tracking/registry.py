"""Models in MLflow's registry: registering the best one, and its aliases."""

import contextlib
import json
from collections.abc import Mapping
from typing import Any

from glassliquid.datasets.description import Dataset
from glassliquid.files import check_name
from glassliquid.inputs import DEFAULT, INPUTS
from glassliquid.physics.protocol import temperature
from glassliquid.tracking import tag
from glassliquid.tracking.faults import is_refused
from glassliquid.tracking.logged_models import quiet
from glassliquid.tracking.store import raise_unless_absent

ABOUT = (
    "Networks that tell a glass from a liquid. The description of a version says what it was trained on and what it reads; its output is "
    "P(glass). Each alias is the name of a dataset, and marks the best model trained on it."
)
"""Description of a registered model."""
TAG_VALIDATION = "best_val_accuracy"
TAG_AT_CHANCE = "at_chance"
"""true on a version that is no better than chance: it does not get the alias."""


def register(
    model_uri: str,
    name: str,
    run_id: str,
    dataset: Dataset,
    accuracy: float,
    may_hold_alias: bool = True,
    input_name: str = DEFAULT,
    scores: Mapping[str, float] | None = None,
) -> tuple[str, str]:
    """Register a logged model, unless that was done already, and move the dataset's alias to it if it is the best on that data.

    The version's tags and description say what it was trained on and how well it does.

    Args:
        model_uri: address of the logged model.
        name: the registered model's name.
        run_id: the training run, which is there: who registers its model has opened it or has just read it.
        dataset: what it was trained on; the alias is its name.
        accuracy: its best validation accuracy.
        may_hold_alias: whether it may get the alias at all.
        input_name: what it reads.
        scores: its test scores, among other figures.

    Returns:
        The version, and the one that the alias names: that of the highest validation accuracy among those that were trained on
        the same data (the same digest), are better than chance and were not erased, of equal ones the first; empty if none is.
    """
    recipe, measured = dataset.recipe, scores or {}
    reads = INPUTS.get(input_name).of_recipe(recipe)
    tags: dict[str, str] = {
        tag.DATASET: dataset.name,
        tag.DATASET_DIGEST: dataset.digest,
        "ensemble": recipe.ensembles,
        "liquid": str(recipe.liquid),
        "glass": str(recipe.glass),
        tag.INPUT: reads.name,
        **{key: str(value) for key, value in reads.description().items()},
        TAG_VALIDATION: repr(accuracy),
        "run_id": run_id,
    }
    tags |= {key: repr(measured[key]) for key in ("test_accuracy", "test_images") if key in measured}
    tested = f", test accuracy {100 * measured['test_accuracy']:.2f} %" if "test_accuracy" in measured else ""
    description = (
        f"Trained on {dataset.name} (liquid {recipe.liquid}, T = {temperature(recipe.liquid):.3g}, against glass "
        f"{recipe.glass}, T = {temperature(recipe.glass):.3g}): best validation accuracy {100 * accuracy:.2f} %{tested}. "
        f"Input: {reads.summary}; output: P(glass)."
    )
    if not may_hold_alias:
        tags[TAG_AT_CHANCE] = "true"
    version = _version_of_run(name, run_id) or _new_version(name, model_uri, run_id, tags, description)
    alias = check_name("dataset", dataset.name)
    return version, _settle_alias(name, alias, dataset.digest, run_id)


def _new_version(name: str, model_uri: str, run_id: str, tags: dict[str, str], description: str) -> str:
    """Register a logged model, and note that among the logged model's tags as `mlflow.register_model` does."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

    client, model_id = MlflowClient(), model_uri.removeprefix("models:/")

    def create() -> str:
        made = client.create_model_version(name, model_uri, run_id, tags, description=description, model_id=model_id)
        return str(made.version)

    with quiet():
        try:
            version = create()
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST" and not is_refused(error):
                raise
            with contextlib.suppress(MlflowException):  # another command may be as quick
                client.create_registered_model(name, description=ABOUT)
            version = create()
        noted = [{"name": name, "version": int(version)}]
        client.set_logged_model_tags(model_id, {MLFLOW_MODEL_VERSIONS: json.dumps(noted)})
    return version


def _settle_alias(name: str, alias: str, digest: str, run_id: str) -> str:
    """Let the dataset's alias name the best of all versions that were trained on its data; the version that it names.

    Whoever registers a version looks at all of them, sets the alias, and looks again until the best one has it. Of several
    commands that do so at once, in any order, the last one to set it has looked after that, and a version that came later
    still has its own command to look: so the best one has it in the end. A lock would keep apart one machine's commands only.
    """
    from mlflow import MlflowClient

    client = MlflowClient()
    holder = version_at(name, alias)
    held = None if holder is None else str(holder.version)
    while True:
        best = _best_version(name, digest, run_id)
        if best is None or best == held:
            return best or ""
        client.set_registered_model_alias(name, alias, best)
        held = best


def _best_version(name: str, digest: str, run_id: str) -> str | None:
    """The version of the highest validation accuracy on the data of a digest, of equal ones the first; None without one.

    One that is no better than chance, or that was erased, is passed over. The run of this id is known to be there.
    """
    found = [
        version
        for version in _versions(f"name='{name}'")
        if version.tags.get(tag.DATASET_DIGEST) == digest and TAG_AT_CHANCE not in version.tags
    ]
    found.sort(key=lambda version: (-float(version.tags.get(TAG_VALIDATION, "-1")), int(version.version)))
    return next(
        (str(version.version) for version in found if version.run_id == run_id or not _is_erased(version)), None
    )


def _versions(condition: str) -> list[Any]:
    """All versions that meet a condition in MLflow's language, whose answers come in pages."""
    from mlflow import MlflowClient

    client, page = MlflowClient(), None
    versions: list[Any] = []
    while True:
        answer = client.search_model_versions(condition, page_token=page)
        versions += answer
        page = answer.token
        if not page:
            return versions


def _is_erased(version: Any) -> bool:
    """Whether `mlflow gc` has erased the run or the model of a version: it leaves the version and its aliases behind.

    What was only deleted on the MLflow page can come back, and its model still answers. On a server with logins, what this
    user may not read looks like what was erased.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient()
    source = str(version.source or "").removeprefix("models:/")
    asked = [(client.get_run, version.run_id), (client.get_logged_model, source if source.startswith("m-") else None)]
    for ask, name in asked:
        try:
            if name:
                ask(name)
        except MlflowException as error:
            raise_unless_absent(error)
            if error.error_code == "RESOURCE_DOES_NOT_EXIST" or is_refused(error):
                return True
    return False


def _version_of_run(name: str, run_id: str) -> str | None:
    """The version under a name that a run's model has already, such as that of a process that was killed a moment later."""
    versions = _versions(f"name='{name}' and run_id='{run_id}'")
    return str(versions[0].version) if versions else None


def version_at(name: str, alias: str) -> Any:
    """MLflow's version of a registered model that has an alias; None if none has."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        return MlflowClient().get_model_version_by_alias(name, alias)
    except MlflowException as error:
        raise_unless_absent(error)
        return None
