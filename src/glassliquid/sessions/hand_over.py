"""What a training run hands over when its training has ended: the last points, its checkpoints, what became of it, and figures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from glassliquid.errors import Diverged
from glassliquid.evaluation.fate import Fate
from glassliquid.inputs import Input
from glassliquid.sessions.beside import beside
from glassliquid.sessions.figure_sender import NAME as CURVES
from glassliquid.sessions.training_job import TrainJob
from glassliquid.tracking import tag
from glassliquid.tracking.artifacts import png_of
from glassliquid.tracking.find_model import CHECKPOINT_FOLDER
from glassliquid.tracking.metrics import MetricJournal
from glassliquid.tracking.run import TrackedRun
from glassliquid.training.checkpoint import BEST, CURRENT
from glassliquid.training.trainer import Outcome, Trainer

AUGMENTED = "augmentation.png"
FIGURES = ("best_val_accuracy", "final_val_accuracy", "largest_drop", "best_iteration")
"""What a training run found on the validation split, beside its curves."""


Draw = Callable[[], dict[str, bytes]]
"""Draws the figures of a training run: names and PNG files."""


@dataclass(frozen=True)
class Trained:
    """A training run that came to its end. All of it is kept but its figures."""

    outcome: Outcome
    draw: Draw
    """Takes half a second; a caller that waits for a store draws meanwhile."""

    def keep_figures(self, tracked: TrackedRun) -> None:
        """Draw them, and keep them in the run."""
        keep_figures(tracked, self.draw())


def keep_figures(tracked: TrackedRun, figures: Mapping[str, bytes]) -> None:
    """Keep PNG files as artifacts of these names."""
    for name, png in figures.items():
        tracked.drawn(png, name)


def hand_over(
    job: TrainJob,
    tracked: TrackedRun,
    journal: MetricJournal,
    trainer: Trainer,
    outcome: Outcome | Diverged,
    fate: Fate | None,
) -> Draw:
    """Send what the stores lack of a training run; the figures of a finished one are left to the caller, who gets what draws them.

    Args:
        job: what was trained.
        tracked: the run.
        journal: its metrics, which are closed.
        trainer: as the training has left it.
        outcome: how the training ended.
        fate: what became of it if it is finished.
    """
    figures: dict[str, bytes] = {}
    # Without the trainer: its moments take twice the memory of the weights, and the caller may need that.
    augment = partial(_augmented, trainer.model.reads, trainer.data.values, job.config.seed)

    def draw() -> dict[str, bytes]:
        history = journal.history()  # empty if it diverged at once
        augmented = augment() if job.config.augment else None
        drawn = {CURVES: _curves(history, job.caption) if history else None, AUGMENTED: augmented}
        return {name: png for name, png in drawn.items() if png is not None}

    with beside(lambda: _send(tracked, journal, outcome, fate)):
        # Importing matplotlib takes as long as drawing. It is not done before a run's first iteration.
        import glassliquid.plots.training  # noqa: F401

        if fate is None:
            figures = draw()
    keep_figures(tracked, figures)
    return draw


def _send(tracked: TrackedRun, journal: MetricJournal, outcome: Outcome | Diverged, fate: Fate | None) -> None:
    folder = journal.folder
    if not journal.close():
        print(
            f"The tracking server did not accept all metrics; the rest is in {folder}, and the next command will send it."
        )
    for name in (CURRENT, BEST):
        if (folder / name).exists():
            tracked.file(folder / name, CHECKPOINT_FOLDER)
    if isinstance(outcome, Diverged):
        tracked.tags({tag.DIVERGED: "true"})
        return
    progress = outcome.progress
    notes = {"collapsed": str(progress.collapsed).lower(), tag.DIVERGED: "false"}
    if fate is None:
        tracked.tags(notes)
        return
    values = (progress.best_accuracy, progress.last_accuracy or 0.0, progress.largest_drop, progress.best_iteration)
    tracked.record(tags={**notes, tag.FATE: fate}, metrics=dict(zip(FIGURES, values, strict=True)))


def _curves(history: Mapping[str, list[tuple[int, float]]], caption: str) -> bytes:
    from glassliquid.plots.training import training_figure

    return png_of(training_figure(history, caption))


def _augmented(reads: Input, values: Any, seed: int) -> bytes | None:
    """What augmentation makes of a sample; None if the samples have no pictures."""
    from glassliquid.plots.augmentation import augmentation_figure, augmented_versions

    versions = augmented_versions(reads, values, seed)
    return None if versions is None else png_of(augmentation_figure(versions, reads.augmentation))
