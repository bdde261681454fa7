"""One training inside one tracked run: train and keep everything; then test the best state, once, and log its model."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

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
from glassliquid.sessions.beside import beside
from glassliquid.sessions.figure_sender import sending_figure
from glassliquid.sessions.hand_over import Trained, hand_over
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
from glassliquid.tracking.metrics import MetricJournal
from glassliquid.tracking.run import TrackedRun
from glassliquid.training.checkpoint import CURRENT, UnusableCheckpoint
from glassliquid.training.device import choose_device
from glassliquid.training.progress import Progress
from glassliquid.training.size import megabytes
from glassliquid.training.trainer import Outcome, Trainer, TrainingData


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
) -> Trained:
    """Train inside an open run; its curves and checkpoints are kept there, and its figures unless it came to its end.

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
    tags = {"device": device_name(splits.device), tag.INPUT: splits.data.reads.name}
    with run_lock(folder.parent, tracked.run_id):
        remove_partials(folder)
        outcome: Outcome | Diverged
        with beside(lambda: describe_training(job, tracked, splits.dataset, tags)) as described:

            @functools.cache
            def wait_for_description() -> None:
                with ending_soon(should_stop):
                    described()

            if start is not None:  # what it puts right is described
                wait_for_description()
            journal = MetricJournal(tracked.run_id, folder, parents, is_new=not tracked.opened.data.metrics)
            # Told of the first iteration: where a store does not take the description the training ends there.
            recorder = _Told(journal, [lambda *_: wait_for_description(), *([] if observe is None else [observe])])
            try:
                trainer = Trainer(job.config, splits.data, splits.validate, recorder, folder, tracked.run_id)
                if start is not None:
                    _restore(trainer, start, tracked, job)
                with _shown(trainer, recorder, job, tracked, display):
                    outcome = trainer.train(should_stop)
            except Diverged as error:
                outcome = error
            except BaseException:
                journal.close()
                raise
        fate = fate_in(splits, outcome.progress) if isinstance(outcome, Outcome) and outcome.finished else None
        with ending_soon(should_stop):
            draw = hand_over(job, tracked, journal, trainer, outcome, fate)
        has_state = (folder / CURRENT).exists()
    if isinstance(outcome, Diverged):
        if not has_state:
            raise outcome
        remedy = "the checkpoint before it is kept; to continue from there at a lower learning rate: "
        raise Diverged(outcome.what, remedy + command_with_lower_rate(job, tracked)) from outcome
    if not outcome.finished:
        raise kind_of_stop(should_stop)(f"Stopped after iteration {outcome.iteration}; the checkpoint is saved.")
    return Trained(outcome, draw)


@contextlib.contextmanager
def _shown(
    trainer: Trainer, recorder: "_Told", job: TrainJob, tracked: TrackedRun, display: TrainingDisplay | None
) -> Iterator[None]:
    """In the block a person sees how far the training is, and checkpoints and the figure of its curves are sent to the run."""
    with (
        sending_states(tracked, recorder.journal.folder, job.upload_every),
        sending_figure(tracked, recorder.journal, job.caption, job.figure_every),
        display.watching(trainer) if display is not None else contextlib.nullcontext() as watch,
    ):
        if watch is not None:
            recorder.observers.append(watch)
        yield


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


def device_name(device: torch.device) -> str:
    """What a run's tag calls it."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
