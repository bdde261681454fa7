"""Training runs that are child runs of one parent, such as replicates: each is trained once, and one that was interrupted continues."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from glassliquid.errors import Diverged, UserError
from glassliquid.evaluation.fate import Fate, counted
from glassliquid.evaluation.scores import Scores
from glassliquid.evaluation.spread import spread
from glassliquid.layout import Layout
from glassliquid.models.network import Network
from glassliquid.models.networks import MODELS
from glassliquid.sessions.conclusion import headline
from glassliquid.sessions.evidence import evidence_of, keep_evidence
from glassliquid.sessions.hand_over import Trained
from glassliquid.sessions.resume import HOW_TO_END, find_start
from glassliquid.sessions.stopping import ending_soon
from glassliquid.sessions.training_display import TrainingDisplay
from glassliquid.sessions.training_job import TrainJob
from glassliquid.sessions.training_run import TrainingSplits, fate_in, train_in_run
from glassliquid.tracking import tag
from glassliquid.tracking.find_model import has_checkpoint
from glassliquid.tracking.run import TrackedRun, tracked_run
from glassliquid.tracking.stored import StoredRun, children_of, metric_history

FIGURES = ("best_val_accuracy", "final_val_accuracy", "test_accuracy", "largest_drop")
"""Of each part, and under the same names, as means, of the parent."""

Conclude = Callable[[TrainJob, TrackedRun, TrainingSplits, Trained], Scores]
"""Tests a finished part, and keeps in its run its curves and what the parent needs of it."""


@dataclass(frozen=True)
class Part:
    """One of the training runs."""

    kind: str
    """`replicate` or `fold`: the tag that holds its number."""
    number: int
    """From 1."""
    of: int
    """How many there are."""
    job: TrainJob
    group: str
    """What the run above them is called."""

    def __str__(self) -> str:
        """Such as `Fold 2 of 5`."""
        return f"{self.kind.capitalize()} {self.number} of {self.of}"


@dataclass(frozen=True)
class Finished:
    """The parts that came to their end, and the number of those that diverged."""

    runs: list[StoredRun]
    diverged: int

    @property
    def fates(self) -> list[Fate]:
        """Of each run."""
        return [run.fate or Fate.STAYED for run in self.runs]


def train_parts(
    parts: Sequence[Part],
    parent: str,
    load_splits: Callable[[Part], TrainingSplits],
    conclude: Conclude,
    should_stop: Callable[[], bool],
) -> Finished:
    """Train what is missing. Those that have finished stay; one that diverges is counted, and the others are trained all the same.

    Args:
        parts: what is trained.
        parent: the open run above them.
        load_splits: gives the samples of a part.
        conclude: called with each part that was trained to its end.
        should_stop: asked after every iteration.

    Raises:
        UserError: all of them diverged.
        Stopped: `should_stop` answered True.
    """
    kind = parts[0].kind
    earlier = {child.tags.get(kind): child for child in children_of(parent)}
    for part in parts:
        _train_one(part, parent, earlier.get(str(part.number)), load_splits, conclude, should_stop)
    children = [child for child in children_of(parent) if kind in child.tags]
    finished = [child for child in children if child.status == "FINISHED"]
    diverged = sum(child.has_diverged for child in children)
    if not finished:
        raise UserError(f"All {diverged} {kind}s diverged: lower the learning rate and start a new training run.")
    return Finished(sorted(finished, key=lambda child: int(child.tags[kind])), diverged)


def _train_one(
    part: Part,
    parent: str,
    earlier: StoredRun | None,
    load_splits: Callable[[Part], TrainingSplits],
    conclude: Conclude,
    should_stop: Callable[[], bool],
) -> None:
    if earlier is not None and (earlier.status == "FINISHED" or earlier.has_diverged):
        return
    if earlier is not None:
        earlier.refuse_living(HOW_TO_END)
    one, start = part.job, None
    runs_folder = Layout(one.data_dir).runs
    # One that was killed before its first checkpoint starts afresh in its run.
    if earlier is not None and has_checkpoint(earlier.run_id, runs_folder):
        one, start = find_start(replace(one, resume=earlier.run_id), runs_folder)
    which = f"{part.kind} {part.number}" if part.kind == tag.FOLD else f"seed {one.config.seed}"
    name = f"{which} of {part.group}"
    run_id = earlier.run_id if earlier is not None else None
    splits = load_splits(part)
    with (
        contextlib.suppress(Diverged),  # after the run has ended as FAILED
        tracked_run("train", name, run_id, parent, {part.kind: part.number}) as child,
    ):
        try:
            display = TrainingDisplay(str(part), tells_size=part.number == 1)
            trained = train_in_run(one, child, splits, should_stop, start, parents=(parent,), display=display)
        except Diverged as error:
            print(f"{part} diverged. {error}", flush=True)
            raise
        with ending_soon(should_stop):
            test = conclude(one, child, splits, trained)
            found = headline(trained.outcome, test, fate_in(splits, trained.outcome.progress))
            child.describe(f"{part}. {found}\n\n{one.caption}")
        print(f"{part}: {found}", flush=True)


def keep_common(
    job: TrainJob, tracked: TrackedRun, finished: Finished, kind: str, measured: Mapping[str, float] | None = None
) -> str:
    """Keep on the parent what its parts have in common: metrics, fates, a figure of all curves, evidence; in words too.

    Args:
        job: of the parent.
        tracked: the parent.
        finished: its parts.
        kind: of these.
        measured: further metrics, which stand in the place of means of the same names.
    """
    from glassliquid.plots.training import replicates_figure  # which takes half a second to import

    metrics: dict[str, float] = {f"{kind}s": len(finished.runs), "diverged_runs": finished.diverged}
    sentences = []
    for name in FIGURES:
        found = spread([child.metrics[name] for child in finished.runs])
        metrics |= {name: found.mean, f"{name}_mean": found.mean, f"{name}_std": found.deviation}
        metrics |= {f"{name}_min": found.lowest, f"{name}_max": found.highest}
        low, high = (100 * bound for bound in found.interval_of_share)
        # Most drops are zero and a few are large: Student's interval of such a mean says nothing.
        interval = "" if name == "largest_drop" else f"95 % interval of the mean {low:.2f} to {high:.2f}, "
        sentences.append(
            f"{name} {100 * found.mean:.2f} % (standard deviation {100 * found.deviation:.2f}, {interval}"
            f"range {100 * found.lowest:.2f} to {100 * found.highest:.2f})"
        )
    fates = finished.fates
    metrics |= {f"{fate.replace(' ', '_')}_runs": fates.count(fate) for fate in Fate}
    tracked.metrics({**metrics, **(measured or {})})
    tracked.tags({tag.FATE: counted(fates)})
    named = {f"{kind} {child.tags[kind]}": child.run_id for child in finished.runs}
    curves = {name: (metric_history(run_id), fate) for (name, run_id), fate in zip(named.items(), fates, strict=True)}
    tracked.figure(replicates_figure(curves, job.caption), f"{kind}s.png")
    if MODELS.get(job.config.model).evidence is not Network.evidence:
        keep_evidence(tracked, evidence_of(finished.runs), job.caption)
    more = f" {finished.diverged} more diverged." if finished.diverged else ""
    return f"{len(finished.runs)} {kind}s: {'; '.join(sentences)}; {counted(fates)}.{more}"


def rows_of(finished: Finished, kind: str, columns: Sequence[str]) -> Iterator[Mapping[str, object]]:
    """For each part the cells of a table that all such tables have: number, run, metrics, whether it collapsed, fate."""
    for child, fate in zip(finished.runs, finished.fates, strict=True):
        named = {kind: child.tags[kind], "run_id": child.run_id}
        yield {
            **named,
            **{name: child.metrics[name] for name in columns},
            "collapsed": child.tags["collapsed"],
            "fate": fate,
        }
