"""train: train a network on a dataset, keep everything of the run, register the best model."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from glassliquid import plots
from glassliquid.dataset.description import Dataset
from glassliquid.dataset.load import LabelledImages, load_split
from glassliquid.errors import Stopped, UserError
from glassliquid.evaluation.predict import predict_logits
from glassliquid.evaluation.scores import Scores, score_logits
from glassliquid.files import check_name, locked
from glassliquid.models.classifier import ImageClassifier
from glassliquid.simulation.split import Split
from glassliquid.tracking import registry
from glassliquid.tracking.metrics import MetricJournal, send_pending
from glassliquid.tracking.run import TrackedRun, tracked_run
from glassliquid.training.checkpoint import BEST, CURRENT, State, load_checkpoint, restore_model
from glassliquid.training.config import TrainConfig, format_thresholds
from glassliquid.training.device import choose_device, resident
from glassliquid.training.trainer import Outcome, Trainer, TrainingData
from glassliquid.workflows.layout import Layout
from glassliquid.workflows.make_data import require_dataset


@dataclass(frozen=True, kw_only=True)
class TrainJob:
    """A training run and its surroundings."""

    config: TrainConfig
    dataset: str
    data_dir: Path
    device: str
    resume: str | None
    max_hours: float | None
    version: str | None
    step: str | None
    trial: str | None
    register_as: str | None

    def __post_init__(self) -> None:
        """Check what can be checked without reading anything."""
        if self.max_hours is not None and not self.max_hours > 0:
            raise UserError(f"max_hours is {self.max_hours}: pass none or a positive number of hours.")
        if self.register_as is not None:
            check_name("register_as", self.register_as)

    @property
    def label(self) -> str:
        """V5-S2-T3, with what was given of the three; empty if nothing was."""
        parts = ((letter, value) for letter, value in zip("VST", (self.version, self.step, self.trial), strict=True))
        return "-".join(f"{letter}{value}" for letter, value in parts if value is not None)


def run(job: TrainJob, watch_for_stop: Callable[[], Callable[[], bool]]) -> None:
    """Train, tracked; a run that is stopped saves its state, says how to go on and raises Stopped.

    Args:
        job: what to train.
        watch_for_stop: called when the training begins; what it returns answers True once the process was asked to stop.
    """
    device = choose_device(job.device)
    resumed = _resumed(job)
    if resumed is not None:
        job = replace(job, config=resumed.config)
    with tracked_run("train", _run_name(job), run_id=resumed.run_id if resumed else None) as tracked:
        send_pending(Layout(job.data_dir).runs)
        dataset = require_dataset(job.dataset, job.data_dir, make_default=True)
        folder = Layout(job.data_dir).runs / tracked.run_id
        with locked(folder, "training"):
            _train(job, tracked, dataset, device, folder, resumed, watch_for_stop())


@dataclass(frozen=True)
class _Resumed:
    """A checkpoint to go on from, and the settings that result from it and the command line."""

    state: State
    config: TrainConfig
    run_id: str | None
    """The run that goes on; None starts a new one, because a setting was changed."""


def _resumed(job: TrainJob) -> _Resumed | None:
    """Find the checkpoint that `resume` names.

    A setting that was left at its default is taken from the checkpoint; one that was given and differs is a change, and
    what follows is a further step, a run of its own.
    """
    if job.resume is None:
        return None
    from glassliquid.tracking.store import connect

    connect()
    state, _, _ = registry.find_checkpoint(job.resume, CURRENT, Layout(job.data_dir).runs)
    before, default = TrainConfig.from_json(state["config"]), TrainConfig()
    changed = {
        field.name: value
        for field in fields(TrainConfig)
        if (value := getattr(job.config, field.name)) not in (getattr(default, field.name), getattr(before, field.name))
    }
    config = replace(before, **changed)
    if int(state["iteration"]) >= config.iterations:
        raise UserError(
            f"The run of {job.resume} has finished its {config.iterations} iterations: pass a larger number with "
            "-P iterations=N to go on from there."
        )
    return _Resumed(state, config, None if changed else str(state["run_id"]))


def _train(
    job: TrainJob,
    tracked: TrackedRun,
    dataset: Dataset,
    device: torch.device,
    folder: Path,
    resumed: _Resumed | None,
    stop_requested: Callable[[], bool],
) -> None:
    config = job.config
    _describe(job, tracked, dataset, device)
    train, validation = load_split(dataset, Split.TRAIN), load_split(dataset, Split.VALIDATION)
    data = _training_data(dataset, train, device)
    journal = MetricJournal(tracked.run_id, folder)
    try:
        trainer = Trainer(config, data, _validator(validation, device), journal, folder, tracked.run_id)
        if resumed is not None:
            trainer.restore(resumed.state)
            if resumed.run_id is None:
                tracked.tags({"resumed_from": resumed.state["run_id"]})
        print(f"Training {config.model} on {dataset.name} ({len(train)} images) on {device}.", flush=True)
        outcome = trainer.train(_stopper(job.max_hours, stop_requested))
    finally:
        sent = journal.close()
    if not sent:
        print(f"The tracking server did not take all metrics; they wait in {folder} and the next training sends them.")
    _keep_checkpoints(tracked, folder)
    tracked.figure(plots.training_figure(journal.history(), _caption(job)), "training.png")
    if not outcome.finished:
        raise Stopped(_how_to_go_on(tracked.run_id, outcome))
    _conclude(job, tracked, dataset, device, folder, outcome)


def _conclude(
    job: TrainJob, tracked: TrackedRun, dataset: Dataset, device: torch.device, folder: Path, outcome: Outcome
) -> None:
    """Test the best checkpoint, once, and register it."""
    progress = outcome.progress
    state = load_checkpoint(folder / BEST)
    model = restore_model(state)
    test = score_images(model, load_split(dataset, Split.TEST), device)
    tracked.metrics(
        {
            "best_val_accuracy": progress.best_accuracy,
            "final_val_accuracy": progress.last_accuracy or 0.0,
            "largest_drop": progress.largest_drop,
            "best_iteration": progress.best_iteration,
            **prefixed("test", test),
        }
    )
    tracked.tags({"collapsed": str(progress.collapsed).lower()})
    logged = registry.log_model(model, dataset.recipe.image_size, state)
    registered = "not registered"
    if job.register_as is not None:
        version, moved = registry.register(logged, job.register_as, tracked.run_id, dataset, progress.best_accuracy)
        alias = f"models:/{job.register_as}@{dataset.name}"
        registered = f"registered as {job.register_as} v{version}" + (f", now {alias}" if moved else f"; {alias} stays")
    headline = (
        f"Best validation accuracy {100 * progress.best_accuracy:.2f} % in iteration {progress.best_iteration}; test accuracy "
        f"of that checkpoint {test}; largest drop {100 * progress.largest_drop:.1f} %; {registered}."
    )
    tracked.describe(f"{_caption(job)}\n\n{headline}")
    print(headline)


def score_images(model: ImageClassifier, data: LabelledImages, device: torch.device) -> Scores:
    """Scores of a network on some images; the network is moved to the device and left in evaluation mode."""
    model.eval().to(device)
    return score_logits(predict_logits(model, data.images, device), data.labels)


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


def _training_data(dataset: Dataset, train: LabelledImages, device: torch.device) -> TrainingData:
    identity = {"name": dataset.name, "digest": dataset.digest, "image_size": dataset.recipe.image_size}
    return TrainingData(
        resident(torch.from_numpy(train.images), device),
        torch.from_numpy(train.labels).to(device),
        periodic=dataset.recipe.window == 1.0,
        identity=identity,
    )


def _validator(validation: LabelledImages, device: torch.device) -> Callable[[ImageClassifier], Mapping[str, float]]:
    images = resident(torch.from_numpy(validation.images), device)

    def validate(model: ImageClassifier) -> dict[str, float]:
        scores = score_logits(predict_logits(model, images, device), validation.labels)
        return {"val_accuracy": scores.accuracy, "val_loss": scores.loss, "val_auc": scores.auc}

    return validate


def _stopper(max_hours: float | None, stop_requested: Callable[[], bool]) -> Callable[[], bool]:
    deadline = float("inf") if max_hours is None else time.monotonic() + 3600 * max_hours
    return lambda: stop_requested() or time.monotonic() >= deadline


def _describe(job: TrainJob, tracked: TrackedRun, dataset: Dataset, device: torch.device) -> None:
    given = {"version": job.version, "step": job.step, "trial": job.trial}
    tracked.tags({key: value for key, value in given.items() if value is not None})
    tracked.tags({"device": _device_name(device)})
    tracked.params({**_shown(job.config), "dataset": dataset.name})
    tracked.json({"config": job.config.to_json(), "dataset": dataset.name, "digest": dataset.digest}, "config.json")
    tracked.dataset(dataset, context="training")
    tracked.describe(_caption(job))


def _shown(config: TrainConfig) -> dict[str, Any]:
    return {**config.to_json(), "eta_threshold": format_thresholds(config.eta_threshold)}


def _run_name(job: TrainJob) -> str:
    return " ".join(filter(None, (job.label, job.config.model, job.dataset, f"batch {job.config.batch_size}")))


def _caption(job: TrainJob) -> str:
    """The caption that the research log gave every figure."""
    config = job.config
    rate = f"learning rate {config.learning_rate:g}"
    if config.schedule == "threshold":
        rate += f", {config.final_learning_rate:g} above {format_thresholds(config.eta_threshold)} (threshold)"
    elif config.schedule != "constant":
        rate += f" to {config.final_learning_rate:g} ({config.schedule}, {config.schedule_length or config.iterations} iterations)"
    augmentation = "augmentation" if config.augment else "no augmentation"
    parts = (f"batch {config.batch_size}", rate, f"L2 {config.l2:g}", f"dropout {config.dropout:g}", augmentation)
    return ", ".join(filter(None, (job.label, f"{config.model} on {job.dataset}", *parts, f"seed {config.seed}")))


def _keep_checkpoints(tracked: TrackedRun, folder: Path) -> None:
    for name in (CURRENT, BEST):
        if (folder / name).exists():
            tracked.file(folder / name, registry.CHECKPOINT_FOLDER)


def _how_to_go_on(run_id: str, outcome: Outcome) -> str:
    return (
        f"Stopped after iteration {outcome.iteration}; the state is saved. Continue with: "
        f"mlflow run . -e train --env-manager local --run-id {run_id} -P resume={run_id}"
    )


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
