"""Models in MLflow: registering the best one, its aliases, and finding a model by whatever names it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glassliquid.datasets.description import Dataset
from glassliquid.errors import UserError, listed
from glassliquid.files import check_name, raise_if_full
from glassliquid.models.network import Network
from glassliquid.physics.protocol import temperature
from glassliquid.scratch import scratch_folder
from glassliquid.tracking import tag
from glassliquid.tracking.logged_models import MODEL_NAME, logged_model_id, quiet
from glassliquid.tracking.metrics import is_run_id
from glassliquid.tracking.store import TrackingLost, first_line, raise_if_lost
from glassliquid.tracking.stored import find_run
from glassliquid.training.checkpoint import BEST, CURRENT, State, UnusableCheckpoint, load_checkpoint, restore_model

CHECKPOINT_FOLDER = "checkpoints"
"""Artifact folder of a training run's checkpoints."""
TAG_VALIDATION = "best_val_accuracy"


@dataclass(frozen=True)
class FoundModel:
    """A trained network and where it came from."""

    model: Network
    """In evaluation mode, on the CPU."""
    state: State
    """Its checkpoint: settings, dataset, run."""
    label: str
    """What to call it, such as `glass-liquid v3`."""
    model_id: str | None
    """MLflow's id of the logged model, to link metrics to; None for a file or an unregistered checkpoint."""


def register(model_uri: str, name: str, run_id: str, dataset: Dataset, accuracy: float) -> tuple[str, bool]:
    """Register a logged model, unless that was done already, and move the dataset's alias to it if it is the best on that data.

    The version's tags and description say what it was trained on and how well it does.

    Args:
        model_uri: address of the logged model.
        name: the registered model's name.
        run_id: the training run, which has its test scores as metrics.
        dataset: what it was trained on; the alias is its name.
        accuracy: its best validation accuracy.

    Returns:
        The version, and whether the alias moved: it does when nobody holds it, when its holder was trained on other data
        of that name (another digest), or when the holder's validation accuracy is beaten.
    """
    import mlflow
    from mlflow import MlflowClient

    client, recipe = MlflowClient(), dataset.recipe
    measured = client.get_run(run_id).data.metrics
    tags: dict[str, str] = {
        tag.DATASET: dataset.name,
        tag.DATASET_DIGEST: dataset.digest,
        "ensemble": recipe.ensemble,
        "liquid": str(recipe.liquid),
        "glass": str(recipe.glass),
        "image_size": str(recipe.image_size),
        TAG_VALIDATION: repr(accuracy),
        "run_id": run_id,
    }
    tags |= {key: repr(measured[key]) for key in ("test_accuracy", "test_images") if key in measured}
    version = _version_of_run(name, run_id)
    if version is None:
        with quiet():
            version = str(mlflow.register_model(model_uri, name, tags=tags).version)
    tested = f", test accuracy {100 * measured['test_accuracy']:.2f} %" if "test_accuracy" in measured else ""
    client.update_model_version(
        name,
        version,
        f"Trained on {dataset.name} (liquid {recipe.liquid}, T = {temperature(recipe.liquid):.3g}, against glass "
        f"{recipe.glass}, T = {temperature(recipe.glass):.3g}): best validation accuracy {100 * accuracy:.2f} %{tested}. "
        f"Input: uint8 RGB images of {recipe.image_size} pixels; output: P(glass).",
    )
    alias = check_name("dataset", dataset.name)
    holder = _version_at(name, alias)
    if holder is not None and str(holder.version) == version:
        return version, True
    same_data = holder is not None and holder.tags.get(tag.DATASET_DIGEST) == dataset.digest
    if same_data and float(holder.tags.get(TAG_VALIDATION, "-1")) >= accuracy:
        return version, False
    client.set_registered_model_alias(name, alias, version)
    return version, True


def find_checkpoint(name: str, kind: str, runs_folder: Path) -> tuple[State, str, str | None]:
    """Find and load a checkpoint by a run id, `runs:/...`, `models:/...` or a file.

    Args:
        name: what the user typed.
        kind: `best.pt` or `current.pt`, for a name that leaves it open; `runs:/ID/checkpoints/...` does not, and a registered
            or logged model is the best state.
        runs_folder: where the checkpoints of runs on this machine lie.

    Returns:
        The state, a label, and the id of the logged model, if any.

    Raises:
        UserError: nothing is there by that name, or it is not a checkpoint of this project (UnusableCheckpoint), or it cannot
            be had at this moment (TrackingLost).
    """
    from mlflow.exceptions import MlflowException

    try:
        return _find_checkpoint(name, kind, runs_folder)
    except MlflowException as error:
        raise_if_lost(error)
        raise


def _find_checkpoint(name: str, kind: str, runs_folder: Path) -> tuple[State, str, str | None]:
    if name.startswith("models:/"):
        source, label, model_id = _registered(name)
        return run_checkpoint(source, BEST, runs_folder), label, model_id
    if (run_id := run_id_of(name)) is not None:
        kind = _kind_in_run(name, kind)
        return run_checkpoint(run_id, kind, runs_folder), _label_of_run(run_id), logged_model_id(run_id)
    path = Path(name)
    if not path.is_file():
        raise UserError(
            f"There is no model {name!r}: pass a run id, runs:/RUN_ID, models:/NAME@ALIAS, models:/NAME/VERSION or the path of "
            "a checkpoint file."
        )
    return load_checkpoint(path), path.name, None


def find_model(name: str, runs_folder: Path) -> FoundModel:
    """Find a trained network by whatever names it; arguments and errors are those of `find_checkpoint`."""
    state, label, model_id = find_checkpoint(name, BEST, runs_folder)
    return FoundModel(restore_model(state), state, label, model_id)


