"""train: train a network on a dataset, keep everything of the run, register the best model."""

from collections.abc import Callable

from glassliquid.datasets.make import require_dataset
from glassliquid.layout import Layout
from glassliquid.memory import collect_garbage
from glassliquid.sessions.conclusion import conclude_run, headline
from glassliquid.sessions.folds import cross_validate
from glassliquid.sessions.rehearsal import overfit, rehearse
from glassliquid.sessions.replicates import train_replicates
from glassliquid.sessions.resume import Start, resumed
from glassliquid.sessions.resume_command import saying_how_to_resume
from glassliquid.sessions.run_lock import run_lock
from glassliquid.sessions.stopping import ending_soon, stopper
from glassliquid.sessions.training_display import TrainingDisplay
from glassliquid.sessions.training_job import TrainJob
from glassliquid.sessions.training_run import TrainingSplits, fate_in, load_training_splits, train_in_run
from glassliquid.tracking import tag
from glassliquid.tracking.given_run import note_rehearsal
from glassliquid.tracking.run import TrackedRun, tracked_run
from glassliquid.training.device import choose_device
from glassliquid.upkeep.housekeeping import housekeeping

WatchForStop = Callable[[], Callable[[], bool]]
"""Called when the training begins; what it returns answers True once the process was asked to stop."""


def run(requested: TrainJob, watch_for_stop: WatchForStop) -> None:
    """Train, tracked; a run that is stopped saves its state, says how to continue and raises Stopped."""
    choose_device(requested.device)
    if requested.dry_run or requested.overfit is not None:
        _try_out(requested, watch_for_stop)
        return
    runs_folder = Layout(requested.data_dir).runs
    with (
        resumed(requested, runs_folder) as (job, run_id, start),
        tracked_run("train", job.run_name, run_id) as tracked,
        housekeeping(tracked, runs_folder),
        run_lock(runs_folder, tracked.run_id),
    ):
        if run_id is not None:
            tracked.forget(tag.ENDED_BY)
        dataset = require_dataset(job.dataset, job.data_dir, make_default=True)
        # Folds have splits of their own.
        splits = None if job.folds > 1 else load_training_splits(dataset, job.config.model, job.device)
        if start is not None:
            print(start.describe(job.config), flush=True)
        if splits is not None:
            print(f"Training {job.config.model} on {splits}.", flush=True)
        should_stop = stopper(job.max_hours, watch_for_stop())
        with saying_how_to_resume(job, tracked):
            if splits is None:
                found = cross_validate(job, tracked, dataset, should_stop)
            else:
                found = _train_on(splits, job, tracked, should_stop, start)
        print(found)


def _try_out(job: TrainJob, watch_for_stop: WatchForStop) -> None:
    """Train a little without a run, of which nothing is kept."""
    dataset = require_dataset(job.dataset, job.data_dir, make_default=False)
    splits = load_training_splits(dataset, job.config.model, job.device)
    collect_garbage()
    print(f"Training {job.config.model} on {splits}.", flush=True)
    if job.overfit is not None:
        found = overfit(job, splits, stopper(job.max_hours, watch_for_stop()))
    else:
        found = rehearse(job, splits)
    note_rehearsal("train", found)
    print(found)


def _train_on(
    splits: TrainingSplits, job: TrainJob, tracked: TrackedRun, should_stop: Callable[[], bool], start: Start | None
) -> str:
    if job.repeats > 1:
        return train_replicates(job, tracked, splits, should_stop)
    trained = train_in_run(job, tracked, splits, should_stop, start, display=TrainingDisplay())
    outcome = trained.outcome
    with ending_soon(should_stop):
        concluded = conclude_run(job, tracked, splits, trained, outcome.progress.best_accuracy)
        fate = fate_in(splits, outcome.progress)
        found = f"{headline(outcome, concluded.test, fate)} {concluded.registered}"
        tracked.describe(f"{found}\n\n{job.caption}")
    return found
