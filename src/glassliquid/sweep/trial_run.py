"""What a worker process of a sweep does: train one trial after another, each in a run of its own."""

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from glassliquid.datasets.make import require_dataset
from glassliquid.errors import Stopped, UserError
from glassliquid.evaluation.spread import spread
from glassliquid.files import storage_fault
from glassliquid.layout import Layout
from glassliquid.plots import training as plots
from glassliquid.scratch import temporary_files_apart
from glassliquid.sessions.training_job import TrainJob
from glassliquid.sessions.training_run import TrainingSplits, load_training_splits, train_in_run
from glassliquid.sweep import study as kept
from glassliquid.sweep.job import SweepJob
from glassliquid.sweep.space import configured
from glassliquid.sweep.storage import StorageSilent, answering, open_storage
from glassliquid.sweep.study import Row
from glassliquid.sweep.trial import GivenUp, Trial
from glassliquid.tracking import tag
from glassliquid.tracking.metrics import MetricJournal
from glassliquid.tracking.run import TrackedRun, tracked_run
from glassliquid.tracking.store import TrackingLost, connect
from glassliquid.training.checkpoint import remove_checkpoints
from glassliquid.training.config import TrainConfig
from glassliquid.training.trainer import Outcome
from glassliquid.upkeep.stale_runs import mark_killed

TAG_STUDY = "study"
RUN, MODEL_RUN, SECONDS = "run_id", "model_run", "seconds"
"""Beside a trial in the study: its MLflow run, the run of its best model (another one if there are repeats), and how long
its training took."""

LEFT_ALONE_S = 30.0
"""A worker whose parent is gone ends its iteration; if that takes longer it ends at once."""


@dataclass(frozen=True)
class Worker:
    """What a worker process knows."""

    job: SweepJob
    study: str
    storage: Any
    parent_run: str
    splits: TrainingSplits
    should_stop: Callable[[], bool]


def work(job: SweepJob, study: str, parent_run: str, threads: int, parent: int, pipe: Connection) -> None:
    """The life of a worker: it gets claimed trials through the pipe, and None when there are no more.

    For each it answers None, or the sentence of an error that no other trial would be spared either.
    """
    should_stop = _stop_with_parent(parent)
    torch.set_num_threads(threads)
    connect()
    dataset = require_dataset(job.dataset, job.data_dir, make_default=False)
    splits = load_training_splits(dataset, job.config.model, job.device)
    storage = open_storage(job.storage_address(study))
    worker = Worker(job, study, storage, parent_run, splits, should_stop)
    try:
        while not should_stop() and (row := pipe.recv()) is not None:
            pipe.send(run_trial(worker, row))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent is gone


def run_trial(worker: Worker, row: Row) -> str | None:
    """Train one trial and tell the study how it ended; returns a sentence if the whole sweep must end."""
    try:
        with answering():
            return _run_trial(worker, row)
    except StorageSilent as silent:
        if not silent.cannot_be_written:
            raise  # this worker is replaced; the storage may be back by then
        return f"The study cannot be written ({silent}): free some space, then run the same command again."


def _run_trial(worker: Worker, row: Row) -> str | None:
    job = worker.job
    trial = Trial(
        worker.storage,
        worker.study,
        row,
        job.space,
        job.sampler,
        job.pruner,
        job.config.seed,
        job.config.iterations * job.repeats,
        job.config.eval_every,
    )
    settings = ", ".join(f"{name} {value:.4g}" for name, value in trial.settings.items())
    watch = _Watch(trial, job.config.iterations)
    started = time.monotonic()
    try:
        with (
            temporary_files_apart(),
            tracked_run("trial", f"trial {trial.number}: {settings}", parent=worker.parent_run) as tracked,
        ):
            trial.note({RUN: tracked.run_id})
            facts = _train_in_tagged_run(worker, trial, tracked, watch)
        # The run is closed first: whoever finds the study's trial unfinished marks its run as well.
        counted = trial.complete(facts["value"], {**facts, SECONDS: time.monotonic() - started})
    except GivenUp:
        counted = trial.give_up({"best": watch.best, SECONDS: time.monotonic() - started})
    except _Untrainable as error:
        counted = trial.fail(str(error))
    except Stopped:
        counted = trial.kill()
    except TrackingLost as lost:
        trial.kill()
        return str(lost)
    except OSError as error:
        trial.kill()
        return (
            storage_fault(error) or f"A trial ended with an error of the machine ({error}): run the same command again."
        )
    if not counted:
        mark_killed(tracked.run_id, {tag.TRIAL_STATE: kept.KILLED})
    return None


