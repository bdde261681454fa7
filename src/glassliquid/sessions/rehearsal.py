"""Training runs of which nothing is kept: two iterations to see what a run costs, and a few images learned by heart."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import psutil
import torch

from glassliquid.errors import UserError
from glassliquid.evaluation.predict import predict_logits
from glassliquid.evaluation.scores import score_logits
from glassliquid.models.network import Network
from glassliquid.parameters import to_texts
from glassliquid.progress_bar import duration
from glassliquid.scratch import scratch_folder
from glassliquid.sessions.training_display import Observe, TrainingDisplay
from glassliquid.sessions.training_job import TrainJob
from glassliquid.sessions.training_run import TrainingSplits
from glassliquid.training.config import TrainConfig
from glassliquid.training.size import Size, megabytes, size_of
from glassliquid.training.trainer import Trainer, TrainingData

NOT_A_RUN = "rehearsal"


@dataclass(frozen=True)
class Cost:
    """What a training run takes on this machine."""

    size: Size
    iteration_s: float
    """Time of an iteration."""
    validation_s: float
    """Time of a validation."""
    memory_bytes: int
    """Of the process, or on a GPU of what PyTorch has taken there at most."""

    def run_s(self, config: TrainConfig) -> float:
        """Time of a whole run with its validations."""
        validations = -(-config.iterations // config.eval_every)
        return config.iterations * self.iteration_s + validations * self.validation_s


@dataclass
class _Memory:
    """A recorder that remembers the last numbers."""

    metrics: dict[str, float] = field(default_factory=dict)
    watch: Observe | None = None
    """Told them too."""

    def record(self, iteration: int, metrics: Mapping[str, float]) -> None:
        self.metrics |= metrics
        if self.watch is not None:
            self.watch(iteration, metrics)


def cost_of(config: TrainConfig, splits: TrainingSplits) -> Cost:
    """Train two iterations, of which the second is timed, and validate twice; nothing is kept.

    Raises:
        UserError: the settings do not suit the data.
    """
    moments: list[float] = []

    def validate(model: Network) -> Mapping[str, float]:
        began = time.perf_counter()
        scores = splits.validate(model)
        moments.append(time.perf_counter() - began)
        return scores

    found = _Memory()
    with scratch_folder() as folder:
        short = replace(config, iterations=2, eval_every=1, patience=None)
        trainer = Trainer(short, splits.data, validate, found, folder, NOT_A_RUN)
        size = size_of(trainer.model, splits.data.values, splits.device)
        trainer.train(lambda: False)
    images = config.batches_per_iteration * config.batch_size
    if splits.device.type == "cuda":
        memory = torch.cuda.max_memory_allocated(splits.device)
    else:
        memory = psutil.Process().memory_info().rss
    return Cost(size, images / found.metrics["images_per_second"], moments[-1], memory)


def rehearse(job: TrainJob, splits: TrainingSplits) -> str:
    """What a training run would be and cost, in lines."""
    config, cost = job.config, cost_of(job.config, splits)
    texts = to_texts(config)
    settings = ", ".join(f"{name} {texts[name]}" for name in config.shown())
    several = (
        ""
        if job.repeats == 1
        else f", and {job.repeats} such training runs {duration(job.repeats * cost.run_s(config))}"
    )
    return "\n".join(
        [
            f"Settings: {settings}.",
            f"Network: {cost.size}.",
            f"An iteration of {config.batches_per_iteration} batches takes {cost.iteration_s:.3g} s, a validation {cost.validation_s:.3g} "
            f"s: {config.iterations} iterations take about {duration(cost.run_s(config))}{several}.",
            f"Memory: {megabytes(cost.memory_bytes)}.",
            "This was a dry run and nothing was kept: leave out dry_run to train.",
        ]
    )


def overfit(job: TrainJob, splits: TrainingSplits, should_stop: Callable[[], bool]) -> str:
    """Let the network learn some images of the training split by heart, half of each class; the sentence that it has.

    Augmentation, dropout and the L2 penalty are left out: a network that cannot do that has an error, or too low a rate.

    Raises:
        UserError: it has not classified all of them rightly within the job's iterations.
    """
    assert job.overfit is not None
    data = _some(splits.data, job.overfit)
    labels = data.labels.cpu().numpy()

    def validate(model: Network) -> Mapping[str, float]:
        scores = score_logits(predict_logits(model, data.values, splits.device), labels)
        return {"val_accuracy": scores.accuracy, "val_loss": scores.loss}

    found = _Memory()
    config = replace(
        job.config, batch_size=min(job.config.batch_size, job.overfit), dropout=0, l2=0, augment=False, patience=None
    )
    with scratch_folder() as folder:
        trainer = Trainer(config, data, validate, found, folder, NOT_A_RUN)
        with TrainingDisplay(f"Memorising {job.overfit} images").watching(trainer) as found.watch:
            outcome = trainer.train(lambda: found.metrics.get("val_accuracy") == 1 or should_stop())
    best = outcome.progress.best_accuracy
    if best < 1:
        raise UserError(
            f"{config.model} has learned {max(0, round(best * job.overfit))} of {job.overfit} training images in {outcome.iteration} iterations, but should memorise all: "
            "look for an error in the network or its input, or pass more iterations or another learning rate."
        )
    return (
        f"{config.model} has memorised {job.overfit} training images in {outcome.iteration} iterations (100 % of them right, "
        "without augmentation, dropout and L2 penalty): it can learn. Nothing was kept: leave out overfit to train."
    )


def _some(data: TrainingData, count: int) -> TrainingData:
    """As many samples of each class, the first ones."""
    labels = data.labels.cpu().numpy()
    places = np.concatenate([np.flatnonzero(labels == label)[: count // 2] for label in (0, 1)])
    if len(places) < count or count % 2:
        raise UserError(
            f"overfit is {count}: pass an even number up to {2 * int(np.bincount(labels, minlength=2).min())}, so that "
            "half of them are images of each class."
        )
    return replace(data, values=data.values[places], labels=data.labels[places])
