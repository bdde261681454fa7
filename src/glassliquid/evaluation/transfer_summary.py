"""What transfer_eval found, in words and numbers: the sentence, the tables, the metrics."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tabulate import tabulate

from glassliquid.datasets.description import Recipe
from glassliquid.evaluation.comparison import LINEAR, Verdict, compare
from glassliquid.evaluation.scan import CoolingScan
from glassliquid.evaluation.scores import GLASS
from glassliquid.evaluation.transfer import BREAKDOWN_ACCURACY, CALLS_EVERYTHING, LIQUID, Crossing, Interval, Point
from glassliquid.files import csv_text
from glassliquid.physics.protocol import temperature

FIGURE = "transfer.png"
"""What a run keeps its curves as."""
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
    linear: Point | None = None
    """What the linear model on g(r) does with the same images, if that is known."""


@dataclass(frozen=True)
class ModelTransfer:
    """All that was found about one model."""

    label: str
    network: str
    """Name of its network."""
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
    def title(self) -> str:
        """`glass-liquid v3 (graph, data_liquid5)`, which tells models of one name apart."""
        return f"{self.label} ({self.network}, {self.trained_on})"

    @property
    def name(self) -> str:
        """`glass-liquid v3 (trained on liquid 5, T = 1.95)`."""
        return f"{self.label} (trained on liquid {self.trained.liquid}, T = {temperature(self.trained.liquid):.3g})"


def sentence(result: ModelTransfer) -> str:
    """What a person wants to know: to which temperature the model holds, and what it does below."""
    if result.scan is None:
        return _datasets_sentence(result)
    breakdown, half = result.scan.breakdown, result.scan.half_glass
    simulations = result.rows[0].point.simulations
    if breakdown is None:
        best = max(result.rows, key=lambda row: row.point.accuracy)
        return (
            f"{result.name} holds nowhere: its accuracy, in {simulations} simulations that it was not trained on, is at most "
            f"{100 * best.point.accuracy:.1f} %, at index {best.liquid} (T = {temperature(best.liquid):.3g})."
        )
    low, high = breakdown.interval
    parts = [
        f"{result.name} holds to {_temperature(breakdown)} (index {breakdown.index:.1f}, 95 % interval {low:.1f} to "
        f"{high:.1f}: there its accuracy falls below {100 * BREAKDOWN_ACCURACY:.0f} %, in {simulations} simulations that "
        "it was not trained on)"
    ]
    if (index := result.scan.all_glass_from) is not None:
        parts.append(f"calls everything glass below T = {temperature(index):.3g}")
    if (hot := result.scan.breakdown_hot) is not None:
        parts.append(f"fails above T = {temperature(hot):.2f} too")
    order = f" Mean P(glass) passes one half at {_temperature(half)} (index {half.index:.1f})." if half else ""
    return f"{_and(parts)}.{order}"


def scan_metrics(scan: CoolingScan) -> dict[str, float]:
    """The crossings as metrics: index and temperature with their intervals."""
    metrics: dict[str, float] = {}
    for name, crossing in (("breakdown", scan.breakdown), ("half_glass", scan.half_glass)):
        if crossing is not None:
            low, high = crossing.interval
            metrics |= _with_interval(f"{name}_index", crossing.index, (low, high))
            # The temperature falls as the index rises.
            bounds = (temperature(high), temperature(low))
            metrics |= _with_interval(f"{name}_temperature", temperature(crossing.index), bounds)
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
    lines = [_columns(row) for row in rows]
    head = list(dict.fromkeys(name for line in lines for name in line))
    return csv_text(head, ([line.get(name, "") for name in head] for line in lines))


def beside_linear(result: ModelTransfer, linear: ModelTransfer) -> ModelTransfer:
    """A result with that of the linear model on g(r) in its rows, and a note that says where it is better, and where not."""
    pairs = list(zip(result.rows, linear.rows, strict=True))
    said: dict[Verdict, list[str]] = {}
    for row, other in pairs:
        verdict = compare(sum(row.point.right), sum(other.point.right), sum(row.point.counts))
        said.setdefault(verdict, []).append(row.data)
    parts = (f"{verdict} the {LINEAR} on {_together(said[verdict])}" for verdict in Verdict if verdict in said)
    rows = tuple(replace(row, linear=other.point) for row, other in pairs)
    return replace(result, rows=rows, notes=(f"{result.label} is {'; '.join(parts)}.", *result.notes))


def markdown_table(rows: Sequence[TransferRow]) -> str:
    """The rows as a table for the screen and the run's page."""
    with_linear = any(row.linear for row in rows)
    head = (
        "data",
        "T",
        "liquid correct",
        "glass correct",
        "accuracy (95 % interval)",
        "mean P(glass)",
        "AUC (95 % interval)",
        *([LINEAR] if with_linear else []),
    )
    lines = []
    for row in rows:
        point = row.point
        low, high = point.accuracy_interval
        lines.append(
            (
                f"{row.data}{' (training)' if row.is_training else ''}",
                f"{temperature(row.liquid):.3g}",
                *(f"{point.right[label]} of {point.counts[label]}" for label in (LIQUID, GLASS)),
                f"{100 * point.accuracy:.1f} % ({100 * low:.1f} to {100 * high:.1f})",
                f"{point.p_glass:.3f} ({point.p_glass_interval[0]:.3f} to {point.p_glass_interval[1]:.3f})",
                f"{point.auc:.3f} ({point.auc_interval[0]:.3f} to {point.auc_interval[1]:.3f})",
                *([f"{100 * row.linear.accuracy:.1f} %"] if row.linear else []),
            )
        )
    return tabulate(lines, head, "github", disable_numparse=True)


