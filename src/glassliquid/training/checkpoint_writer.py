"""When a training run saves its state: each iteration if that takes a moment, once a minute if it takes long."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from glassliquid.files import replacing
from glassliquid.training.checkpoint import BEST, CURRENT, GROUPS, State, save_checkpoint

SHARE = 0.01
"""Of a training run's time that writing its state may take."""
OLDEST_STATE_S = 60.0
"""... unless the newest state on the disk would otherwise become older than this [s] and than an iteration,"""
LARGEST_SHARE = 0.05
"""... and then it may take this share."""
SLOWER_ITERATION = 1.2
"""How much longer than the last one the next iteration may take without that."""


class CheckpointWriter:
    """Writes the states of a training run, `current` and `best`.

    The best state between two times of writing is copied and written with the next `current`: a training run that is killed in
    between continues from the state before both, and finds the best one again.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Write into `folder`."""
        self._folder = folder
        self._clock = clock
        self._best: State | None = None
        """A copy of the best state that is not on the disk yet."""
        self._written_at = self._called_at = float("-inf")
        self._took_s = 0.0
        """What the newest writing took."""

    def save(self, make_state: Callable[[], State], is_best: bool, is_last: bool = False) -> None:
        """Save the state as `current`, and as `best` if it is; `make_state` is called only if it is needed.

        Raises:
            OSError: the disk is full or fails.
        """
        started = self._clock()
        iteration_s, self._called_at = started - self._called_at, started
        soon = OLDEST_STATE_S - self._took_s - SLOWER_ITERATION * iteration_s
        wait = min(self._took_s / SHARE, max(self._took_s / LARGEST_SHARE, soon))
        if not is_last and started - self._written_at < wait:
            if is_best:
                self._best = None  # frees its memory for the next one
                self._best = _copied(make_state())
            return
        state = make_state()
        if is_best:
            self._best = state
        self.finish()
        if not is_best:
            save_checkpoint(state, self._folder / CURRENT)
        self._written_at = started
        self._took_s = self._clock() - started

    def finish(self) -> None:
        """Write the best state, unless it is on the disk; it is newer than `current`, and takes its place too."""
        best, self._best = self._best, None
        if best is not None:
            save_checkpoint(best, self._folder / BEST)
            with replacing(self._folder / CURRENT) as partial:
                partial.unlink()
                os.link(self._folder / BEST, partial)


def _copied(state: State) -> State:
    """A copy in main memory, which the training can no longer change."""

    def copies(tensors: Mapping[str, Tensor]) -> Any:
        return {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}

    return replace(state, **{group: copies(getattr(state, group)) for group in GROUPS})
