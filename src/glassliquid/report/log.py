"""The results log of an experiment, from its runs: tables of all, then an entry for each run under its day."""

import itertools
import json
import statistics
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from glassliquid.evaluation.fate import Fate
from glassliquid.report.artifacts import Artifacts
from glassliquid.report.entries import (
    MAKE_DATA,
    NOT_RECORDED,
    SWEEP,
    TRAIN,
    TRANSFER,
    Entry,
    EntryWriter,
    description,
    given,
    percent,
    test_accuracy,
    with_fate,
)
from glassliquid.report.linear import UNKNOWN, LinearScore, linear_scores
from glassliquid.tracking.history import Curve, Experiment
from glassliquid.tracking.stored import StoredRun
from glassliquid.training.progress import LEARNED

EVALUATED = ("val_accuracy", "val_loss")
"""Metrics with a point for each evaluation, which are always drawn."""
EVERY_ITERATION = ("loss", "learning_rate")
"""Metrics with a point for each iteration."""
MOST_POINTS = 150_000
"""The metrics of every iteration are drawn if they have no more points than this in all: a store gives about 30,000 points a
second, and 200 runs of the research log's 1,500 iterations would have 600,000."""
EXAMPLES = "examples.png"


class DatasetRow(NamedTuple):
    """One dataset."""

    name: str
    digest: str
    facts: Sequence[str]
    """How it was made, a phrase each."""
    picture: str | None
    """Data address."""
    missing: str
    """Why there is no picture."""
    runs: int


class BestRow(NamedTuple):
    """The best training run on one dataset."""

    dataset: str
    digest: str
    runs: int
    collapsed: int
    never_learned: int
    best: StoredRun
    validation: str
    test: str
    settings: str
    linear: str
    """What the linear model on g(r) has on the same test split."""
    verdict: str
    """Whether the best run is better than it, in words; empty if that cannot be said."""


class StabilityRow(NamedTuple):
    """The training runs with one schedule; accuracies and drop are medians."""

    schedule: str
    runs: int
    learned: int
    collapsed: int
    never_learned: int
    best: str
    final: str
    largest_drop: str


class ResultsLog:
    """The content of the page: `best`, `stability`, `conclusions`, `datasets`, then `days` with an entry for each run."""

    def __init__(
        self,
        experiment: Experiment,
        runs: Sequence[StoredRun],
        curves: Mapping[str, Mapping[str, Curve]],
        artifacts: Artifacts,
        written: datetime,
        since: datetime | None = None,
    ) -> None:
        """Collect what the page says.

        Args:
            experiment: where the runs are from.
            runs: oldest first, at least one.
            curves: run id to metric to points, for training runs and trials.
            artifacts: the runs' artifacts.
            written: when.
            since: the time after which runs were asked for, if any.
        """
        self.experiment, self.runs, self.written, self.since = experiment, runs, written, since
        self.has_all_curves = set(EVERY_ITERATION) <= set(drawn_metrics(runs))
        self.unfinished = [run for run in runs if run.status != "FINISHED"]
        # What failed before it had done anything is listed only among those that did not finish.
        begun = [run for run in runs if run.status != "FAILED" or run.metrics]
        # Runs that trained a network by themselves: not the parents of replicates and folds, not the trials of sweeps.
        self.trained = [run for run in begun if run.stage == TRAIN and not run.has_parts]
        self.trained_on = trained_on(self.trained)
        self.collapsed = with_fate(self.trained, Fate.COLLAPSED)
        self.never_learned = with_fate(self.trained, Fate.NEVER_LEARNED)
        linear = linear_scores(runs)
        self.best, self.stability = best_rows(self.trained, linear), stability_rows(self.trained)
        self.datasets = dataset_rows(runs, self.trained, artifacts)
        children: dict[str, list[StoredRun]] = {
            run.run_id: [] for run in runs if run.stage in (SWEEP, TRANSFER) or run.has_parts
        }
        for run in runs:
            children.get(run.parent or "", []).append(run)
        top = [run for run in begun if run.parent not in children]
        self.conclusions = [(run, text) for run in top if (text := _conclusion(run))]
        writer = EntryWriter(curves, artifacts, linear)
        entries = [writer.entry(run, children.get(run.run_id, ())) for run in sorted(top, key=lambda run: run.started)]
        self.days = [(day, list(members)) for day, members in itertools.groupby(entries, _day)]
        self.pictures_left_out = artifacts.left_out


def trained_on(runs: Sequence[StoredRun]) -> int:
    """On how many datasets runs were trained.

    One that was ended before it had opened its dataset was trained on none, unless nothing else is known of any run.
    """
    opened = {_dataset(run) for run in runs if "dataset_digest" in run.tags}
    return len(opened) or len({given(run, "dataset") for run in runs})


def drawn_metrics(runs: Sequence[StoredRun]) -> tuple[str, ...]:
    """The metrics whose curves are read and drawn for these runs."""
    iterations = [text for run in runs if (text := run.params.get("iterations", "")).isdigit()]
    points = len(EVERY_ITERATION) * sum(map(int, iterations))
    return EVALUATED + (EVERY_ITERATION if points <= MOST_POINTS else ())


