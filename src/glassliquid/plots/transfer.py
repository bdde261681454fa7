"""Where models stop working: one model along the cooling, several models together, and the matrix of models and data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from glassliquid.evaluation.scan import CoolingScan
from glassliquid.evaluation.scores import GLASS
from glassliquid.evaluation.transfer import BREAKDOWN_ACCURACY, LIQUID, Crossing, Interval
from glassliquid.evaluation.transfer import Point as Scored
from glassliquid.physics.protocol import INTERVALS, snapshot_at
from glassliquid.plots.axes import HARD_SPACE, TEMPERATURE, add_caption, beside, verbatim
from glassliquid.plots.cooling import ASSUMED, Mark
from glassliquid.plots.evaluation import GLASS_COLOUR, LIQUID_COLOUR

TICK_EVERY = 20
TEMPERATURES = [round(0.2 * place, 1) for place in range(1, 11)]
"""Ticks of the upper axis."""
CHARACTERS_AN_INCH = 11
"""Of a caption."""
PLUS_MINUS = f"{HARD_SPACE}±{HARD_SPACE}"
FULL_CELLS = 6
"""With more columns, a cell of the matrix has the accuracy alone."""
WHITE_ABOVE = 0.87
"""Accuracy from which on white is seen better than black on the map's blue."""


@dataclass(frozen=True)
class Line:
    """How a curve is drawn: each is told apart by its dashes and markers too, which are left in grey."""

    colour: str
    dashes: Any
    marker: str
    filled: bool = True

    @property
    def style(self) -> dict[str, Any]:
        """For matplotlib; markers at 0 and 1 are drawn whole, beyond the edge of the axes."""
        face = self.colour if self.filled else "none"
        return {
            "color": self.colour,
            "linestyle": self.dashes,
            "marker": self.marker,
            "markerfacecolor": face,
            "markersize": 5,
            "linewidth": 1.5,
            "clip_on": False,
        }


LIQUID_LINE = Line(LIQUID_COLOUR, "--", "v")
GLASS_LINE = Line(GLASS_COLOUR, "-.", "^", filled=False)
OWN_LINE = Line("0.1", "-", "o")
LINEAR_LINES = tuple(Line("0.45", (0, (4, 2)), marker) for marker in "x+1")
"""Of the linear models on g(r), one for each set of training data."""
MODEL_LINES = (
    Line("#1f63be", "-", "o"),
    Line("#d9480f", "--", "s"),
    Line("#2b8a3e", "-.", "^"),
    Line("#7b2d8b", (0, (1, 1)), "D"),
    Line("#8a6d00", (0, (6, 1, 1, 1, 1, 1)), "v"),
    Line("#0b3d78", "-", "P", filled=False),
    Line("#c2255c", "--", "X"),
    Line("#0f766e", "-.", "o", filled=False),
)


def transfer_figure(
    scan: CoolingScan,
    trained_liquid: int,
    trained_glass: int,
    caption: str,
    transition: Mark = ASSUMED,
    linear: CoolingScan | None = None,
) -> Figure:
    """Accuracies, area under the ROC curve, and mean P(glass) along the cooling, hot on the left.

    Shaded are 95 % intervals; vertical lines mark the training data, T_g and the crossings.

    Args:
        scan: the model.
        trained_liquid: snapshot index of its training data's liquid.
        trained_glass: of their glass.
        caption: above the figure.
        transition: where T_g is marked.
        linear: the linear model on g(r) on the same snapshots, if there is one.
    """
    figure = Figure(figsize=(12, 9.5), layout="constrained")
    above, areas, below = _panels(figure, 3, (3, 1.6, 2))
    for phase, name, line in ((LIQUID, "liquid", LIQUID_LINE), (GLASS, "glass", GLASS_LINE)):
        found = {index: (p.class_accuracy(phase), p.class_interval(phase)) for index, p in scan.points.items()}
        _curve(above, found, line, f"accuracy, {name}")
    _curve(above, _accuracies(scan.points), OWN_LINE, "accuracy, both")
    _curve(areas, _areas(scan.points), OWN_LINE, "area under the ROC curve")
    _order_parameter(below, scan, OWN_LINE, "mean P(glass)")
    below.plot(
        scan.glass, scan.p_glass_of_glass, **GLASS_LINE.style, label=f"of the glass, snapshot {scan.glass}", zorder=3
    )
    if linear is not None:
        name = "the linear model on g(r)"
        _curve(above, _accuracies(linear.points), LINEAR_LINES[0], f"{name}, both")
        _curve(areas, _areas(linear.points), LINEAR_LINES[0], name)
        _order_parameter(below, linear, LINEAR_LINES[0], name)
    _crossing(above, scan.breakdown, f"falls below {100 * BREAKDOWN_ACCURACY:.0f} %")
    _crossing(below, scan.half_glass, "passes one half")
    for axes in (above, areas, below):
        _marks(axes, transition, [trained_liquid], [trained_glass], labelled=axes is above)
    _finish(figure, (above, areas, below), caption)
    return figure


