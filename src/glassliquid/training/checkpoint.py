"""Checkpoints: the whole state of a training run in one file that loads without executing anything.

A file holds tensors, numbers and text only:

| key | meaning |
|---|---|
| format | version of this table |
| config | the settings (`TrainConfig.to_json`) |
| data | name, digest, image size and recipe of the dataset |
| run_id | the tracked run that the checkpoint belongs to |
| iteration | iterations finished |
| progress | best, last and largest drop (`Progress`) |
| model | the network's state_dict |
| optimizer, batches, generators | everything that the next iteration depends on; absent in `weights-only` files |
"""

import os
import pickle
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from glassliquid.errors import UserError
from glassliquid.files import UncachedFile, remove_partials_of, replacing, whole_number
from glassliquid.models.classifier import ImageClassifier
from glassliquid.models.table import build_model
from glassliquid.training.archive import check_archive, check_values
from glassliquid.training.config import MOST_ITERATIONS, TrainConfig
from glassliquid.training.progress import Progress

FORMAT = 1
CURRENT = "current.pt"
"""File name of the state after the last finished iteration (or a recent one, while a large state is being written)."""
BEST = "best.pt"
"""File name of the state with the best validation accuracy."""

State = dict[str, Any]
_REQUIRED = ("format", "config", "data", "run_id", "iteration", "progress", "model")

LARGEST_IMAGE = 2048
"""Side of an image [pixels]."""
LONGEST_NAME = 200

OVERHEAD = 100
"""The current state is saved at most once in this many times what copying and writing it takes."""
OLDEST_STATE_S = 60.0
"""... unless the newest whole state would otherwise become older than this [s] and than an iteration."""
SLOWER_ITERATION = 1.2
"""How much longer than the last one the next iteration may take without that."""


def load_checkpoint(path: Path, device: str = "cpu") -> State:
    """Read a checkpoint; nothing in it is executed, and it takes no more memory than two and a half times the file.

    Raises:
        UserError: the file is missing, cut off, damaged, of another format, or holds anything but tensors and plain values.
    """
    try:
        check_archive(path)
        state = torch.load(path, map_location=device, weights_only=True)
        check_values(state, path.stat().st_size)
    except FileNotFoundError:
        raise UserError(
            f"There is no checkpoint {path}: name a run, a registered model or a file that exists."
        ) from None
    except pickle.UnpicklingError as error:
        raise UserError(
            f"The checkpoint {path} is not one of this project's (it holds more than tensors and plain values, or is cut "
            "off), and it was not executed: choose another."
        ) from error
    except Exception as error:  # whatever PyTorch and zipfile stumble over in damaged bytes
        raise UserError(f"The checkpoint {path} cannot be read ({_first_line(error)}): choose another.") from error
    if not isinstance(state, dict) or any(key not in state for key in _REQUIRED):
        raise UserError(f"{path} is not a checkpoint of this project's format {FORMAT}: choose another.")
    try:
        _check_description(state)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} is not a checkpoint of this project ({_first_line(error)}): choose another."
        ) from error
    return state


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
    whole_number(data["image_size"], 1, LARGEST_IMAGE)
    if type(model) not in (dict, OrderedDict) or not all(isinstance(each, torch.Tensor) for each in model.values()):
        raise ValueError("its weights are no tensors")
    for name in ("optimizer", "batches", "generators"):
        if name in state and type(state[name]) is not dict:
            raise ValueError(f"what it has under {name!r} is no table of named values")


def remove_checkpoints(folder: Path) -> None:
    """Remove the checkpoints of a run that needs them no more, and what was left half-written of them."""
    for name in (CURRENT, BEST):
        (folder / name).unlink(missing_ok=True)
        remove_partials_of(folder / name)


def restore_progress(state: State) -> Progress:
    """The progress that a checkpoint records; UserError if it is damaged."""
    try:
        return Progress.from_json(state["progress"])
    except (TypeError, ValueError) as error:
        raise UserError(f"The checkpoint's progress is damaged ({error}): choose another checkpoint.") from error


