"""Checkpoints: the whole state of a training run in one file that loads without executing anything.

A file holds tensors, numbers and text only:

| key | meaning |
|---|---|
| format | version of this table |
| config | the settings (`TrainConfig`, as `stored` gives them) |
| data | name, digest, image size and recipe of the dataset |
| run_id | the tracked run that the checkpoint belongs to |
| iteration | iterations finished |
| progress | best, last and largest drop (`Progress`) |
| model | the network's state_dict |
| optimizer, batches, generators | everything that the next iteration depends on; absent in `weights-only` files |
"""

import errno
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from glassliquid.datasets.draw import LARGEST_IMAGE, SMALLEST_IMAGE
from glassliquid.errors import UserError, first_line_of
from glassliquid.files import remove_partials_of, whole_number
from glassliquid.models.network import Network, build_model
from glassliquid.settings import restored, stored
from glassliquid.training.archive import check_archive, check_values
from glassliquid.training.config import MOST_ITERATIONS, TrainConfig
from glassliquid.training.progress import Progress

FORMAT = 1
CURRENT = "current.pt"
"""File name of the state after the last finished iteration (or a recent one, while a large state is being written)."""
BEST = "best.pt"
"""File name of the state with the best validation accuracy."""

State = dict[str, Any]
CONTINUES_WITH = ("optimizer", "batches", "generators")
"""What a state has beside these, if a training can go on from it."""
_REQUIRED = ("format", "config", "data", "run_id", "iteration", "progress", "model")

_OF_THE_MACHINE = {
    errno.EIO,
    errno.ENOMEM,
    errno.EMFILE,
    errno.ENFILE,
    errno.ESTALE,
    errno.EACCES,
    errno.EPERM,
    errno.ETIMEDOUT,
}
"""What reading a file can fail of that says nothing about its content."""
LONGEST_NAME = 200


class UnusableCheckpoint(UserError):
    """A checkpoint that is missing, damaged or does not fit: it will not be another one when it is tried again."""


def load_checkpoint(path: Path, device: str = "cpu") -> State:
    """Read a checkpoint; nothing in it is executed, and it takes no more memory than two and a half times the file.

    Raises:
        UnusableCheckpoint: the file is missing, cut off, damaged, of another format, or holds anything but tensors and plain
            values.
        UserError: the machine cannot read it at this moment.
    """
    try:
        check_archive(path)
        state = torch.load(path, map_location=device, weights_only=True)
        check_values(state, path.stat().st_size)
    except FileNotFoundError:
        raise UnusableCheckpoint(
            f"There is no checkpoint {path}: name a run, a registered model or a file that exists."
        ) from None
    except Exception as error:  # whatever PyTorch and zipfile stumble over in damaged bytes
        if is_of_the_machine(error):
            raise UserError(
                f"The checkpoint {path} could not be read ({first_line_of(error)}): mend that, then run the same command again."
            ) from error
        if not isinstance(error, pickle.UnpicklingError):
            raise UnusableCheckpoint(
                f"The checkpoint {path} cannot be read ({first_line_of(error)}): choose another."
            ) from error
        raise UnusableCheckpoint(
            f"The checkpoint {path} is not one of this project's (it holds more than tensors and plain values, or is cut "
            "off), and it was not executed: choose another."
        ) from error
    if not isinstance(state, dict) or any(key not in state for key in _REQUIRED):
        raise UnusableCheckpoint(f"{path} is not a checkpoint of this project's format {FORMAT}: choose another.")
    try:
        _check_description(state)
    except (KeyError, TypeError, ValueError) as error:
        raise UnusableCheckpoint(
            f"{path} is not a checkpoint of this project ({first_line_of(error)}): choose another."
        ) from error
    return state


def is_of_the_machine(error: BaseException) -> bool:
    """Whether an error tells of the machine at this moment, its memory or its disk, and not of what it was given."""
    cause: BaseException | None = error
    while cause is not None:
        # PyTorch's own words for main memory; for a GPU it has classes.
        of_a_device = (torch.OutOfMemoryError, torch.AcceleratorError)
        if isinstance(cause, (MemoryError, *of_a_device)) or "allocate memory" in str(cause):
            return True
        if isinstance(cause, OSError) and cause.errno in _OF_THE_MACHINE:
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _check_description(state: State) -> None:
    """Raise KeyError, TypeError or ValueError unless the parts that say what a state is are of their types."""
    data, model = state["data"], state["model"]
    if type(data) is not dict:
        raise ValueError("it does not say which data it is of")
    whole_number(state["format"], FORMAT, FORMAT)
    whole_number(state["iteration"], 0, MOST_ITERATIONS)
    for name, text in (("run_id", state["run_id"]), ("name", data["name"]), ("digest", data["digest"])):
        if type(text) is not str or len(text) > LONGEST_NAME:
            raise ValueError(f"its {name} is no text")
    whole_number(data["image_size"], SMALLEST_IMAGE, LARGEST_IMAGE)
    if type(model) not in (dict, OrderedDict) or not all(isinstance(each, torch.Tensor) for each in model.values()):
        raise ValueError("its weights are no tensors")
    for name in CONTINUES_WITH:
        if name in state and type(state[name]) is not dict:
            raise ValueError(f"what it has under {name!r} is no table of named values")


def remove_checkpoints(folder: Path) -> None:
    """Remove the checkpoints of a run that needs them no more, and what was left half-written of them."""
    for name in (CURRENT, BEST):
        (folder / name).unlink(missing_ok=True)
        remove_partials_of(folder / name)


def restore_progress(state: State) -> Progress:
    """The progress that a checkpoint records; UnusableCheckpoint if it is damaged."""
    try:
        return restored(Progress, state["progress"], "The values in the checkpoint's progress")
    except UserError as error:
        raise UnusableCheckpoint(str(error)) from error


def restore_model(state: State) -> Network:
    """The network of a checkpoint, with its weights, in evaluation mode.

    Raises:
        UnusableCheckpoint: the weights do not fit the network that the settings name.
    """
    config = restored(TrainConfig, state["config"], "The checkpoint's settings")
    try:
        image_size = int(state["data"]["image_size"])
        _check_shapes(config, image_size, state["model"])
        model = build_model(config.model, image_size, config.dropout, torch.Generator())
        model.load_state_dict(state["model"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UnusableCheckpoint(
            f"The checkpoint's weights do not fit the network {config.model!r} ({first_line_of(error)}): choose another."
        ) from error
    return model.eval()


def _check_shapes(config: TrainConfig, image_size: int, weights: Mapping[str, torch.Tensor]) -> None:
    """Raise ValueError unless the weights are those of the network; before memory for it is set aside.

    A file of a few kilobytes can name the largest network and the largest images.
    """
    with torch.device("meta"):
        expected = build_model(config.model, image_size, config.dropout, torch.Generator()).state_dict()
    if set(expected) != set(weights):
        raise ValueError("they have other names")
    for name, tensor in weights.items():
        if tensor.shape != expected[name].shape or tensor.dtype != expected[name].dtype:
            raise ValueError(f"{name} is {tuple(tensor.shape)}, and {tuple(expected[name].shape)} is expected")
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name} has values that are not finite")


def describe_state(config: TrainConfig, data: dict[str, Any], run_id: str, iteration: int, progress: Progress) -> State:
    """The part of a state that says what it is."""
    return {
        "format": FORMAT,
        "config": stored(config),
        "data": data,
        "run_id": run_id,
        "iteration": iteration,
        "progress": stored(progress),
    }
