"""Models in MLflow's registry: registering the best one, and its aliases."""

from typing import Any

from glassliquid.datasets.description import Dataset
from glassliquid.files import check_name
from glassliquid.inputs import DEFAULT, INPUTS
from glassliquid.physics.protocol import temperature
from glassliquid.tracking import tag
from glassliquid.tracking.logged_models import quiet
from glassliquid.tracking.store import raise_if_lost

ABOUT = (
    "Networks that tell a glass from a liquid. Each version says what it was trained on and what it reads; it answers with P(glass). "
    "An alias is the name of a dataset: it stands at the best model that was trained on it."
)
"""Description of a registered model."""
TAG_VALIDATION = "best_val_accuracy"


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
    run = client.get_run(run_id).data
    measured, reads = run.metrics, INPUTS.get(run.tags.get(tag.INPUT, DEFAULT)).of_recipe(recipe)
    tags: dict[str, str] = {
        tag.DATASET: dataset.name,
        tag.DATASET_DIGEST: dataset.digest,
        "ensemble": recipe.ensemble,
        "liquid": str(recipe.liquid),
        "glass": str(recipe.glass),
        tag.INPUT: reads.name,
        **{key: str(value) for key, value in reads.description().items()},
        TAG_VALIDATION: repr(accuracy),
        "run_id": run_id,
    }
    tags |= {key: repr(measured[key]) for key in ("test_accuracy", "test_images") if key in measured}
    version = _version_of_run(name, run_id)
    if version is None:
        with quiet():
            version = str(mlflow.register_model(model_uri, name, tags=tags).version)
        if version == "1":  # later a person may have written another one
            client.update_registered_model(name, ABOUT)
    tested = f", test accuracy {100 * measured['test_accuracy']:.2f} %" if "test_accuracy" in measured else ""
    client.update_model_version(
        name,
        version,
        f"Trained on {dataset.name} (liquid {recipe.liquid}, T = {temperature(recipe.liquid):.3g}, against glass "
        f"{recipe.glass}, T = {temperature(recipe.glass):.3g}): best validation accuracy {100 * accuracy:.2f} %{tested}. "
        f"Input: {reads.summary}; output: P(glass).",
    )
    alias = check_name("dataset", dataset.name)
    holder = version_at(name, alias)
    if holder is not None and str(holder.version) == version:
        return version, True
    same_data = holder is not None and holder.tags.get(tag.DATASET_DIGEST) == dataset.digest
    if same_data and float(holder.tags.get(TAG_VALIDATION, "-1")) >= accuracy:
        return version, False
    client.set_registered_model_alias(name, alias, version)
    return version, True


def _version_of_run(name: str, run_id: str) -> str | None:
    """The version under a name that a run's model has already, such as that of a process that was killed a moment later."""
    from mlflow import MlflowClient

    versions = MlflowClient().search_model_versions(f"name='{name}' and run_id='{run_id}'")
    return str(versions[0].version) if versions else None


def version_at(name: str, alias: str) -> Any:
    """MLflow's version of a registered model that has an alias; None if none has."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        return MlflowClient().get_model_version_by_alias(name, alias)
    except MlflowException as error:
        raise_if_lost(error)
        return None
