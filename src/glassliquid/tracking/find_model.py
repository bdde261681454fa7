"""Finding a checkpoint, or the network in it, by whatever names it: a run, a registered or logged model, a file."""

from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from glassliquid.errors import UserError, listed
from glassliquid.files import raise_if_full
from glassliquid.inputs import FOLD
from glassliquid.scratch import scratch_folder
from glassliquid.tracking.faults import shortened
from glassliquid.tracking.logged_models import CHECKPOINT_PLACE, MODEL_NAME, logged_model_id
from glassliquid.tracking.metrics import is_run_id
from glassliquid.tracking.missing_model import no_model, no_run
from glassliquid.tracking.registry import version_at
from glassliquid.tracking.store import TrackingLost, fetching, raise_if_lost, raise_unless_absent
from glassliquid.tracking.stored import find_run
from glassliquid.training.checkpoint import BEST, CURRENT, State, UnusableCheckpoint, load_checkpoint
from glassliquid.training.found_model import FoundModel, restore_model

CHECKPOINT_FOLDER = "checkpoints"
"""Artifact folder of a training run's checkpoints."""


def find_checkpoint(name: str, kind: str, runs_folder: Path) -> tuple[State, str, str | None]:
    """Find and load a checkpoint by a run id, `runs:/...`, `models:/...` or a file.

    Args:
        name: what the user typed.
        kind: BEST or CURRENT, for a name that leaves it open; `runs:/ID/checkpoints/...` does not, and a registered or logged
            model is the best state, out of the model's own files.
        runs_folder: where the checkpoints of runs on this machine lie.

    Returns:
        The state, a label, and the id of the logged model, if any.

    Raises:
        UserError: nothing is there by that name, or it is not a checkpoint of this project (UnusableCheckpoint), or it cannot
            be had at this moment (TrackingLost).
    """
    from mlflow.exceptions import MlflowException

    try:
        if name.startswith("models:/"):
            label, model_id = _registered(name)
            return _model_checkpoint(name), label, model_id
        if (run_id := run_id_of(name)) is not None:
            kind = _kind_in_run(name, kind)
            return run_checkpoint(run_id, kind, runs_folder), _label_of_run(run_id), logged_model_id(run_id)
    except MlflowException as error:
        raise_if_lost(error)
        raise
    path = Path(name).expanduser() if name.startswith("~/") else Path(name)
    if not path.is_file():
        raise UserError(
            f"There is no model {name!r}: pass a run id, runs:/RUN_ID, models:/NAME@ALIAS, models:/NAME/VERSION or the path of "
            "a checkpoint file."
        )
    return load_checkpoint(path), path.name, None


def find_model(name: str, runs_folder: Path) -> FoundModel:
    """Find a trained network by whatever names it; arguments and errors are those of `find_checkpoint`."""
    state, label, model_id = find_checkpoint(name, BEST, runs_folder)
    if FOLD in state.data:
        raise UserError(
            f"{label} is a fold of a cross-validation, trained on other simulations than the training split of its dataset, so it is unknown which simulations it has not seen: "
            "choose the model of a training run without folds."
        )
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
            f"{name!r} does not name a checkpoint of its run: after the run id pass one of {listed([*kinds][1:])}."
        )
    return kinds[place]


def has_checkpoint(run_id: str, runs_folder: Path) -> bool:
    """Whether a run has a state to continue from, on this machine or in the tracking store; TrackingLost if that does not answer."""
    from mlflow import MlflowClient

    in_store = partial(MlflowClient().list_artifacts, run_id)
    return (runs_folder / run_id / CURRENT).exists() or _has(f"{CHECKPOINT_FOLDER}/{CURRENT}", in_store)


