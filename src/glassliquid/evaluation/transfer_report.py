"""What transfer_eval found, in words and numbers: the sentence, the tables, the metrics."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from glassliquid.datasets.description import Recipe
from glassliquid.evaluation.scan import CoolingScan
from glassliquid.evaluation.scores import GLASS
from glassliquid.evaluation.transfer import BREAKDOWN_ACCURACY, CALLS_EVERYTHING, LIQUID, Crossing, Interval, Point
from glassliquid.files import csv_text
from glassliquid.physics.protocol import INTERVALS, TEMPERATURE_COLD, TEMPERATURE_HOT, temperature

PREFIX = "transfer"
"""What the names of all metrics begin with."""


@dataclass(frozen=True)
class TransferRow:
    """A model on one set of images."""

    model: str
    """Its label."""
    trained_on: str
    """Name of its training data."""
    data: str
    """Name of the dataset, or `liquid K`."""
    ensemble: str
    """Where the images are from."""
    liquid: int
    """Snapshot index of the liquid."""
    glass: int
    """Snapshot index of the glass."""
    is_training: bool
    """Whether these are the snapshots of the training data; their validation split has chosen the checkpoint."""
    point: Point


@dataclass(frozen=True)
class ModelTransfer:
    """All that was found about one model."""

    label: str
    trained_on: str
    """Name of its training data."""
    trained: Recipe
    """How they were made."""
    rows: tuple[TransferRow, ...]
    scan: CoolingScan | None
    """Where it breaks down along the cooling; None if it was tried on datasets."""
    notes: tuple[str, ...]
    """What a reader must know."""

    @property
    def name(self) -> str:
        """`glass-liquid v3 (trained on liquid 5, T = 1.95)`."""
        return f"{self.label} (trained on liquid {self.trained.liquid}, T = {temperature(self.trained.liquid):.3g})"


def sentence(result: ModelTransfer) -> str:
    """What a person wants to know: to which temperature the model holds, and what it does below."""
    if result.scan is None:
        return _datasets_sentence(result)
    breakdown = result.scan.breakdown
    simulations = result.rows[0].point.simulations
    if breakdown is None:
        best = max(result.rows, key=lambda row: row.point.accuracy)
        return (
            f"{result.name} holds nowhere: its accuracy, in {simulations} simulations that it was not trained on, is at most "
            f"{_percent(best.point.accuracy)}, at index {best.liquid} (T = {temperature(best.liquid):.3g})."
        )
    parts = [
        f"{result.name} holds to {_temperature(breakdown)} (index {breakdown.index:.1f}, 95 % interval "
        f"{breakdown.interval[0]:.1f} to {breakdown.interval[1]:.1f}: there its accuracy falls below "
        f"{_percent(BREAKDOWN_ACCURACY, 0)}, in {simulations} simulations that it was not trained on)"
    ]
    if (index := result.scan.all_glass_from) is not None:
        parts.append(f"calls everything glass below T = {temperature(index):.3g}")
    if (hot := result.scan.breakdown_hot) is not None:
        parts.append(f"fails above T = {_at(hot):.2f} too")
    words = ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else parts[0]
    half = result.scan.half_glass
    order = f" Mean P(glass) passes one half at {_temperature(half)} (index {half.index:.1f})." if half else ""
    return f"{words}.{order}"


def scan_metrics(scan: CoolingScan) -> dict[str, float]:
    """The crossings as metrics: index and temperature with their intervals."""
    metrics: dict[str, float] = {}
    for name, crossing in (("breakdown", scan.breakdown), ("half_glass", scan.half_glass)):
        if crossing is not None:
            low, high = crossing.interval
            metrics |= _with_interval(f"{name}_index", crossing.index, (low, high))
            # The temperature falls as the index rises.
            metrics |= _with_interval(f"{name}_temperature", _at(crossing.index), (_at(high), _at(low)))
    return metrics


def point_metrics(point: Point) -> dict[str, float]:
    """A point's scores and their intervals as metrics, without a prefix; what is not defined is left out."""
    metrics = {
        "simulations": float(point.simulations),
        **_with_interval("accuracy", point.accuracy, point.accuracy_interval),
        **_with_interval("liquid_accuracy", point.class_accuracy(LIQUID), point.class_interval(LIQUID)),
        **_with_interval("glass_accuracy", point.class_accuracy(GLASS), point.class_interval(GLASS)),
        **_with_interval("p_glass", point.p_glass, point.p_glass_interval),
        **_with_interval("auc", point.auc, point.auc_interval),
    }
    return {key: value for key, value in metrics.items() if math.isfinite(value)}