def _train_in_tagged_run(worker: Worker, trial: Trial, tracked: TrackedRun, watch: "_Watch") -> dict[str, Any]:
    """Train in the open run of a trial, whose tags say what becomes of it."""
    tracked.tags({TAG_STUDY: worker.study, tag.TRIAL_STATE: kept.RUNNING})
    try:
        facts = _train(worker, trial, configured(worker.job.config, trial.settings), tracked, watch)
    except GivenUp:
        tracked.metrics({"best_val_accuracy": watch.best})
        tracked.tags({tag.TRIAL_STATE: kept.PRUNED})
        raise
    except Stopped:
        tracked.tags({tag.TRIAL_STATE: kept.KILLED})
        raise
    except _Untrainable as error:
        tracked.tags({tag.TRIAL_STATE: kept.FAILED})
        tracked.note_error(str(error))
        raise
    tracked.tags({tag.TRIAL_STATE: kept.COMPLETE})
    return facts


def _train(worker: Worker, trial: Trial, config: TrainConfig, tracked: TrackedRun, watch: "_Watch") -> dict[str, Any]:
    """The value of a trial and what is to be known beside it."""
    if worker.job.repeats > 1:
        return _train_repeats(worker, trial, config, tracked, watch)
    job = worker.job.training(config, str(trial.number))
    outcome = _train_once(worker, job, tracked, watch)
    return {
        "value": outcome.progress.best_accuracy,
        "loss": outcome.progress.best_loss,
        "largest_drop": outcome.progress.largest_drop,
        "best_iteration": outcome.progress.best_iteration,
        "model_accuracy": outcome.progress.best_accuracy,
        MODEL_RUN: tracked.run_id,
    }


def _train_repeats(
    worker: Worker, trial: Trial, config: TrainConfig, tracked: TrackedRun, watch: "_Watch"
) -> dict[str, Any]:
    """Train the trial's seeds one after another as child runs; the trial's own curves are their means."""
    sweep = worker.job
    tracked.params({**config.shown(), "dataset": sweep.dataset})
    tracked.dataset(worker.splits.dataset, context="training")
    found = []
    for number in range(1, sweep.repeats + 1):
        one = replace(config, seed=config.seed + number - 1)
        job = replace(sweep.training(one, f"{trial.number}.{number}"), repeats=1)
        with tracked_run("replicate", f"{job.run_name}, seed {one.seed}", parent=tracked.run_id) as child:
            child.tags({TAG_STUDY: worker.study})
            found.append((child.run_id, _train_once(worker, job, child, watch).progress))
    best_run, best = max(found, key=lambda pair: (pair[1].best_accuracy, -pair[1].best_loss))
    values = spread([progress.best_accuracy for _, progress in found])
    drop = max(progress.largest_drop for _, progress in found)
    tracked.metrics(
        {
            "best_val_accuracy": values.mean,
            "best_val_accuracy_std": values.deviation,
            "final_val_accuracy": sum(progress.last_accuracy or 0.0 for _, progress in found) / len(found),
            "largest_drop": drop,
        }
    )
    tracked.tags({"collapsed": str(any(progress.collapsed for _, progress in found)).lower(), "repeats": len(found)})
    _keep_means(worker, trial, config, tracked, watch)
    return {
        "value": values.mean,
        "low": values.interval_of_share[0],
        "high": values.interval_of_share[1],
        "loss": sum(progress.best_loss for _, progress in found) / len(found),
        "largest_drop": drop,
        "best_iteration": best.best_iteration,
        "model_accuracy": best.best_accuracy,
        MODEL_RUN: best_run,
    }