@dataclass(frozen=True)
class Compared:
    """A model along the cooling, beside others."""

    name: str
    scan: CoolingScan
    trained_liquid: int
    is_linear: bool = False
    """Whether it is the linear model on g(r) that stands beside the others."""


def comparison_figure(models: Sequence[Compared], caption: str, transition: Mark = ASSUMED) -> Figure:
    """Accuracy over both classes and mean P(glass) of several models along the cooling; shaded are 95 % intervals."""
    figure = Figure(figsize=(12, 8), layout="constrained")
    above, below = _panels(figure, 2, (3, 2))
    places = {True: 0, False: 0}
    for model in models:
        lines = LINEAR_LINES if model.is_linear else MODEL_LINES
        line = lines[places[model.is_linear] % len(lines)]
        places[model.is_linear] += 1
        _curve(above, _accuracies(model.scan.points), line, verbatim(model.name).replace(" +- ", PLUS_MINUS))
        _order_parameter(below, model.scan, line, None)
    trained = sorted({model.trained_liquid for model in models})
    for axes in (above, below):
        _marks(axes, transition, trained, [], labelled=axes is above)
    above.set_ylabel("accuracy, both classes")
    _finish(figure, (above, below), caption)
    return figure


def matrix_figure(points: Sequence[Sequence[Scored]], models: Sequence[str], data: Sequence[str]) -> Figure:
    """Accuracy of every model (column) on all data (rows) as a heat map, with counts and 95 % intervals where they fit.

    Args:
        points: a line for each model, shape (models, data).
        models: their names.
        data: names of the data.
    """
    full = len(models) <= FULL_CELLS
    size = (3.4 + (1.75 if full else 0.85) * len(models), 2.0 + (0.62 if full else 0.36) * len(data))
    figure = Figure(figsize=size, layout="constrained")
    axes: Any = figure.subplots()
    accuracy = np.array([[point.accuracy for point in line] for line in points]).T
    picture = axes.imshow(accuracy, cmap="Blues", vmin=0.5, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(accuracy):
        point = points[column][row]
        low, high = point.accuracy_interval
        text = f"{100 * value:.1f}"
        if full:
            text += f" % ({sum(point.right)} of {sum(point.counts)})\n{100 * low:.1f} to {100 * high:.1f}"
        colour = "white" if value > WHITE_ABOVE else "black"
        axes.text(column, row, text, ha="center", va="center", fontsize=9, color=colour)
    axes.set_xticks(
        range(len(models)), [verbatim(model) for model in models], fontsize=9, rotation=0 if full else 60, ha="center"
    )
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(data)), [verbatim(name) for name in data], fontsize=9)
    figure.colorbar(picture, ax=axes, label="accuracy", shrink=0.8)
    what = "counts and 95 % intervals" if full else "in per cent"
    caption = f"Accuracy of each model in simulations that it was not trained on, {what}"
    add_caption(figure, caption, round(CHARACTERS_AN_INCH * figure.get_figwidth()))
    return figure