def comparison_table(results: Sequence[ModelTransfer]) -> str:
    """The accuracies of several models on the same data: a column for each model, with counts and 95 % intervals."""

    def cell(point: Point) -> str:
        low, high = point.accuracy_interval
        return f"{100 * point.accuracy:.1f} % ({sum(point.right)} of {sum(point.counts)}; {100 * low:.1f} to {100 * high:.1f})"

    lines = [
        (rows[0].data, f"{temperature(rows[0].liquid):.3g}", *(cell(row.point) for row in rows))
        for rows in zip(*(result.rows for result in results), strict=True)
    ]
    return tabulate(lines, ("data", "T", *(result.title for result in results)), "github", disable_numparse=True)


def reach(result: ModelTransfer) -> str:
    """`holds to T = 0.84 +- 0.02`, or `holds nowhere`; of a model that was tried on the cooling."""
    assert result.scan is not None
    return "holds nowhere" if result.scan.breakdown is None else f"holds to {_temperature(result.scan.breakdown)}"


def _columns(row: TransferRow) -> dict[str, object]:
    point = row.point
    return {
        "model": row.model,
        "trained_on": row.trained_on,
        "data": row.data,
        "ensemble": row.ensemble,
        "liquid": row.liquid,
        "temperature": temperature(row.liquid),
        "glass": row.glass,
        "is_training": row.is_training,
        "images": sum(point.counts),
        "right": sum(point.right),
        "liquid_images": point.counts[LIQUID],
        "liquid_right": point.right[LIQUID],
        "glass_images": point.counts[GLASS],
        "glass_right": point.right[GLASS],
        **{name: f"{value:.6g}" for name, value in point_metrics(point).items()},
        **({"linear_right": sum(row.linear.right)} if row.linear else {}),
    }


def _datasets_sentence(result: ModelTransfer) -> str:
    holds = [_named(row) for row in result.rows if row.point.accuracy >= BREAKDOWN_ACCURACY]
    fails = [_named(row) for row in result.rows if row.point.accuracy < BREAKDOWN_ACCURACY]
    parts = [f"{verb} on {_and(names)}" for verb, names in (("holds", holds), ("fails", fails)) if names]
    return f"{result.name} {' and '.join(parts)}."


def _named(row: TransferRow) -> str:
    point = row.point
    called = ""
    # A class accuracy is nan if there are no images of it, and nan is not less than anything.
    for label, name in ((GLASS, "liquid"), (LIQUID, "glass")):
        if point.class_accuracy(label) <= 1 - CALLS_EVERYTHING:
            called = f"; it calls everything {name}"
    return f"{row.data} ({100 * point.accuracy:.1f} % of {sum(point.counts)} images{called})"


def _together(names: Sequence[str]) -> str:
    """The names; of liquids `liquid 5, 45 and 100`."""
    indices = [name.removeprefix("liquid ") for name in names]
    return f"liquid {_and(indices)}" if all(map(str.isdecimal, indices)) else _and(names)


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _temperature(crossing: Crossing) -> str:
    """`T = 0.84 +- 0.02`: half the width of the 95 % interval."""
    half = (temperature(crossing.interval[0]) - temperature(crossing.interval[1])) / 2
    digits = 2 if half >= 0.005 else 3
    return f"T = {temperature(crossing.index):.{digits}f} +- {half:.{digits}f}"


def _with_interval(name: str, value: float, interval: Interval) -> dict[str, float]:
    return {name: value, f"{name}_low": interval[0], f"{name}_high": interval[1]}
