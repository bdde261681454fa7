"""Models in MLflow: logging and registering the best one, its aliases, and finding a model by whatever names it."""

import contextlib
import errno
import io
import logging
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from glassliquid.dataset.description import CLASSES, Dataset, Label
from glassliquid.errors import UserError, listed
from glassliquid.files import check_name
from glassliquid.models.classifier import CHANNELS, ImageClassifier
from glassliquid.models.served import GlassProbability
from glassliquid.scratch import scratch_folder
from glassliquid.simulation.protocol import temperature
from glassliquid.tracking.run import TAG_DATASET, TAG_DATASET_DIGEST
from glassliquid.training.checkpoint import BEST, CURRENT, State, load_checkpoint, restore_model

CHECKPOINT_FOLDER = "checkpoints"
"""Artifact folder of a training run's checkpoints."""
MODEL_NAME = "model"
REGISTERED_NAME = "glass-liquid"
"""What models are registered as, unless the user says otherwise."""
TAG_VALIDATION = "best_val_accuracy"
ROOM_BYTES = 8 << 20
"""For what is kept of a model beside its weights."""
_RUN_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class FoundModel:
    """A trained network and where it came from."""

    model: ImageClassifier
    """In evaluation mode, on the CPU."""
    state: State
    """Its checkpoint: settings, dataset, run."""
    label: str
    """What to call it, such as `glass-liquid v3`."""
    model_id: str | None
    """MLflow's id of the logged model, to link metrics to; None for a file or an unregistered checkpoint."""


def best_model(dataset: str, name: str = REGISTERED_NAME) -> str:
    """Address of the best registered model that was trained on a dataset."""
    return f"models:/{name}@{dataset}"


def log_model(model: ImageClassifier, image_size: int, state: State) -> Any:
    """Log the network in PyTorch's exported format, which loads without unpickling anything, to the active run.

    Its input is uint8 images, shape (n, image_size, image_size, 3); its output P(glass), shape (n,). The logits, and the
    network as Python code, are had from the run's checkpoint.
    """
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    # Two images: with one, the exported program would be fixed to batches of one.
    example = np.zeros((2, image_size, image_size, CHANNELS), dtype=np.uint8)
    signature = ModelSignature(
        # Without names: to a named input MLflow hands a dictionary, which its PyTorch flavor refuses.
        Schema([TensorSpec(np.dtype(np.uint8), (-1, *example.shape[1:]))]),
        Schema([TensorSpec(np.dtype(np.float32), (-1,))]),
    )
    _check_room(model)
    with _quiet():
        return mlflow.pytorch.log_model(
            GlassProbability(model, CLASSES.index(Label.GLASS)).cpu().eval(),
            name=MODEL_NAME,
            signature=signature,
            input_example=example,
            pip_requirements=[f"torch=={torch.__version__.split('+')[0]}", f"numpy=={np.__version__}"],
            serialization_format="pt2",
            metadata={"classes": [label.value for label in CLASSES], **state["data"], "settings": state["config"]},
        )


def logged_model_of(run_id: str) -> str | None:
    """Address of the model that a run has logged, None if it has none; half ones of killed processes are removed."""
    from mlflow import MlflowClient

    whole, half = _logged_models(run_id)
    for model in half:
        MlflowClient().delete_logged_model(model.model_id)
    return str(whole[-1].model_uri) if whole else None


def _check_room(model: ImageClassifier) -> None:
    """Raise OSError if the temporary files have no room for a model: PyTorch ends the process when it cannot write one."""
    needed = ROOM_BYTES + sum(weights.nbytes for weights in model.state_dict().values())
    folder = tempfile.gettempdir()
    if shutil.disk_usage(folder).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), folder)


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
        TAG_DATASET: dataset.name,
        TAG_DATASET_DIGEST: dataset.digest,
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
        with _quiet():
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
    same_data = holder is not None and holder.tags.get(TAG_DATASET_DIGEST) == dataset.digest
    if same_data and float(holder.tags.get(TAG_VALIDATION, "-1")) >= accuracy:
        return version, False
    client.set_registered_model_alias(name, alias, version)
    return version, True