def _panels(figure: Figure, count: int, heights: Sequence[float]) -> list[Any]:
    """Axes one above the other, with the levels that matter and their names."""
    panels: list[Any] = list(figure.subplots(count, 1, sharex=True, height_ratios=heights))
    labels = ("accuracy", "area under\nthe ROC curve", "order parameter,\nmean P(glass)")
    levels = (BREAKDOWN_ACCURACY, 0.5, 0.5)
    chosen = range(3) if count == 3 else (0, 2)
    for axes, place in zip(panels, chosen, strict=True):
        axes.axhline(levels[place], color="0.5", linewidth=0.8, linestyle="--")
        axes.set_ylabel(labels[place])
        axes.set_ylim(0, 1)
        axes.grid(alpha=0.3)
    return panels


def _finish(figure: Figure, panels: Sequence[Any], caption: str) -> None:
    """Both horizontal axes, the caption, and legends beside the panels."""
    last = panels[-1]
    last.set_xlim(-4, INTERVALS + 4)
    last.set_xticks(range(0, INTERVALS + 1, TICK_EVERY))
    last.set_xlabel("snapshot index (cooling goes to the right)")
    panels[0].fill_between([], [], [], color="0.1", alpha=0.15, linewidth=0, label="95 % intervals")
    upper = panels[0].secondary_xaxis("top")
    upper.set_xticks([snapshot_at(each) for each in TEMPERATURES], [f"{each:.1f}" for each in TEMPERATURES])
    upper.set_xlabel(TEMPERATURE)
    for axes in panels:
        if axes.get_legend_handles_labels()[1]:
            beside(axes)
    add_caption(figure, caption.replace(" +- ", PLUS_MINUS), round(CHARACTERS_AN_INCH * figure.get_figwidth()))


def _accuracies(points: Mapping[int, Scored]) -> dict[int, tuple[float, Interval]]:
    return {index: (point.accuracy, point.accuracy_interval) for index, point in points.items()}


def _areas(points: Mapping[int, Scored]) -> dict[int, tuple[float, Interval]]:
    return {index: (point.auc, point.auc_interval) for index, point in points.items()}


def _order_parameter(axes: Any, scan: CoolingScan, line: Line, label: str | None) -> None:
    """Mean P(glass) of the liquids, and dotted on to that of the glass."""
    found = {index: (point.p_glass, point.p_glass_interval) for index, point in scan.points.items()}
    _curve(axes, found, line, label)
    last = max(found)
    axes.plot([last, scan.glass], [found[last][0], scan.p_glass_of_glass], color=line.colour, linestyle=":")


def _curve(axes: Any, found: Mapping[int, tuple[float, Interval]], line: Line, label: str | None) -> None:
    """A line through values over the snapshot index, with a band of their intervals."""
    low, high = zip(*(interval for _, interval in found.values()), strict=True)
    axes.plot(list(found), [value for value, _ in found.values()], **line.style, label=label)
    axes.fill_between(list(found), low, high, color=line.colour, alpha=0.15, linewidth=0)


def _crossing(axes: Any, crossing: Crossing | None, label: str) -> None:
    if crossing is not None:
        axes.axvspan(*crossing.interval, color="#f59f00", alpha=0.3, linewidth=0)
        axes.axvline(crossing.index, color="#f59f00", linewidth=1.6, label=label)


def _marks(axes: Any, transition: Mark, liquids: Sequence[int], glasses: Sequence[int], labelled: bool) -> None:
    """Vertical lines at T_g and at the training data."""
    dotted = (0, (1, 2))
    lines = [
        ([snapshot_at(transition.temperature)], "0.3", "--", transition.label),
        (liquids, LIQUID_COLOUR, "-.", f"training data: liquid {', '.join(map(str, liquids))}"),
        (glasses, GLASS_COLOUR, dotted, f"training data: glass {', '.join(map(str, glasses))}"),
    ]
    for indices, colour, style, label in lines:
        for place, index in enumerate(indices):
            name = label if labelled and place == 0 else None
            axes.axvline(index, color=colour, linestyle=style, linewidth=1, label=name)