def _train_once(worker: Worker, job: TrainJob, tracked: TrackedRun, watch: "_Watch") -> Outcome:
    try:
        outcome = train_in_run(job, tracked, worker.splits, worker.should_stop, observe=watch)
    except TrackingLost:
        raise
    except (UserError, RuntimeError, MemoryError) as error:
        # A loss that is not finite, a batch that does not fit the GPU: the next trial may well do better.
        if not isinstance(error, UserError):
            traceback.print_exc()
        raise _Untrainable(_sentence(error)) from error
    finally:
        # The tracking store has those of a finished training; a trial that was stopped begins anew.
        remove_checkpoints(_runs(worker.job) / tracked.run_id)
    watch.next_seed()
    return outcome


def _keep_means(worker: Worker, trial: Trial, config: TrainConfig, tracked: TrackedRun, watch: "_Watch") -> None:
    journal = MetricJournal(tracked.run_id, _runs(worker.job) / tracked.run_id)
    curves = watch.curves[: len(watch.finished)]
    for iteration in sorted(set.intersection(*(set(curve) for curve in curves))):
        points = [curve[iteration] for curve in curves]
        journal.record(iteration, {key: sum(p[key] for p in points) / len(points) for key in points[0]})
    journal.close()
    caption = worker.job.training(config, str(trial.number)).caption
    histories = {f"seed {config.seed + place}": (_history(curve), False) for place, curve in enumerate(curves)}
    tracked.figure(plots.replicates_figure(histories, caption), "replicates.png")
    tracked.describe(caption)


def _history(curve: Mapping[int, Mapping[str, float]]) -> dict[str, list[tuple[int, float]]]:
    history: dict[str, list[tuple[int, float]]] = {}
    for iteration, metrics in curve.items():
        for key, value in metrics.items():
            history.setdefault(key, []).append((iteration, value))
    return history


class _Untrainable(Exception):
    """These settings cannot be trained."""


@dataclass
class _Watch:
    """Sees the metrics of every iteration and reports validations to the pruner.

    With repeats the reported value is the mean over the seeds so far, and the step counts on from seed to seed.
    """

    trial: Trial
    iterations: int
    curves: list[dict[int, Mapping[str, float]]] = field(default_factory=lambda: [{}])
    """The curves of each seed."""
    finished: list[float] = field(default_factory=list)
    """The best accuracies of the seeds that are done."""
    best: float = 0.0
    """The best accuracy of the present seed."""

    def __call__(self, iteration: int, metrics: Mapping[str, float]) -> None:
        """Take an iteration's metrics; GivenUp if the pruner wants no more."""
        self.curves[-1][iteration] = dict(metrics)
        if (accuracy := metrics.get("val_accuracy")) is not None:
            self.best = max(self.best, accuracy)
            values = [*self.finished, accuracy]
            self.trial.report(sum(values) / len(values), len(self.finished) * self.iterations + iteration)

    def next_seed(self) -> None:
        """The seed is done."""
        self.finished.append(self.best)
        self.best = 0.0
        self.curves.append({})


def _stop_with_parent(parent: int) -> Callable[[], bool]:
    """Leave Ctrl-C to the parent; answers True once it asked this process to end, or is gone."""
    asked = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda _number, _frame: asked.set())

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        asked.set()
        time.sleep(LEFT_ALONE_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    return asked.is_set


def _runs(job: SweepJob) -> Path:
    return Layout(job.data_dir).runs


def _sentence(error: Exception) -> str:
    if isinstance(error, UserError):
        return str(error)
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"[:500]