def csv_table(rows: Iterable[TransferRow]) -> str:
    """Every row with all its numbers, as comma-separated text."""
    head = [
        "model",
        "trained_on",
        "data",
        "ensemble",
        "liquid",
        "temperature",
        "glass",
        "is_training",
        "images",
        "right",
        "liquid_images",
        "liquid_right",
        "glass_images",
        "glass_right",
    ]
    rows = list(rows)
    names = list(dict.fromkeys(name for row in rows for name in point_metrics(row.point)))
    lines = []
    for row in rows:
        point, metrics = row.point, point_metrics(row.point)
        lines.append(
            [
                row.model,
                row.trained_on,
                row.data,
                row.ensemble,
                row.liquid,
                temperature(row.liquid),
                row.glass,
                row.is_training,
                sum(point.counts),
                sum(point.right),
                point.counts[LIQUID],
                point.right[LIQUID],
                point.counts[GLASS],
                point.right[GLASS],
                *(f"{metrics[name]:.6g}" if name in metrics else "" for name in names),
            ]
        )
    return csv_text([*head, *names], lines)


def markdown_table(rows: Sequence[TransferRow]) -> str:
    """The rows as a table for the screen and the run's page."""
    head = (
        "data",
        "T",
        "liquid right",
        "glass right",
        "accuracy (95 % interval)",
        "mean P(glass)",
        "AUC (95 % interval)",
    )
    lines = [_line(head), _line(["---"] * len(head))]
    for row in rows:
        point = row.point
        low, high = point.accuracy_interval
        cells = (
            f"{row.data}{' (training)' if row.is_training else ''}",
            f"{temperature(row.liquid):.3g}",
            f"{point.right[LIQUID]} of {point.counts[LIQUID]}",
            f"{point.right[GLASS]} of {point.counts[GLASS]}",
            f"{_percent(point.accuracy)} ({100 * low:.1f} to {100 * high:.1f})",
            f"{point.p_glass:.3f} ({point.p_glass_interval[0]:.3f} to {point.p_glass_interval[1]:.3f})",
            f"{point.auc:.3f} ({point.auc_interval[0]:.3f} to {point.auc_interval[1]:.3f})",
        )
        lines.append(_line(cells))
    return "\n".join(lines)


def _datasets_sentence(result: ModelTransfer) -> str:
    holds = [_named(row) for row in result.rows if row.point.accuracy >= BREAKDOWN_ACCURACY]
    fails = [_named(row) for row in result.rows if row.point.accuracy < BREAKDOWN_ACCURACY]
    parts = ([f"holds on {_and(holds)}"] if holds else []) + ([f"fails on {_and(fails)}"] if fails else [])
    return f"{result.name} {' and '.join(parts)}."


def _named(row: TransferRow) -> str:
    point = row.point
    called = ""
    if point.counts[LIQUID] and point.class_accuracy(LIQUID) <= 1 - CALLS_EVERYTHING:
        called = ", it calls everything glass"
    elif point.counts[GLASS] and point.class_accuracy(GLASS) <= 1 - CALLS_EVERYTHING:
        called = ", it calls everything liquid"
    return f"{row.data} ({_percent(point.accuracy)} of {sum(point.counts)} images{called})"


def _and(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else names[0]


def _temperature(crossing: Crossing) -> str:
    """`T = 0.84 +- 0.02`: half the width of the 95 % interval."""
    low, high = crossing.interval
    half = (_at(low) - _at(high)) / 2
    digits = 2 if half >= 0.005 else 3
    return f"T = {_at(crossing.index):.{digits}f} +- {half:.{digits}f}"


def _at(index: float) -> float:
    """Temperature at an index that need not be whole."""
    return TEMPERATURE_HOT - (TEMPERATURE_HOT - TEMPERATURE_COLD) * index / INTERVALS


def _with_interval(name: str, value: float, interval: Interval) -> dict[str, float]:
    return {name: value, f"{name}_low": interval[0], f"{name}_high": interval[1]}


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
