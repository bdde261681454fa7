"""What the report says, from the runs of an experiment: plain values, ready to be laid out."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from markupsafe import Markup

from glassliquid.report.curves import run_picture
from glassliquid.tracking.history import Curve, PastRun
from glassliquid.training.progress import LEARNED

TRAIN, TRIAL, SWEEP, MAKE_DATA, TRANSFER = "train", "trial", "sweep", "make_data", "transfer_eval"
LEFT_OUT = ("report", "continuation", "main", "tidy")
"""Stages that are no results: reports, pointers to continued runs, and parents that only hold a chain together."""
EVALUATED = ("val_accuracy", "val_loss")
"""Metrics with a point an evaluation, which are always drawn."""
EVERY_ITERATION = ("loss", "learning_rate")
"""Metrics with a point an iteration."""
MOST_POINTS = 150_000
"""The metrics of every iteration are drawn if they have no more points than this in all: a store gives about 30,000 points a
second, and 200 runs of the research log's 1,500 iterations would have 600,000."""
NOT_RECORDED = "not recorded"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One run, or one group of runs, in the log."""

    run: PastRun
    link: str | None
    """Address of its page."""
    kind: str
    """What it is, in a word or two."""
    badges: Sequence[tuple[str, str]] = ()
    """Text and style of marks such as `collapsed`."""
    caption: str = ""
    """Its settings in the order of the research log's captions."""
    results: str = ""
    """What came out, in one line."""
    body: Markup = field(default=Markup())
    """Its description."""
    curve: Markup | None = None
    pictures: Sequence[tuple[str, str]] = ()
    """Name and data address."""
    table: Sequence[Sequence[str]] = ()
    """Head and rows."""
    table_note: str = ""
    children: Sequence["Entry"] = ()
    lacking: Sequence[str] = ()
    """What should be there and is not, a sentence each."""


@dataclass(frozen=True, kw_only=True)
class Day:
    """A dated section."""

    date: str
    entries: Sequence[Entry]


@dataclass(frozen=True, kw_only=True)
class DatasetRow:
    """One dataset in the table of datasets."""

    name: str
    digest: str
    facts: Sequence[str]
    """How it was made, a phrase each."""
    picture: str | None
    lacking: str
    runs: int


@dataclass(frozen=True, kw_only=True)
class BestRow:
    """The best training on one dataset."""

    dataset: str
    digest: str
    runs: int
    collapsed: int
    best: PastRun
    validation: str
    test: str
    settings: str


@dataclass(frozen=True, kw_only=True)
class StabilityRow:
    """How runs of one schedule fared."""

    schedule: str
    runs: int
    learned: int
    collapsed: int
    best: str
    final: str
    largest_drop: str


@dataclass(frozen=True, kw_only=True)
class Log:
    """The whole report."""

    experiment: str
    address: str
    made: datetime
    since: datetime | None
    first: datetime
    last: datetime
    counts: Mapping[str, int]
    """How many trainings, datasets, collapsed, unfinished."""
    best: Sequence[BestRow]
    stability: Sequence[StabilityRow]
    sentences: Sequence[tuple[PastRun, Markup]]
    """What transfer evaluations and sweeps concluded."""
    datasets: Sequence[DatasetRow]
    days: Sequence[Day]
    unfinished: Sequence[PastRun] = field(default=())
    all_curves: bool = True
    """Whether the metrics of every iteration are drawn too."""


def caption(run: PastRun) -> str:
    """The settings of a training in the order of the research log; what was not recorded is said to be so."""
    params, tags = run.params, run.tags

    def value(name: str) -> str:
        return params.get(name, NOT_RECORDED).strip("'\"") or NOT_RECORDED

    label = ", ".join(f"{name} {tags[name]}" for name in ("version", "step", "trial") if name in tags)
    schedule = value("schedule")
    if schedule == "threshold":
        how = f"schedule threshold at validation accuracy {value('eta_threshold')}"
    elif schedule == "constant":
        how = "schedule constant"
    else:
        length = value("schedule_length")
        how = f"schedule {schedule} over {value('iterations') if length in ('auto', 'None') else length} iterations"
    rates = f"initial learning rate {value('learning_rate')}"
    rates += "" if schedule == "constant" else f", final {value('final_learning_rate')}"
    switch = {"true": "on", "false": "off"}.get(value("augment").lower(), value("augment"))
    return "; ".join(
        (
            label or "no version, step or trial given",
            f"{value('model')} on {tags.get('dataset', value('dataset'))}",
            f"{rates}, {how}",
            f"batch size {value('batch_size')}",
            f"L2 {value('l2')}",
            f"dropout {value('dropout')}",
            f"augmentation {switch}",
            f"seed {value('seed')}, {value('iterations')} iterations",
        )
    )


def results(run: PastRun) -> str:
    """Best and final validation accuracy, test accuracy with count and interval, and the largest drop."""
    metrics = run.metrics
    best, final = _percent(metrics.get("best_val_accuracy")), _percent(metrics.get("final_val_accuracy"))
    iteration = f" in iteration {metrics['best_iteration']:.0f}" if "best_iteration" in metrics else ""
    return (
        f"Best validation accuracy {best}{iteration}; final {final}; test {test_accuracy(run)}; "
        f"largest drop {_percent(metrics.get('largest_drop'))}."
    )