def find_checkpoint(name: str, kind: str, runs_folder: Path) -> tuple[State, str, str | None]:
    """Find and load a checkpoint by a run id, `runs:/...`, `models:/...` or a file.

    Args:
        name: what the user typed.
        kind: `best.pt` or `current.pt`.
        runs_folder: where the checkpoints of runs on this machine lie.

    Returns:
        The state, a label, and the id of the logged model, if any.

    Raises:
        UserError: nothing is there by that name, or it is not a checkpoint of this project.
    """
    if name.startswith("models:/"):
        source, label, model_id = _registered(name)
        return run_checkpoint(source, kind, runs_folder), label, model_id
    if (run_id := run_id_of(name)) is not None:
        return run_checkpoint(run_id, kind, runs_folder), _label_of_run(run_id), _logged_model_id(run_id)
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
    if name.startswith("runs:/") or _RUN_ID.fullmatch(name):
        return name.removeprefix("runs:/").split("/")[0]
    return None


def has_checkpoint(run_id: str, runs_folder: Path) -> bool:
    """Whether a run has a state to go on from, on this machine or in the tracking store."""
    from mlflow import MlflowClient

    if (runs_folder / run_id / CURRENT).exists():
        return True
    artifacts = MlflowClient().list_artifacts(run_id, CHECKPOINT_FOLDER)
    return any(artifact.path.endswith(f"/{CURRENT}") for artifact in artifacts)


def run_checkpoint(run_id: str, kind: str, runs_folder: Path) -> State:
    """The checkpoint of a run, from this machine or else from the tracking store; errors as in `find_checkpoint`."""
    import mlflow
    from mlflow.exceptions import MlflowException

    local = runs_folder / run_id / kind
    if local.exists():
        return load_checkpoint(local)
    try:
        mlflow.MlflowClient().get_run(run_id)
    except MlflowException:
        raise UserError(f"There is no run {run_id!r} in the tracking store: check the id on the MLflow page.") from None
    with scratch_folder() as folder:
        try:
            path = mlflow.artifacts.download_artifacts(
                run_id=run_id, artifact_path=f"{CHECKPOINT_FOLDER}/{kind}", dst_path=str(folder)
            )
        except (MlflowException, OSError):
            raise UserError(
                f"The run {run_id} has no checkpoint {kind}: choose a training run that has finished or was stopped."
            ) from None
        return load_checkpoint(Path(path))


def _registered(name: str) -> tuple[str, str, str | None]:
    """Run id, label and logged-model id of `models:/NAME@ALIAS`, `models:/NAME/VERSION` or `models:/MODEL_ID`."""
    from mlflow.exceptions import MlflowException
    from mlflow.models import get_model_info

    try:
        info = get_model_info(name)
    except (MlflowException, OSError) as error:
        raise UserError(f"There is no model {name!r} ({_known(name)}): choose one of these, or train one.") from error
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
    except MlflowException:
        return None


def _logged_model_id(run_id: str) -> str | None:
    whole, _ = _logged_models(run_id)
    return str(whole[-1].model_id) if whole else None


def _logged_models(run_id: str) -> tuple[list[Any], list[Any]]:
    """The models that a run has logged, and those that it was still writing when it was killed."""
    from mlflow import MlflowClient
    from mlflow.entities.logged_model_status import LoggedModelStatus
    from mlflow.exceptions import MlflowException

    client = MlflowClient()
    found: tuple[list[Any], list[Any]] = [], []
    # One that was removed is still named by its run, and not found.
    with contextlib.suppress(MlflowException):
        outputs = client.get_run(run_id).outputs
        for output in outputs.model_outputs if outputs is not None else []:
            with contextlib.suppress(MlflowException):
                model = client.get_logged_model(output.model_id)
                found[model.status != LoggedModelStatus.READY].append(model)
    return found


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep MLflow's and the exporter's notes, which say nothing that a user could act on, off the screen."""
    logger = logging.getLogger("mlflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
