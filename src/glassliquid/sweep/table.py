"""What a sweep found: the best trial, the table of a page and the table of a file."""

from collections.abc import Sequence
from typing import Any

from tabulate import tabulate

from glassliquid.evaluation.scores import wilson_interval
from glassliquid.files import csv_text
from glassliquid.sweep import study as kept
from glassliquid.sweep.study import Row
from glassliquid.sweep.trial_run import RUN, SECONDS

SHOWN = 10
"""Trials in the printed table; the file has all."""
COLUMNS = ("trial", "state", "val_accuracy", "low", "high", "largest_drop", "best_iteration")


def best_of(rows: Sequence[Row]) -> Row | None:
    """The complete trial with the highest objective; among equals the one that fell least, then the lowest loss."""
    complete = [row for row in rows if row.state == kept.COMPLETE]
    return max(complete, key=_rank, default=None)


def interval(row: Row, images: int) -> tuple[float, float]:
    """95 % interval of a trial's objective: Wilson's of one accuracy on `images` images; of the mean over its seeds, if any.

    Raises:
        ValueError: the trial is not complete.
    """
    if row.value is None:
        raise ValueError("the trial has no value")
    if "low" in row.attributes:
        return float(row.attributes["low"]), float(row.attributes["high"])
    return wilson_interval(round(row.value * images), images)


def percent(row: Row, images: int) -> str:
    """The objective of a complete trial with its interval."""
    low, high = (100 * bound for bound in interval(row, images))
    value = 100 * (row.value or 0.0)
    if "low" in row.attributes:
        return f"{value:.2f} % (95 % interval of the mean {low:.1f} to {high:.1f} %)"
    right = round((row.value or 0.0) * images)
    return f"{value:.2f} % ({right} of {images}, 95 % interval {low:.1f} to {high:.1f} %)"


def markdown(rows: Sequence[Row], names: Sequence[str], images: int) -> str:
    """The best trials, one a line, as a Markdown table whose columns line up in a terminal too."""
    ranked = sorted((row for row in rows if row.state == kept.COMPLETE), key=_rank, reverse=True)
    lines = []
    for row in ranked[:SHOWN]:
        settings = (f"{row.settings[name]:.4g}" for name in names)
        drop = f"{100 * float(row.attributes['largest_drop']):.1f} %"
        lines.append((row.number, *settings, percent(row, images), drop, str(row.attributes[RUN])[:8]))
    head = ("trial", *names, "validation accuracy", "largest drop", "run")
    return tabulate(lines, head, "github", disable_numparse=True)


def counts(rows: Sequence[Row]) -> str:
    """How many trials ended in which way, such as `17 complete, 3 pruned`."""
    states = [row.state for row in rows]
    order = (kept.COMPLETE, kept.PRUNED, kept.FAILED, kept.KILLED)
    return ", ".join(f"{states.count(state)} {state.lower()}" for state in order if state in states)


def as_csv(rows: Sequence[Row], names: Sequence[str], images: int) -> str:
    """Every trial, in the order of the numbers, killed ones included."""
    lines: list[list[Any]] = []
    for row in rows:
        known = row.attributes
        low, high = interval(row, images) if row.state == kept.COMPLETE else ("", "")
        # Of a pruned trial, the best accuracy that it had reached.
        value: Any = known.get("best", "") if row.value is None else row.value
        lines.append(
            [row.number, row.state, value, low, high, known.get("largest_drop", ""), known.get("best_iteration", "")]
            + [row.settings.get(name, "") for name in names]
            + [known.get(SECONDS, ""), known.get(RUN, ""), known.get(kept.AGAIN, ""), known.get(kept.ERROR, "")]
        )
    return csv_text([*COLUMNS, *names, "seconds", "run_id", "again_after", "error"], lines)


def _rank(row: Row) -> tuple[float, float, float, int]:
    known = row.attributes
    return (row.value or 0.0, -float(known["largest_drop"]), -float(known["loss"]), -row.number)
