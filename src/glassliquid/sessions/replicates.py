"""One setting trained several times with as many seeds: child runs of one parent, and what they have in common."""

from collections.abc import Callable
from dataclasses import replace

from glassliquid.evaluation.fate import Fate
from glassliquid.evaluation.scores import Scores
from glassliquid.files import csv_text
from glassliquid.sessions.conclusion import conclude_run, register_best
from glassliquid.sessions.hand_over import Trained
from glassliquid.sessions.parts import FIGURES, Finished, Part, keep_common, rows_of, train_parts
from glassliquid.sessions.stopping import ending_soon
from glassliquid.sessions.training_job import TrainJob
from glassliquid.sessions.training_run import TrainingSplits, describe_training
from glassliquid.tracking import tag
from glassliquid.tracking.run import TrackedRun


def train_replicates(
    job: TrainJob, tracked: TrackedRun, splits: TrainingSplits, should_stop: Callable[[], bool]
) -> str:
    """Train what is missing of `job.repeats` replicates inside the open parent run; return what was found.

    Replicate i has the seed `seed + i - 1` and the trial label i. The best by validation accuracy is registered.

    Raises:
        UserError: all of them diverged.
    """
    describe_training(job, tracked, splits.dataset)
    # Last: a parent that has this tag can be resumed.
    tracked.tags({tag.REPEATS: job.repeats})
    parts = [_replicate(job, number) for number in range(1, job.repeats + 1)]
    finished = train_parts(parts, tracked.run_id, lambda _: splits, _conclude, should_stop)
    with ending_soon(should_stop):
        return _summarise(job, tracked, splits, finished)


def _replicate(job: TrainJob, number: int) -> Part:
    config = replace(job.config, seed=job.config.seed + number - 1)
    return Part(
        tag.REPLICATE, number, job.repeats, replace(job, config=config, repeats=1, trial=str(number)), job.run_name
    )


def _conclude(job: TrainJob, tracked: TrackedRun, splits: TrainingSplits, trained: Trained) -> Scores:
    concluded = conclude_run(job, tracked, splits, trained)
    tracked.tags({tag.LOGGED_MODEL: concluded.model_uri})
    return concluded.test


def _summarise(job: TrainJob, tracked: TrackedRun, splits: TrainingSplits, finished: Finished) -> str:
    """Keep on the parent what the replicates have in common, and a table; register the best one."""
    common = keep_common(job, tracked, finished, tag.REPLICATE)
    rows = list(rows_of(finished, tag.REPLICATE, (*FIGURES, "best_iteration")))
    tracked.text(csv_text([*rows[0]], ([*row.values()] for row in rows)), "replicates.csv")
    best = max(finished.runs, key=lambda child: (child.metrics["best_val_accuracy"], -child.metrics["largest_drop"]))
    accuracy = best.metrics["best_val_accuracy"]
    if best.fate is Fate.NEVER_LEARNED:
        found = f"{common} Best: none, because none is better than chance; no model is registered."
    else:
        registered = register_best(job, best.tags[tag.LOGGED_MODEL], best.run_id, best.metrics, splits, accuracy)
        found = f"{common} Best: replicate {best.tags[tag.REPLICATE]}. {registered}"
    tracked.describe(f"{found}\n\n{job.caption}")
    return found