def run_checkpoint(run_id: str, kind: str, runs_folder: Path) -> State:
    """The checkpoint of a run, from this machine or else from the tracking store; errors as in `find_checkpoint`."""
    import mlflow

    if not is_run_id(run_id):
        raise no_run(run_id)
    local = runs_folder / run_id / kind
    if local.exists():
        return load_checkpoint(local)
    if find_run(run_id) is None:
        raise no_run(run_id)
    return _fetched(
        f"{CHECKPOINT_FOLDER}/{kind}",
        lambda place, folder: mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=place, dst_path=folder),
        partial(mlflow.MlflowClient().list_artifacts, run_id),
        f"The run {run_id}",
        "choose a training run of this version that has finished or was stopped (those of glassliquid 0.1 left .pt files)",
    )


def _model_checkpoint(name: str) -> State:
    """The checkpoint that is among the files of a registered or logged model; errors as in `find_checkpoint`."""
    from mlflow.store.artifact.models_artifact_repo import ModelsArtifactRepository

    files = ModelsArtifactRepository(name)
    return _fetched(
        CHECKPOINT_PLACE,
        files.download_artifacts,
        files.list_artifacts,
        f"The model {name}",
        "train and register it again, or use it with glassliquid 0.1 if that registered it",
    )


def _fetched(
    place: str, fetch: Callable[[str, str], str], list_files: Callable[[str], list[Any]], owner: str, remedy: str
) -> State:
    """Fetch a checkpoint from an artifact store and load it.

    Args:
        place: where it is among the owner's artifacts.
        fetch: copies the artifact at a place into a folder, and returns the path of the copy.
        list_files: the artifacts in a folder.
        owner: whose it is, for error messages.
        remedy: what to do if there is none.
    """
    from mlflow.exceptions import MlflowException

    with scratch_folder() as folder:
        try:
            with fetching():
                fetched = Path(fetch(place, str(folder)))
            return load_checkpoint(fetched)
        except UserError:
            raise
        except Exception as error:  # of MLflow, or of an object store's client
            raise_if_full(error)
            raise_if_lost(error)
            if not isinstance(error, MlflowException | OSError):
                raise
            # MLflow says the same of what is missing and of what it could not get.
            if _has(place, list_files):
                raise TrackingLost(
                    f"The checkpoint {place} of {owner[0].lower()}{owner[1:]} could not be fetched"
                ) from error
            raise UnusableCheckpoint(f"{owner} has no checkpoint {place}: {remedy}.") from None


def _has(place: str, list_files: Callable[[str], list[Any]]) -> bool:

    try:
        return any(file.path == place for file in list_files(str(PurePosixPath(place).parent)))
    except Exception as error:
        raise_if_lost(error)
        raise


def _registered(name: str) -> tuple[str, str | None]:
    """Label and logged-model id of `models:/NAME@ALIAS`, `models:/NAME/VERSION` or `models:/MODEL_ID`."""
    from mlflow.exceptions import MlflowException
    from mlflow.models import get_model_info

    try:
        info = get_model_info(name)
    except (
        Exception
    ) as error:  # of MLflow, of an object store's client, or whatever stumbles over a damaged MLmodel file
        raise_if_full(error)
        raise_unless_absent(error)
        if isinstance(error, MlflowException | OSError):
            raise no_model(name, error) from error
        raise UserError(
            f"The model {name!r} has a damaged description ({type(error).__name__}: {shortened(str(error))}): choose another."
        ) from error
    registered, _, alias = name.removeprefix("models:/").partition("@")
    if alias:
        found = version_at(registered, alias)
        return registered if found is None else f"{registered} v{found.version}", info.model_id
    return " v".join(registered.rsplit("/", 1)), info.model_id


def _label_of_run(run_id: str) -> str:
    """The version that a run's model was registered as, such as `glass-liquid v3`, or else the run itself."""
    from mlflow import MlflowClient

    versions = MlflowClient().search_model_versions(f"run_id='{run_id}'")
    return f"{versions[0].name} v{versions[0].version}" if versions else f"run {run_id[:8]}"