def run_id_of(name: str) -> str | None:
    """The run id that a name is or begins with (`runs:/ID/...`); None if it names something else."""
    if name.startswith("runs:/") or is_run_id(name):
        return name.removeprefix("runs:/").split("/")[0]
    return None


def _kind_in_run(name: str, kind: str) -> str:
    """Which checkpoint `runs:/ID/PLACE` names; `kind` if there is no place in it."""
    place = "/".join(name.removeprefix("runs:/").split("/")[1:]).strip("/")
    kinds = {"": kind, MODEL_NAME: BEST, **{f"{CHECKPOINT_FOLDER}/{each}": each for each in (BEST, CURRENT)}}
    if place not in kinds:
        raise UserError(
            f"{name!r} names no checkpoint of its run: after the run id pass one of {listed([*kinds][1:])}."
        )
    return kinds[place]


def has_checkpoint(run_id: str, runs_folder: Path) -> bool:
    """Whether a run has a state to go on from, on this machine or in the tracking store."""
    return (runs_folder / run_id / CURRENT).exists() or _store_has(run_id, CURRENT)


def _store_has(run_id: str, kind: str) -> bool:
    """Whether the tracking store has a checkpoint of a run; TrackingLost if it does not answer."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        artifacts = MlflowClient().list_artifacts(run_id, CHECKPOINT_FOLDER)
    except MlflowException as error:
        raise_if_lost(error)
        raise
    return any(artifact.path.endswith(f"/{kind}") for artifact in artifacts)


def run_checkpoint(run_id: str, kind: str, runs_folder: Path) -> State:
    """The checkpoint of a run, from this machine or else from the tracking store; errors as in `find_checkpoint`."""
    import mlflow
    from mlflow.exceptions import MlflowException

    if not is_run_id(run_id):
        raise _no_run(run_id)
    local = runs_folder / run_id / kind
    if local.exists():
        return load_checkpoint(local)
    if find_run(run_id) is None:
        raise _no_run(run_id)
    with scratch_folder() as folder:
        try:
            path = mlflow.artifacts.download_artifacts(
                run_id=run_id, artifact_path=f"{CHECKPOINT_FOLDER}/{kind}", dst_path=str(folder)
            )
        except (MlflowException, OSError) as error:
            raise_if_full(error)
            raise_if_lost(error)
            # MLflow says the same of what is missing and of what it could not get.
            if _store_has(run_id, kind):
                raise TrackingLost(f"The checkpoint {kind} of the run {run_id} could not be fetched") from error
            raise UnusableCheckpoint(
                f"The run {run_id} has no checkpoint {kind}: choose a training run that has finished or was stopped."
            ) from None
        return load_checkpoint(Path(path))


def _no_run(run_id: str) -> UserError:
    return UserError(f"There is no run {run_id!r} in the tracking store: check the id on the MLflow page.")


def _registered(name: str) -> tuple[str, str, str | None]:
    """Run id, label and logged-model id of `models:/NAME@ALIAS`, `models:/NAME/VERSION` or `models:/MODEL_ID`."""
    from mlflow.exceptions import MlflowException
    from mlflow.models import get_model_info

    try:
        info = get_model_info(name)
    except (MlflowException, OSError) as error:
        raise_if_full(error)
        raise_if_lost(error)
        raise UserError(f"There is no model {name!r} ({_known(name)}): choose one of these, or train one.") from error
    except Exception as error:  # whatever MLflow stumbles over in a damaged MLmodel file
        raise UserError(
            f"The model {name!r} has a damaged description ({type(error).__name__}: {first_line(error)}): choose another."
        ) from error
    registered = re.match(r"models:/([^/@]+)[/@]", name)
    label = registered.group(1) if registered else name.removeprefix("models:/")
    version = getattr(info, "registered_model_version", None)
    if registered and version is None:
        version = _version_number(name)
    return str(info.run_id), f"{label} v{version}" if version else label, info.model_id


def _version_number(name: str) -> str | None:
    registered, _, alias = name.removeprefix("models:/").partition("@")
    if alias:
        found = _version_at(registered, alias)
        return None if found is None else str(found.version)
    return name.rpartition("/")[2]


def _known(name: str) -> str:
    """What the registry has, for an error message."""
    from mlflow import MlflowClient

    client = MlflowClient()
    registered = re.split(r"[/@]", name.removeprefix("models:/"))[0]
    models = {model.name: model for model in client.search_registered_models()}
    if registered not in models:
        return f"registered models: {listed(sorted(models))}"
    versions = sorted((v.version for v in client.search_model_versions(f"name='{registered}'")), key=int)
    aliases = sorted(client.get_registered_model(registered).aliases)
    return f"{registered} has the versions {listed(versions)} and the aliases {listed(aliases)}"


def _label_of_run(run_id: str) -> str:
    """The version that a run's model was registered as, such as `glass-liquid v3`, or else the run itself."""
    from mlflow import MlflowClient

    versions = MlflowClient().search_model_versions(f"run_id='{run_id}'")
    return f"{versions[0].name} v{versions[0].version}" if versions else f"run {run_id[:8]}"


def _version_of_run(name: str, run_id: str) -> str | None:
    """The version under a name that a run's model has already, such as that of a process that was killed a moment later."""
    from mlflow import MlflowClient

    versions = MlflowClient().search_model_versions(f"name='{name}' and run_id='{run_id}'")
    return str(versions[0].version) if versions else None


def _version_at(name: str, alias: str) -> Any:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        return MlflowClient().get_model_version_by_alias(name, alias)
    except MlflowException as error:
        raise_if_lost(error)
        return None
