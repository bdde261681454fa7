"""One setting trained several times with as many seeds: child runs of one parent, and what they have in common."""

import contextlib
from collections.abc import Callable
from dataclasses import replace

from glassliquid.datasets.description import Dataset
from glassliquid.errors import Diverged, UserError
from glassliquid.evaluation.spread import spread
from glassliquid.files import csv_text
from glassliquid.layout import Layout
from glassliquid.models.network import Network
from glassliquid.models.networks import MODELS
from glassliquid.sessions.evidence import evidence_of, keep_evidence
from glassliquid.sessions.resume import HOW_TO_END, find_start
from glassliquid.sessions.stopping import ending_soon
from glassliquid.sessions.training_display import TrainingDisplay
from glassliquid.sessions.training_job import TrainJob
from glassliquid.sessions.training_run import (
    TrainingSplits,
    conclude_run,
    describe_training,
    headline,
    register_best,
    train_in_run,
)
from glassliquid.tracking import tag
from glassliquid.tracking.find_model import has_checkpoint
from glassliquid.tracking.run import TrackedRun, tracked_run
from glassliquid.tracking.stored import StoredRun, children_of, metric_history

FIGURES = ("best_val_accuracy", "final_val_accuracy", "test_accuracy", "largest_drop")


def train_replicates(
    job: TrainJob, tracked: TrackedRun, splits: TrainingSplits, should_stop: Callable[[], bool]
) -> str:
    """Train what is missing of `job.repeats` replicates inside the open parent run; return what was found.

    Replicate i has the seed `seed + i - 1` and the trial label i. Those that have finished stay; one that was
    interrupted goes on; one that diverges is counted, and the others are trained all the same. The best by validation
    accuracy is registered.

    Raises:
        UserError: all of them diverged.
    """
    dataset = splits.dataset
    describe_training(job, tracked, dataset)
    # Last: a parent that has this tag can be resumed.
    tracked.tags({tag.REPEATS: job.repeats})
    earlier = {child.tags.get(tag.REPLICATE): child for child in children_of(tracked.run_id)}
    for number in range(1, job.repeats + 1):
        _train_one(job, number, tracked.run_id, earlier.get(str(number)), splits, should_stop)
    children = children_of(tracked.run_id)
    finished = [child for child in children if child.status == "FINISHED"]
    diverged = [child for child in children if child.has_diverged]
    if not finished:
        raise UserError(f"All {len(diverged)} replicates diverged: lower the learning rate and start a new training.")
    with ending_soon(should_stop):
        return _summarise(job, tracked, dataset, finished, len(diverged))


def _train_one(
    job: TrainJob,
    number: int,
    parent: str,
    earlier: StoredRun | None,
    splits: TrainingSplits,
    should_stop: Callable[[], bool],
) -> None:
    if earlier is not None and (earlier.status == "FINISHED" or earlier.has_diverged):
        return
    if earlier is not None:
        earlier.refuse_living(HOW_TO_END)
    config = replace(job.config, seed=job.config.seed + number - 1)
    one = replace(job, config=config, repeats=1, trial=str(number))
    start = None
    runs_folder = Layout(job.data_dir).runs
    # One that was killed before its first checkpoint starts afresh in its run.
    if earlier is not None and has_checkpoint(earlier.run_id, runs_folder):
        one, start = find_start(replace(one, resume=earlier.run_id), runs_folder)
    name = f"seed {config.seed} of {job.run_name}"
    run_id = earlier.run_id if earlier is not None else None
    with (
        contextlib.suppress(Diverged),  # after the run has ended as FAILED
        tracked_run("train", name, run_id, parent, {tag.REPLICATE: number}) as child,
    ):
        try:
            display = TrainingDisplay(f"Replicate {number} of {job.repeats}", tells_size=number == 1)
            outcome = train_in_run(one, child, splits, should_stop, start, parents=(parent,), display=display)
        except Diverged as error:
            print(f"Replicate {number} of {job.repeats} diverged. {error}", flush=True)
            raise
        with ending_soon(should_stop):
            test, model_uri = conclude_run(one, child, splits)
            child.tags({tag.LOGGED_MODEL: model_uri})
            found = headline(outcome, test)
            child.describe(f"{found}\n\n{one.caption}")
        print(f"Replicate {number} of {job.repeats}: {found}", flush=True)


def _summarise(job: TrainJob, tracked: TrackedRun, dataset: Dataset, finished: list[StoredRun], diverged: int) -> str:
    """Keep mean, spread and number of collapsed runs on the parent, a figure and a table; register the best replicate."""
    from glassliquid.plots.training import replicates_figure  # which takes half a second to import

    metrics: dict[str, float] = {"replicates": len(finished)}
    sentences = []
    for name in FIGURES:
        found = spread([child.metrics[name] for child in finished])
        metrics |= {f"{name}_mean": found.mean, f"{name}_std": found.deviation}
        metrics |= {f"{name}_min": found.lowest, f"{name}_max": found.highest}
        low, high = (100 * bound for bound in found.interval_of_share)
        # Most drops are zero and a few are large: Student's interval of such a mean says nothing.
        interval = "" if name == "largest_drop" else f"95 % interval of the mean {low:.2f} to {high:.2f}, "
        sentences.append(
            f"{name} {100 * found.mean:.2f} % (standard deviation {100 * found.deviation:.2f}, {interval}"
            f"range {100 * found.lowest:.2f} to {100 * found.highest:.2f})"
        )
    collapsed = [child for child in finished if child.tags["collapsed"] == "true"]
    tracked.metrics({**metrics, "collapsed_runs": len(collapsed), "diverged_runs": diverged})
    curves = {
        f"replicate {child.tags[tag.REPLICATE]}": (metric_history(child.run_id), child in collapsed)
        for child in finished
    }
    tracked.figure(replicates_figure(curves, job.caption), "replicates.png")
    tracked.text(_table(finished), "replicates.csv")
    if MODELS.get(job.config.model).evidence is not Network.evidence:
        keep_evidence(tracked, evidence_of(finished), job.caption)
    best = max(finished, key=lambda child: (child.metrics["best_val_accuracy"], -child.metrics["largest_drop"]))
    accuracy = best.metrics["best_val_accuracy"]
    registered = register_best(job, best.tags[tag.LOGGED_MODEL], best.run_id, dataset, accuracy)
    found_text = (
        f"{len(finished)} replicates: {'; '.join(sentences)}; {len(collapsed)} collapsed. "
        + (f"{diverged} more diverged. " if diverged else "")
        + f"Best: replicate {best.tags[tag.REPLICATE]}. {registered}"
    )
    tracked.describe(f"{found_text}\n\n{job.caption}")
    return found_text


def _table(finished: list[StoredRun]) -> str:
    """One row a replicate, as CSV."""
    columns = (*FIGURES, "best_iteration")
    rows = (
        [child.tags[tag.REPLICATE], child.run_id, *(child.metrics[name] for name in columns), child.tags["collapsed"]]
        for child in finished
    )
    return csv_text([tag.REPLICATE, "run_id", *columns, "collapsed"], rows)