def restore_model(state: State) -> ImageClassifier:
    """The network of a checkpoint, with its weights, in evaluation mode.

    Raises:
        UserError: the weights do not fit the network that the settings name.
    """
    config = TrainConfig.from_json(state["config"])
    try:
        image_size = int(state["data"]["image_size"])
        _check_shapes(config, image_size, state["model"])
        model = build_model(config.model, image_size, config.dropout, torch.Generator())
        model.load_state_dict(state["model"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"The checkpoint's weights do not fit the network {config.model!r} ({_first_line(error)}): choose another."
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
        "config": config.to_json(),
        "data": data,
        "run_id": run_id,
        "iteration": iteration,
        "progress": asdict(progress),
    }


def copy_to_cpu(value: Any, spare: Any = None) -> Any:
    """A copy of nested tensors in main memory, which the training can no longer change.

    The tensors of `spare`, an earlier copy that nobody needs, are written over where they have the same shape and type:
    memory that was touched before is filled ten times as fast as fresh memory.
    """
    if isinstance(value, torch.Tensor):
        if isinstance(spare, torch.Tensor) and (spare.shape, spare.dtype) == (value.shape, value.dtype):
            return spare.copy_(value.detach())
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        spares = spare if isinstance(spare, dict) else {}
        return {key: copy_to_cpu(item, spares.get(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        beside = spare if isinstance(spare, list | tuple) and len(spare) == len(value) else [None] * len(value)
        return type(value)(copy_to_cpu(item, other) for item, other in zip(value, beside, strict=True))
    return value


class CheckpointWriter:
    """Writes checkpoints in the background, so that a large state does not stop the training.

    The state is copied, and a thread writes the copy aside and moves it into place. `best` states are always written;
    a `current` state is passed over while the last one is being written or was saved a moment ago, so that saving costs
    the training a per cent or so. `finish` writes what is left. An error of the thread is raised by the next call.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Write into `folder`."""
        self._folder = folder
        self._clock = clock
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._waiting: dict[str, State] = {}
        self._spare: State | None = None
        """A copy that has been written, whose memory the next one takes."""
        self._lock = threading.Lock()
        self._saved_at = self._called_at = float("-inf")
        self._copying = self._writing = 0.0
        """What the newest save took [s]; the thread that writes takes its time from the training too."""

    def save(self, make_state: Callable[[], State], is_best: bool, is_last: bool = False) -> None:
        """Save the state as `current`, and as `best` if it is; `make_state` is called only if a copy is needed."""
        self._raise_error()
        started = self._clock()
        busy = self._thread is not None and self._thread.is_alive()
        iteration, self._called_at = started - self._called_at, started
        taking = self._copying + self._writing
        wait = min(OVERHEAD * taking, OLDEST_STATE_S - taking - SLOWER_ITERATION * iteration)
        due = started - self._saved_at >= wait
        if not (is_best or is_last or (due and not busy)):
            return
        with self._lock:
            spare, self._spare = self._spare, None
        state = copy_to_cpu(make_state(), spare)
        names = [BEST, CURRENT] if is_best else [CURRENT]
        with self._lock:
            self._waiting.update(dict.fromkeys(names, state))
        self._saved_at = started
        self._copying = self._clock() - started
        self._start()

    def finish(self) -> None:
        """Wait until everything is written."""
        while self._thread is not None:
            self._thread.join()
            self._raise_error()
            # A state handed over while the thread was ending has not been seen by it.
            self._thread = None
            if self._waiting:
                self._start()

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._write_waiting, name="checkpoints")
            self._thread.start()

    def _write_waiting(self) -> None:
        try:
            while True:
                with self._lock:
                    waiting, self._waiting = self._waiting, {}
                if not waiting:
                    return
                started = self._clock()
                _write(self._folder, waiting)
                self._writing = self._clock() - started
                with self._lock:
                    self._spare = next(iter(waiting.values()))
        except BaseException as error:  # handed to the training's thread, which raises it
            self._error = error

    def _raise_error(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error


def _write(folder: Path, states: dict[str, State]) -> None:
    """Write states under their names; one that has two names is written once and linked."""
    written: dict[int, Path] = {}
    for name, state in states.items():
        path = folder / name
        source = written.get(id(state))
        if source is None:
            with replacing(path) as partial:
                _save(state, partial, path)
            written[id(state)] = path
        else:
            with replacing(path) as partial:
                partial.unlink()
                os.link(source, partial)


def _save(state: State, partial: Path, path: Path) -> None:
    try:
        with UncachedFile(partial) as file:
            torch.save(state, file)  # type: ignore[arg-type] # what it needs of a file is there
    except OSError as error:
        # The file has no name any more when it is written to.
        raise OSError(error.errno, error.strerror, str(path)) from error
    except RuntimeError as error:  # PyTorch's own words
        raise UserError(
            f"Cannot write {path} ({_first_line(error)}): make sure that the disk has room, then resume the run from the "
            "last checkpoint that was kept."
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
