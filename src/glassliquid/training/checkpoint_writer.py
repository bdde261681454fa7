"""Writing checkpoints while the training goes on."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from glassliquid.errors import UserError, first_line_of
from glassliquid.files import UncachedFile, replacing
from glassliquid.training.checkpoint import BEST, CURRENT, State

OVERHEAD = 100
"""The current state is saved at most once in this many times what copying and writing it takes."""
OLDEST_STATE_S = 60.0
"""... unless the newest whole state would otherwise become older than this [s] and than an iteration."""
SLOWER_ITERATION = 1.2
"""How much longer than the last one the next iteration may take without that."""


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
            f"Cannot write {path} ({first_line_of(error)}): make sure that the disk has room, then resume the run from the "
            "last checkpoint that was kept."
        ) from error