def test_accuracy(run: PastRun) -> str:
    """Test accuracy with its count and 95 % interval."""
    metrics = run.metrics
    needed = ("test_accuracy", "test_images", "test_accuracy_low", "test_accuracy_high")
    if any(name not in metrics for name in needed):
        return _percent(metrics.get("test_accuracy"))
    accuracy, images, low, high = (metrics[name] for name in needed)
    return f"{_percent(accuracy)} ({accuracy * images:.0f} of {images:.0f}, 95 % interval {100 * low:.1f} to {100 * high:.1f} %)"


def drawn_metrics(runs: Sequence[PastRun]) -> tuple[str, ...]:
    """The metrics whose curves are read and drawn for these runs."""
    points = sum(_iterations(run) for run in runs) * len(EVERY_ITERATION)
    return EVALUATED + (EVERY_ITERATION if points <= MOST_POINTS else ())


def is_collapsed(run: PastRun) -> bool:
    """Whether a training lost what it had learned at some time."""
    return run.tags.get("collapsed") == "true"


def training_entry(run: PastRun, curves: Mapping[str, Curve], link: str | None) -> Entry:
    """One training with its curve and caption."""
    lacking = []
    if not curves.get("val_accuracy"):
        lacking.append("There is no curve of the validation accuracy: the run recorded none before it ended.")
    if "test_accuracy" not in run.metrics:
        lacking.append("There is no test accuracy: the test split is read when a run finishes.")
    if not run.params:
        lacking.append("There are no settings: the run recorded no parameters.")
    return Entry(
        run=run,
        link=link,
        kind="training",
        badges=badges(run),
        caption=caption(run),
        results=results(run),
        curve=run_picture(curves, is_collapsed(run)),
        lacking=lacking,
    )


def badges(run: PastRun) -> list[tuple[str, str]]:
    """Marks of a run: collapsed, and every status but FINISHED."""
    marks = [("collapsed", "bad")] if is_collapsed(run) else []
    if run.status != "FINISHED":
        marks.append((run.status.lower(), "warn"))
    return marks


def trainings(runs: Iterable[PastRun]) -> list[PastRun]:
    """Runs that trained a network by themselves: not the parents of replicates, not the trials of sweeps."""
    return [run for run in runs if run.stage == TRAIN and "repeats" not in run.tags]


def best_rows(runs: Sequence[PastRun]) -> list[BestRow]:
    """The best training of each dataset by validation accuracy, in the order of the datasets' first training."""
    groups: dict[tuple[str, str], list[PastRun]] = {}
    for run in runs:
        key = (run.tags.get("dataset", NOT_RECORDED), run.tags.get("dataset_digest", NOT_RECORDED))
        groups.setdefault(key, []).append(run)
    rows = []
    for (name, digest), members in groups.items():
        scored = [run for run in members if "best_val_accuracy" in run.metrics]
        if not scored:
            continue
        best = max(scored, key=lambda run: (run.metrics["best_val_accuracy"], -run.metrics.get("largest_drop", 1)))
        settings = f"{best.params.get('model', '')}, batch {best.params.get('batch_size', '?')}, dropout {best.params.get('dropout', '?')}"
        rows.append(
            BestRow(
                dataset=name,
                digest=digest,
                runs=len(members),
                collapsed=sum(map(is_collapsed, members)),
                best=best,
                validation=_percent(best.metrics["best_val_accuracy"]),
                test=test_accuracy(best),
                settings=settings,
            )
        )
    return rows


def stability_rows(runs: Sequence[PastRun]) -> list[StabilityRow]:
    """Finished trainings by schedule: how many learned, how many collapsed, and the medians."""
    finished = [
        run for run in runs if {"best_val_accuracy", "final_val_accuracy", "largest_drop"} <= run.metrics.keys()
    ]
    rows = []
    for schedule in dict.fromkeys(run.params.get("schedule", NOT_RECORDED) for run in finished):
        members = [run for run in finished if run.params.get("schedule", NOT_RECORDED) == schedule]

        def median(name: str, of: Sequence[PastRun] = members) -> str:
            return _percent(statistics.median(run.metrics[name] for run in of))

        rows.append(
            StabilityRow(
                schedule=schedule,
                runs=len(members),
                learned=sum(run.metrics["best_val_accuracy"] > LEARNED for run in members),
                collapsed=sum(map(is_collapsed, members)),
                best=median("best_val_accuracy"),
                final=median("final_val_accuracy"),
                largest_drop=median("largest_drop"),
            )
        )
    return rows


def by_day(entries: Iterable[Entry]) -> list[Day]:
    """Entries in dated sections, by the day on which they started."""
    days: dict[str, list[Entry]] = {}
    for entry in sorted(entries, key=lambda entry: entry.run.started):
        days.setdefault(f"{entry.run.started:%Y-%m-%d}", []).append(entry)
    return [Day(date=date, entries=members) for date, members in days.items()]


def _iterations(run: PastRun) -> int:
    text = run.params.get("iterations", "")
    return int(text) if text.isdigit() else 0


def _percent(share: float | None) -> str:
    return NOT_RECORDED if share is None else f"{100 * share:.2f} %"
