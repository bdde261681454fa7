"""train: train a network on a dataset, keep everything of the run, register the best model."""

import contextlib
from collections.abc import Callable
from pathlib import Path

from glassliquid.commands.make_data import require_dataset
from glassliquid.errors import Stopped
from glassliquid.layout import Layout
from glassliquid.sessions import replicates
from glassliquid.sessions.resume import (
    Start,
    alone_in,
    find_start,
    how_it_goes_on,
    how_to_go_on,
    refuse_part,
    what_is_kept,
)
from glassliquid.sessions.training_job import TrainJob
from glassliquid.sessions.training_run import (
    TrainingSplits,
    conclude_run,
    headline,
    load_training_splits,
    register_best,
    stopper,
    train_in_run,
)
from glassliquid.tracking.run import TrackedRun, tracked_run
from glassliquid.tracking.store import raise_if_lost
from glassliquid.training.device import choose_device
from glassliquid.upkeep.housekeeping import housekeeping

WatchForStop = Callable[[], Callable[[], bool]]
"""Called when the training begins; what it returns answers True once the process was asked to stop."""


def run(job: TrainJob, watch_for_stop: WatchForStop) -> None:
    """Train, tracked; a run that is stopped saves its state, says how to go on and raises Stopped."""
    choose_device(job.device)
    runs_folder = Layout(job.data_dir).runs
    with contextlib.ExitStack() as stack:
        run_id, start = None, None
        if job.resume is not None:
            job, run_id, start = _resumed(job, runs_folder, stack)
        tracked = stack.enter_context(tracked_run("train", job.run_name, run_id))
        stack.enter_context(housekeeping(tracked, runs_folder))
        dataset = require_dataset(job.dataset, job.data_dir, make_default=True)
        splits = load_training_splits(dataset, job.device)
        images = len(splits.data.labels)
        if start is not None:
            print(how_it_goes_on(job, start), flush=True)
        print(f"Training {job.config.model} on {dataset.name} ({images} images) on {splits.device}.", flush=True)
        should_stop = stopper(job.max_hours, watch_for_stop())
        if run_id is None:
            stack.enter_context(alone_in(runs_folder, tracked.run_id))
        try:
            if job.repeats > 1:
                found = replicates.train_replicates(job, tracked, splits, should_stop)
            else:
                found = _train(job, tracked, splits, should_stop, start)
        except Stopped as stopped:
            sentence = f"{stopped} {how_to_go_on(job, tracked)}"
            # Also on the run's page: `mlflow run` marks a run that Ctrl-C stopped as FAILED, whatever this process says.
            with contextlib.suppress(Exception):  # a store that is gone is no reason to lose the sentence
                tracked.describe(f"{sentence}\n\n{job.caption}")
            raise Stopped(sentence) from stopped
        except Exception as error:
            raise_if_lost(error, what_is_kept(job, tracked))
            raise
        print(found)


def _resumed(
    job: TrainJob, runs_folder: Path, stack: contextlib.ExitStack
) -> tuple[TrainJob, str | None, Start | None]:
    """The job that goes on, the run it goes on in, if it is not a new one, and the state, if it is not that of replicates.

    While the stack is open no other command goes on in that run.
    """
    assert job.resume is not None
    parent = replicates.find_parent(job.resume)
    if parent is not None:
        stack.enter_context(alone_in(runs_folder, parent.run_id))
        parent = replicates.find_parent(job.resume) or parent
        return replicates.job_of(parent, job), parent.run_id, None
    found, start = find_start(job, runs_folder)
    if start.run_id is not None:
        refuse_part(start.run_id)
        stack.enter_context(alone_in(runs_folder, start.run_id))
        # Again: until a moment ago another command may have gone on in this run, and it may have finished it.
        found, start = find_start(job, runs_folder)
    return found, start.run_id, start


def _train(
    job: TrainJob, tracked: TrackedRun, splits: TrainingSplits, should_stop: Callable[[], bool], start: Start | None
) -> str:
    outcome = train_in_run(job, tracked, splits, should_stop, start)
    test, model_uri = conclude_run(job, tracked, splits)
    registered = register_best(job, model_uri, tracked.run_id, splits.dataset, outcome.progress.best_accuracy)
    found = f"{headline(outcome, test)} {registered}"
    tracked.describe(f"{found}\n\n{job.caption}")
    return found
