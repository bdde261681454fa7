"""Models that runs have logged: the best network in PyTorch's exported format and its checkpoint, once for each run."""

import contextlib
import errno
import io
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from glassliquid.datasets.description import CLASSES, Label
from glassliquid.models.network import Network
from glassliquid.models.served import GlassProbability
from glassliquid.scratch import scratch_folder
from glassliquid.settings import stored
from glassliquid.tracking.run import TrackedRun
from glassliquid.tracking.store import raise_if_lost, storing
from glassliquid.training.checkpoint import BEST, State, save_checkpoint

MODEL_NAME = "model"
CHECKPOINT_PLACE = f"extra_files/{BEST}"
"""Where a logged model has its checkpoint: the folder is MLflow's."""
ROOM_BYTES = 8 << 20
"""For what is kept of a model beside its weights."""


@dataclass(frozen=True)
class WrittenModel:
    """A model in a folder of this machine, of which MLflow knows that it is on its way."""

    files: Path
    logged: Any
    """MLflow's entity."""
    data: Mapping[str, Any]
    """What it was trained on."""


def find_or_announce(tracked: TrackedRun) -> Any:
    """MLflow's entity of the model that a run has logged; without one, of a new one, which MLflow shows as not ready.

    Half ones, of killed processes, are removed.
    """
    from mlflow import MlflowClient

    whole, half = _logged_models(tracked.run_id, tracked.experiment_id)
    for model in half:
        MlflowClient().delete_logged_model(model.model_id)
    if whole:
        return whole[-1]
    return MlflowClient().create_logged_model(
        tracked.experiment_id, MODEL_NAME, source_run_id=tracked.run_id, params=dict(tracked.opened.data.params)
    )


@contextlib.contextmanager
def written_model(model: Network, state: State, logged: Any) -> Iterator[WrittenModel]:
    """Write a network in PyTorch's exported format, which loads without unpickling anything, into a folder for the block.

    Its input is that of the network's `example`, such as uint8 images; its output P(glass), shape (n,). The logits, and the
    network as Python code, are had from the checkpoint, which is one of the model's files: the commands of this project read
    nothing else of a model. Of a model that is logged already nothing is written.

    Args:
        model: the network.
        state: the checkpoint that it is from.
        logged: what `find_or_announce` gave.
    """
    with scratch_folder() as folder:
        files = folder / MODEL_NAME
        if not _is_ready(logged):
            with quiet():
                save_checkpoint(state, folder / BEST)
                _check_room(model)
                _save(model, state, folder / BEST, files, logged)
        yield WrittenModel(files, logged, state.data)


def send_model(written: WrittenModel, tracked: TrackedRun, figures: Mapping[str, float]) -> str:
    """Log a written model to its run, unless that was done already; its address.

    `mlflow.pytorch.log_model` does the same in 25 requests more, most of them for the points of every curve, out of which
    it looks for those of step 0.

    Args:
        written: the model.
        tracked: the run.
        figures: names and values that the model's own page shows.

    Raises:
        TrackingLost: a store does not take it; what it has of the model is removed by `find_or_announce`.
    """
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModelOutput
    from mlflow.entities.logged_model_status import LoggedModelStatus

    client, logged = MlflowClient(), written.logged
    if _is_ready(logged):
        return str(logged.model_uri)
    largest = max(path.stat().st_size for path in written.files.rglob("*"))
    with storing("a file of the model of up to", largest, logged.artifact_location), quiet():
        client.log_model_artifacts(logged.model_id, str(written.files))
    client.log_outputs(tracked.run_id, [LoggedModelOutput(logged.model_id, step=0)])
    tracked.model_curves({0: figures}, logged.model_id, str(written.data["name"]), str(written.data["digest"]))
    # Last: a model that is not ready is taken for one whose process was killed.
    return str(client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY).model_uri)


def _save(model: Network, state: State, checkpoint: Path, folder: Path, logged: Any) -> None:
    """Write the files of a logged model."""
    import mlflow
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    # Two samples: with one, the exported program would be fixed to batches of one.
    example, free = model.reads.example(), model.reads.free_axes
    shape = tuple(-1 if axis in free else length for axis, length in enumerate(example.shape))
    signature = ModelSignature(
        # Without names: to a named input MLflow hands a dictionary, which its PyTorch flavor refuses.
        Schema([TensorSpec(example.dtype, shape)]),
        Schema([TensorSpec(np.dtype(np.float32), (-1,))]),
    )
    mlflow.pytorch.save_model(
        GlassProbability(model, CLASSES.index(Label.GLASS)).cpu().eval(),
        str(folder),
        mlflow_model=Model(
            artifact_path=logged.artifact_location,
            run_id=logged.source_run_id,
            model_uuid=logged.model_id,
            model_id=logged.model_id,
            metadata={"classes": [label.value for label in CLASSES], **state.data, "settings": stored(state.config)},
        ),
        signature=signature,
        # In a list, of which MLflow keeps no copy: as JSON the images would take 2 MB.
        input_example=[example],
        extra_files=[str(checkpoint)],
        pip_requirements=[f"torch=={torch.__version__.split('+')[0]}", f"numpy=={np.__version__}"],
        serialization_format="pt2",
    )


def logged_model_id(run_id: str) -> str | None:
    """MLflow's id of the model that a run has logged; None if it has none."""
    whole, _ = _logged_models(run_id)
    return str(whole[-1].model_id) if whole else None


def _check_room(model: Network) -> None:
    """Raise OSError if the temporary files have no room for a model: PyTorch ends the process when it cannot write one."""
    needed = ROOM_BYTES + sum(weights.nbytes for weights in model.state_dict().values())
    folder = tempfile.gettempdir()
    if shutil.disk_usage(folder).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), folder)


def _is_ready(logged: Any) -> bool:
    from mlflow.entities.logged_model_status import LoggedModelStatus

    return bool(logged.status == LoggedModelStatus.READY)


def _logged_models(run_id: str, experiment_id: str | None = None) -> tuple[list[Any], list[Any]]:
    """The models that a run has logged, and those that it was still writing when it was killed."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient()
    # Asked for by their run: the run itself names them a moment after they are made, and still when they are removed.
    try:
        experiment = experiment_id or client.get_run(run_id).info.experiment_id
    except MlflowException as error:
        # A second model would be logged beside one that could not be seen for a moment.
        raise_if_lost(error)
        return [], []
    models: list[Any] = list(client.search_logged_models([experiment], f"source_run_id = '{run_id}'"))
    models.sort(key=lambda model: model.creation_timestamp)
    return [model for model in models if _is_ready(model)], [model for model in models if not _is_ready(model)]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep MLflow's and the exporter's notes, which say nothing that a user could act on, off the screen."""
    from mlflow.utils.logging_utils import disable_logging, enable_logging

    logger = logging.getLogger("mlflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    # What it prints beside its logging, such as "Created version '1' of model ...".
    disable_logging()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        enable_logging()
        logger.setLevel(level)
