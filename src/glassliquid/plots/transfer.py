"""Where models stop working: curves along the cooling, and the matrix of models and data."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from glassliquid.evaluation.scan import CoolingScan
from glassliquid.evaluation.scores import GLASS
from glassliquid.evaluation.transfer import BREAKDOWN_ACCURACY, LIQUID, Crossing, Interval
from glassliquid.evaluation.transfer import Point as Scored
from glassliquid.physics.protocol import INTERVALS, snapshot_at, temperature
from glassliquid.plots.axes import TEMPERATURE, add_caption, verbatim
from glassliquid.plots.cooling import ASSUMED, Mark
from glassliquid.plots.evaluation import GLASS_COLOUR, LIQUID_COLOUR

ACCURACY_COLOUR, AUC_COLOUR = "0.15", "#2b8a3e"
TICK_EVERY = 20
CHARACTERS_AN_INCH = 11
"""Of a caption."""


def transfer_figure(
    scan: CoolingScan, trained_liquid: int, trained_glass: int, caption: str, transition: Mark = ASSUMED
) -> Figure:
    """Accuracies and area under the ROC curve above, mean P(glass) below, along the cooling, hot on the left.

    Shaded are 95 % intervals; vertical lines mark the training data, T_g (`transition`) and the crossings.
    """
    figure = Figure(figsize=(9.5, 8.2), layout="constrained")
    rows: list[Any] = list(figure.subplots(2, 1, sharex=True, height_ratios=(3, 2)))
    above, below = rows
    indices, points = list(scan.points), list(scan.points.values())
    for phase, name, colour in ((LIQUID, "liquid", LIQUID_COLOUR), (GLASS, "glass", GLASS_COLOUR)):
        values = [(point.class_accuracy(phase), point.class_interval(phase)) for point in points]
        _curve(above, indices, values, colour, f"accuracy, {name}")
    _curve(above, indices, [(p.accuracy, p.accuracy_interval) for p in points], ACCURACY_COLOUR, "accuracy, both")
    _curve(above, indices, [(p.auc, p.auc_interval) for p in points], AUC_COLOUR, "area under the ROC curve", ":")
    _curve(below, indices, [(p.p_glass, p.p_glass_interval) for p in points], LIQUID_COLOUR, "mean P(glass)")
    last, glass = (indices[-1], points[-1].p_glass), (scan.glass, scan.p_glass_of_glass)
    below.plot(*zip(last, glass, strict=True), color=LIQUID_COLOUR, linestyle=":")
    below.plot(*glass, "s", color=GLASS_COLOUR, label=f"of the glass, snapshot {scan.glass}")
    _crossing(above, scan.breakdown, f"falls below {100 * BREAKDOWN_ACCURACY:.0f} %")
    _crossing(below, scan.half_glass, "passes one half")
    for axes, level, label in (
        (above, BREAKDOWN_ACCURACY, "accuracy, area"),
        (below, 0.5, "order parameter, mean P(glass)"),
    ):
        axes.axhline(level, color="0.5", linewidth=0.8, linestyle="--")
        axes.set_ylabel(label)
        axes.set_ylim(-0.03, 1.03)
        axes.fill_between([], [], [], color=ACCURACY_COLOUR, alpha=0.15, linewidth=0, label="95 % intervals")
        _marks(axes, transition, trained_liquid, trained_glass, labelled=axes is above)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=9, loc="center left")
    below.set_xlim(-4, INTERVALS + 4)
    below.set_xticks(range(0, INTERVALS + 1, TICK_EVERY))
    below.set_xlabel("snapshot index (cooling goes to the right)")
    _temperature_axis(above)
    add_caption(figure, caption, 105)
    return figure


def matrix_figure(points: Sequence[Sequence[Scored]], models: Sequence[str], data: Sequence[str]) -> Figure:
    """Accuracy of every model (row) on all data (columns) as a heat map with counts and 95 % intervals."""
    figure = Figure(figsize=(3.2 + 1.45 * len(data), 2.2 + 0.9 * len(models)), layout="constrained")
    axes: Any = figure.subplots()
    accuracy = np.array([[point.accuracy for point in line] for line in points])
    picture = axes.imshow(accuracy, cmap="RdYlBu", vmin=0.5, vmax=1, aspect="auto")
    for row, line in enumerate(points):
        for column, point in enumerate(line):
            low, high = point.accuracy_interval
            text = (
                f"{100 * point.accuracy:.1f} %\n{sum(point.right)} of {sum(point.counts)}\n"
                f"{100 * low:.1f} to {100 * high:.1f}"
            )
            colour = "white" if abs(point.accuracy - 0.75) > 0.2 else "black"
            axes.text(column, row, text, ha="center", va="center", fontsize=8.5, color=colour)
    axes.set_xticks(range(len(data)), data, fontsize=9, rotation=30 if max(map(len, data)) > 22 else 0)
    axes.set_yticks(range(len(models)), [verbatim(model) for model in models], fontsize=9)
    figure.colorbar(picture, ax=axes, label="accuracy", shrink=0.9)
    caption = "Accuracy of each model (trained on) in simulations that it was not trained on, with 95 % intervals"
    add_caption(figure, caption, round(CHARACTERS_AN_INCH * figure.get_figwidth()))
    return figure


def _curve(
    axes: Any,
    indices: Sequence[int],
    values: Sequence[tuple[float, Interval]],
    colour: str,
    label: str,
    style: str = "-",
) -> None:
    """A line through values with a band of their intervals."""
    axes.plot(
        indices, [value for value, _ in values], color=colour, marker=".", linestyle=style, linewidth=1.4, label=label
    )
    low, high = zip(*(interval for _, interval in values), strict=True)
    axes.fill_between(indices, low, high, color=colour, alpha=0.15, linewidth=0)


def _crossing(axes: Any, crossing: Crossing | None, label: str) -> None:
    if crossing is not None:
        axes.axvspan(*crossing.interval, color="#f59f00", alpha=0.3, linewidth=0)
        axes.axvline(crossing.index, color="#f59f00", linewidth=1.6, label=label)


def _marks(axes: Any, transition: Mark, trained_liquid: int, trained_glass: int, labelled: bool) -> None:
    """Vertical lines at T_g and at the training data."""
    lines = (
        (snapshot_at(transition.temperature), "0.3", "--", transition.label),
        (trained_liquid, LIQUID_COLOUR, "-.", f"training data: liquid {trained_liquid}"),
        (trained_glass, GLASS_COLOUR, "-.", f"training data: glass {trained_glass}"),
    )
    for index, colour, style, label in lines:
        axes.axvline(index, color=colour, linestyle=style, linewidth=1, label=label if labelled else None)


def _temperature_axis(axes: Any) -> None:
    """The set temperature along the upper edge; it is linear in the index."""
    ticks = range(0, INTERVALS + 1, TICK_EVERY)
    upper = axes.secondary_xaxis("top")
    upper.set_xticks(ticks, [f"{temperature(index):.2f}" for index in ticks])
    upper.set_xlabel(TEMPERATURE)