def dataset_rows(runs: Sequence[StoredRun], trained: Sequence[StoredRun], artifacts: Artifacts) -> list[DatasetRow]:
    """A row for each dataset that was made or used, by name and digest."""
    used = [run for run in runs if "dataset_digest" in run.tags]
    transitions = {run.tags.get("ensemble_digest"): run for run in runs if "glass_transition" in run.metrics}
    rows = []
    for dataset in dict.fromkeys(map(_dataset, used)):
        # The newest first; one that found the dataset made already has drawn its examples all the same.
        makers = [run for run in reversed(used) if run.stage == MAKE_DATA and _dataset(run) == dataset]
        pictures = (artifacts.picture(maker, EXAMPLES) for maker in makers)
        picture = next(filter(None, pictures), None)
        facts = next(filter(None, (_facts(artifacts.read(maker, "dataset.json")) for maker in makers)), None)
        measured = next(
            (transitions[digest] for run in makers if (digest := run.tags.get("ensemble_digest")) in transitions), None
        )
        if facts and measured is not None:
            facts.append(_glass_transition(measured))
        missing = ""
        if not makers:
            missing = "no picture: it was not made by a make_data run in this report"
        elif picture is None:
            missing = f"no picture: the run that made it has no {EXAMPLES} that can be read"
        count = sum(_dataset(run) == dataset for run in trained)
        rows.append(DatasetRow(*dataset, facts or ["how it was made is not recorded"], picture, missing, count))
    return rows


def best_rows(runs: Sequence[StoredRun], linear: Mapping[str, LinearScore]) -> list[BestRow]:
    """The best training run of each dataset by validation accuracy, in the order of the datasets' first run.

    Args:
        runs: training runs.
        linear: the scores of the linear model on g(r), by the datasets' digests.
    """
    rows = []
    for dataset in dict.fromkeys(map(_dataset, runs)):
        members = [run for run in runs if _dataset(run) == dataset]
        scored = [run for run in members if "best_val_accuracy" in run.metrics]
        if not scored:
            continue
        best = max(scored, key=lambda run: (run.metrics["best_val_accuracy"], -run.metrics.get("largest_drop", 1)))
        model, batch, dropout = (best.params.get(name, "?") for name in ("model", "batch_size", "dropout"))
        rows.append(
            BestRow(
                *dataset,
                len(members),
                with_fate(members, Fate.COLLAPSED),
                with_fate(members, Fate.NEVER_LEARNED),
                best,
                percent(best, "best_val_accuracy"),
                test_accuracy(best),
                f"{model}, batch {batch}, dropout {dropout}",
                str(beside) if (beside := linear.get(dataset[1])) is not None else UNKNOWN,
                beside.beside(best) if beside is not None else "",
            )
        )
    return rows


def stability_rows(runs: Sequence[StoredRun]) -> list[StabilityRow]:
    """Finished training runs by schedule: how many learned, how many collapsed, and the medians."""
    names = ("best_val_accuracy", "final_val_accuracy", "largest_drop")
    finished = [run for run in runs if set(names) <= run.metrics.keys()]
    rows = []
    for schedule in dict.fromkeys(map(_schedule, finished)):
        members = [run for run in finished if _schedule(run) == schedule]
        learned = sum(run.metrics["best_val_accuracy"] > LEARNED for run in members)
        medians = [f"{100 * statistics.median(run.metrics[name] for run in members):.2f} %" for name in names]
        collapsed, never = (with_fate(members, fate) for fate in (Fate.COLLAPSED, Fate.NEVER_LEARNED))
        rows.append(StabilityRow(schedule, len(members), learned, collapsed, never, *medians))
    return rows


def _facts(description_file: bytes | None) -> list[str]:
    """How a dataset was made, from its dataset.json; empty if that cannot be read."""
    try:
        value = json.loads(description_file or b"")
        recipe, temperatures, images = value["recipe"], value["temperatures"], value["images"]
        return [
            f"liquid {recipe['liquid']} (T = {temperatures['liquid']:.3g})",
            f"glass {recipe['glass']} (T = {temperatures['glass']:.3g})",
            f"ensemble {recipe['ensemble']}"
            + (f", and {recipe['glass_ensemble']} for the glasses" if recipe.get("glass_ensemble") else "")
            + (", inherent structures" if recipe["inherent"] else "")
            + (", matched in energy" if recipe.get("match", "none") != "none" else ""),
            f"{' + '.join(str(count) for count in images.values())} images of {recipe['image_size']} pixels for "
            f"{', '.join(images)}",
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _glass_transition(run: StoredRun) -> str:
    """T_g of an ensemble as a run of `transition` has measured it."""
    value, low, high = (run.metrics[f"glass_transition{end}"] for end in ("", "_low", "_high"))
    return f"T_g = {value:.3f} (95 % interval {low:.3f} to {high:.3f}), measured in the run {run.name}"


def _conclusion(run: StoredRun) -> str:
    """What a transfer evaluation or a sweep found, in a sentence or a paragraph."""
    if run.stage == TRANSFER:
        return run.tags.get("sentence") or run.description.split("\n\n")[0]
    if run.stage != SWEEP:
        return ""
    paragraphs = description(run).split("\n\n")
    start = next((place for place, text in enumerate(paragraphs) if text.startswith("Best of")), 0)
    more = [text for text in paragraphs[start + 1 : start + 2] if text.startswith("Its ")]
    return "\n\n".join([paragraphs[start], *more])


def _dataset(run: StoredRun) -> tuple[str, str]:
    return given(run, "dataset") or NOT_RECORDED, run.tags.get("dataset_digest", NOT_RECORDED)


def _schedule(run: StoredRun) -> str:
    return run.params.get("schedule", NOT_RECORDED)


def _day(entry: Entry) -> str:
    return f"{entry.run.started:%Y-%m-%d}"
