"""One training inside one tracked run: train and keep everything; then test the best state, once, and log its model."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from glassliquid.datasets.description import Dataset
from glassliquid.ensembles.split import Split
from glassliquid.errors import Diverged
from glassliquid.evaluation.fate import Fate, chance_of, fate_of
from glassliquid.evaluation.predict import predict_logits
from glassliquid.evaluation.scores import Scores, score_logits
from glassliquid.files import remove_partials
from glassliquid.inputs import Samples
from glassliquid.layout import Layout
from glassliquid.memory import keep_freed_memory
from glassliquid.models.network import Network, input_of
from glassliquid.sessions.figure_sender import NAME as FIGURE
from glassliquid.sessions.figure_sender import sending_figure
from glassliquid.sessions.resumable import check_state
from glassliquid.sessions.resume import Start
from glassliquid.sessions.resume_command import command_with_lower_rate
from glassliquid.sessions.run_lock import run_lock
from glassliquid.sessions.state_sender import sending_states
from glassliquid.sessions.stopping import ending_soon, kind_of_stop
from glassliquid.sessions.training_display import Observe, TrainingDisplay
from glassliquid.sessions.training_job import TrainJob
from glassliquid.settings import stored
from glassliquid.tracking import tag
from glassliquid.tracking.data import dataset_tags
from glassliquid.tracking.find_model import CHECKPOINT_FOLDER
from glassliquid.tracking.metrics import MetricJournal
from glassliquid.tracking.run import TrackedRun
from glassliquid.training.checkpoint import BEST, CURRENT, UnusableCheckpoint
from glassliquid.training.device import choose_device
from glassliquid.training.progress import Progress
from glassliquid.training.size import megabytes
from glassliquid.training.trainer import Outcome, Trainer, TrainingData

FIGURES = ("best_val_accuracy", "final_val_accuracy", "largest_drop", "best_iteration")
"""What a training run found on the validation split, beside its curves."""


@dataclass(frozen=True)
class TrainingSplits:
    """The samples that a training run uses, loaded once for all the training runs of a command."""

    dataset: Dataset
    data: TrainingData
    validate: Callable[[Network], Mapping[str, float]]
    device: torch.device

    def __str__(self) -> str:
        """Dataset, number of samples, their memory and the device, in words."""
        held = getattr(self.data.values, "nbytes", 0)
        return (
            f"{self.dataset.name} ({len(self.data.labels)} training and {self.validation_images} validation samples"
            f"{f', {megabytes(held)}' if held else ''}) on {device_name(self.device)}"
        )

    @property
    def validation_images(self) -> int:
        """How many images models are chosen on."""
        return sum(self.dataset.class_counts(Split.VALIDATION))

    @property
    def chance(self) -> float:
        """Validation accuracy of a guess."""
        return chance_of(self.dataset.class_counts(Split.VALIDATION))


def load_training_splits(dataset: Dataset, model: str, device_name: str) -> TrainingSplits:
    """Load what a network reads of the training and validation splits, on the device if it fits there; the test split stays closed."""
    device = choose_device(device_name)
    if device.type == "cpu":
        keep_freed_memory()
    reads = input_of(model, dataset.recipe)
    train, validation = reads.load(dataset, Split.TRAIN, device), reads.load(dataset, Split.VALIDATION, device)
    data = TrainingData(train.values, torch.from_numpy(train.labels).to(device), reads, reads.identity(dataset))
    return TrainingSplits(dataset, data, _validator(validation, device), device)


def train_in_run(
    job: TrainJob,
    tracked: TrackedRun,
    splits: TrainingSplits,
    should_stop: Callable[[], bool],
    start: Start | None = None,
    observe: Observe | None = None,
    parents: Sequence[str] = (),
    display: TrainingDisplay | None = None,
) -> Outcome:
    """Train inside an open run; its curves, checkpoints and figure are kept there.

    Args:
        job: what to train.
        tracked: the run.
        splits: the samples.
        should_stop: asked after every iteration.
        start: the state to continue from, if any.
        observe: told the metrics of each iteration.
        parents: runs that live as long as this one.
        display: shows a person how far it is.

    Raises:
        Stopped: `should_stop` answered True before the end; the checkpoint is saved.
        Diverged: the loss is not finite; the curves and the state before are kept.
        UserError: the settings do not suit the data.
    """
    folder = Layout(job.data_dir).runs / tracked.run_id
    with run_lock(folder.parent, tracked.run_id):
        remove_partials(folder)
        with ending_soon(should_stop):
            tags = {"device": device_name(splits.device), tag.INPUT: splits.data.reads.name}
            describe_training(job, tracked, splits.dataset, tags)
            journal = MetricJournal(tracked.run_id, folder, parents, is_new=not tracked.opened.data.metrics)
        outcome: Outcome | Diverged
        try:
            recorder = _Told(journal, [] if observe is None else [observe])
            trainer = Trainer(job.config, splits.data, splits.validate, recorder, folder, tracked.run_id)
            if start is not None:
                _restore(trainer, start, tracked, job)
            watching = display.watching(trainer) if display is not None else contextlib.nullcontext()
            with (
                sending_states(tracked, folder, job.upload_every),
                sending_figure(tracked, journal, job.caption, job.figure_every),
                watching as watch,
            ):
                if watch is not None:
                    recorder.observers.append(watch)
                outcome = trainer.train(should_stop)
        except Diverged as error:
            outcome = error
        except BaseException:
            journal.close()
            raise
        with ending_soon(should_stop):
            if not journal.close():
                print(
                    f"The tracking server did not accept all metrics; the rest is in {folder}, and the next command sends it."
                )
            _keep_checkpoints(tracked, folder)
            _draw(job, tracked, journal, trainer)
        has_state = (folder / CURRENT).exists()
    if isinstance(outcome, Diverged):
        tracked.tags({tag.DIVERGED: "true"})
        if not has_state:
            raise outcome
        remedy = "the checkpoint before it is kept; to continue from there at a lower learning rate: "
        raise Diverged(outcome.what, remedy + command_with_lower_rate(job, tracked)) from outcome
    progress = outcome.progress
    notes = {"collapsed": str(progress.collapsed).lower(), tag.DIVERGED: "false"}
    if not outcome.finished:
        with ending_soon(should_stop):
            tracked.tags(notes)
        raise kind_of_stop(should_stop)(f"Stopped after iteration {outcome.iteration}; the checkpoint is saved.")
    tracked.record(
        tags={**notes, tag.FATE: fate_in(splits, progress)},
        metrics={
            "best_val_accuracy": progress.best_accuracy,
            "final_val_accuracy": progress.last_accuracy or 0.0,
            "largest_drop": progress.largest_drop,
            "best_iteration": progress.best_iteration,
        },
    )
    return outcome


def _draw(job: TrainJob, tracked: TrackedRun, journal: MetricJournal, trainer: Trainer) -> None:
    """Keep the curves, and what augmentation makes of images."""
    # matplotlib is imported now, and not before a run's first iteration.
    from glassliquid.plots.augmentation import augmentation_figure, augmented_versions
    from glassliquid.plots.training import training_figure

    if journal.history():  # none if it diverged at once
        tracked.figure(training_figure(journal.history(), job.caption), FIGURE)
    if job.config.augment:
        reads = trainer.model.reads
        if (versions := augmented_versions(reads, trainer.data.values, job.config.seed)) is not None:
            tracked.figure(augmentation_figure(versions, reads.augmentation), "augmentation.png")


def _restore(trainer: Trainer, start: Start, tracked: TrackedRun, job: TrainJob) -> None:
    """Put the trainer into the state that it continues from."""
    try:
        if start.run_id is not None:
            check_state(start.state, Layout(job.data_dir).runs)
        trainer.restore(start.state, is_new_step=start.run_id is None)
    except UnusableCheckpoint as error:
        # A copy elsewhere, or its best state, says nothing of what the run itself could continue from.
        if start.run_id is not None and job.resume in (start.run_id, f"runs:/{start.run_id}"):
            tracked.tags({tag.STUCK: str(error)})
        raise
    if start.run_id is not None:
        tracked.forget(tag.STUCK, tag.DIVERGED, tag.ERROR, tag.CLOSED)
    tracked.tags(start.tags)


def fate_in(splits: TrainingSplits, progress: Progress) -> Fate:
    """What became of a finished training."""
    return fate_of(progress.collapsed, progress.best_accuracy, splits.validation_images, splits.chance)


def score_samples(model: Network, data: Samples, device: torch.device) -> Scores:
    """Scores of a network on some samples; the network is moved to the device and left in evaluation mode."""
    model.eval().to(device)
    return score_logits(predict_logits(model, data.values, device), data.labels)


def prefixed(prefix: str, scores: Scores) -> dict[str, float]:
    """Scores as metrics: prefix_accuracy with its interval and count, prefix_auc, prefix_loss."""
    return {
        f"{prefix}_accuracy": scores.accuracy,
        f"{prefix}_accuracy_low": scores.interval[0],
        f"{prefix}_accuracy_high": scores.interval[1],
        f"{prefix}_images": scores.images,
        f"{prefix}_auc": scores.auc,
        f"{prefix}_loss": scores.loss,
    }


@dataclass(frozen=True)
class _Told:
    """A recorder that tells others too."""

    journal: MetricJournal
    observers: list[Observe]

    def record(self, iteration: int, metrics: Mapping[str, float]) -> None:
        self.journal.record(iteration, metrics)
        for observe in self.observers:
            observe(iteration, metrics)


def _validator(validation: Samples, device: torch.device) -> Callable[[Network], Mapping[str, float]]:
    def validate(model: Network) -> dict[str, float]:
        scores = score_logits(predict_logits(model, validation.values, device), validation.labels)
        return {"val_accuracy": scores.accuracy, "val_loss": scores.loss, "val_auc": scores.auc}

    return validate


def describe_training(
    job: TrainJob, tracked: TrackedRun, dataset: Dataset, tags: Mapping[str, object] | None = None
) -> None:
    """Keep what is trained on what: of one training, which has further tags, or of the parent of several."""
    tracked.record(
        tags={**job.labels, **dataset_tags(dataset), tag.NOTE: job.caption, **(tags or {})},
        params={**job.config.shown(), "dataset": dataset.name},
    )
    tracked.json({"config": stored(job.config), "dataset": dataset.name, "digest": dataset.digest}, "config.json")
    tracked.input(dataset.name, dataset.digest, dataset.folder, context="training")


def _keep_checkpoints(tracked: TrackedRun, folder: Path) -> None:
    for name in (CURRENT, BEST):
        if (folder / name).exists():
            tracked.file(folder / name, CHECKPOINT_FOLDER)


def device_name(device: torch.device) -> str:
    """What a run's tag calls it."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
