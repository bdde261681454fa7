"""What a person sees of a training run while it runs: its size at the start, then a bar or lines."""

import contextlib
from collections.abc import Callable, Iterator, Mapping

from glassliquid.progress_bar import ProgressBar, progress_bar
from glassliquid.training.size import size_of
from glassliquid.training.trainer import Trainer

Observe = Callable[[int, Mapping[str, float]], None]
"""Told the metrics of each iteration; what it raises ends the training, with the checkpoints written."""


class TrainingDisplay:
    """Shows a training run."""

    def __init__(self, doing: str = "Training", tells_size: bool = True) -> None:
        """Say what is being done; with `tells_size` the network's size stands before it."""
        self._doing, self._tells_size = doing, tells_size

    @contextlib.contextmanager
    def watching(self, trainer: Trainer) -> Iterator[Observe]:
        """Show a training run, from where its trainer is; what this gives takes the metrics of each iteration."""
        if self._tells_size:
            print(f"Network: {size_of(trainer.model, trainer.data.values, trainer.device)}.", flush=True)
        total = trainer.config.iterations
        with progress_bar(self._doing, "iterations") as show:
            show(trainer.iteration, total)
            yield _Shown(show, total)


class _Shown:
    """Turns metrics into notes of a bar."""

    def __init__(self, show: ProgressBar, total: int) -> None:
        self._show, self._total = show, total
        self._validation = ""

    def __call__(self, iteration: int, metrics: Mapping[str, float]) -> None:
        if "val_accuracy" in metrics:
            self._validation = f"val. accuracy {100 * metrics['val_accuracy']:.2f} %, "
        self._show(
            iteration,
            self._total,
            f"{self._validation}loss {metrics['loss']:.4f}, rate {metrics['learning_rate']:g}, "
            f"{metrics['images_per_second']:,.0f} images/s",
        )
