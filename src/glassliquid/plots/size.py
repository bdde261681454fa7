"""How the answer depends on the number of particles."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from glassliquid.evaluation.size_law import TOLD, SizeLaw, SizePoint
from glassliquid.plots.axes import add_caption

COLOURS = ("#1f63be", "#d9480f", "#2b8a3e", "#7048a8", "#8a6d1f")
SHIFT = 1.03
"""Points of several models at one size stand side by side."""


def size_figure(points: Mapping[str, Sequence[SizePoint]], laws: Mapping[str, SizeLaw], caption: str) -> Figure:
    """Area under the curve and accuracy against N, with 95 % intervals, and the prediction d' = c sqrt(N)."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    panels: list[Any] = list(figure.subplots(1, 2, sharex=True, sharey=True))
    area, accuracy = panels
    sizes = sorted({point.particles for found in points.values() for point in found})
    grid = np.geomspace(sizes[0] / 1.5, sizes[-1] * 1.5, 100)
    for place, (model, found) in enumerate(points.items()):
        colour, shift = COLOURS[place % len(COLOURS)], SHIFT ** (place - (len(points) - 1) / 2)
        at = [point.particles * shift for point in found]
        _points(area, at, [(each.auc, each.interval) for each in found], model, colour)
        _points(accuracy, at, [(each.accuracy, each.accuracy_interval) for each in found], model, colour)
        law = laws[model]
        area.plot(
            grid,
            [law.auc(n) for n in grid],
            color=colour,
            linewidth=1,
            label=rf"{model}: $d' = {law.strength:.3g}\,\sqrt{{N}}$",
        )
        area.fill_between(
            grid, [law.auc(n, -1.96) for n in grid], [law.auc(n, 1.96) for n in grid], color=colour, alpha=0.12
        )
    area.axhline(TOLD, color="0.4", linestyle=":", linewidth=1, label=f"told apart: {TOLD}")
    area.set_ylim(top=1)
    for axes, title in ((area, "area under the ROC curve"), (accuracy, "accuracy")):
        axes.axhline(0.5, color="0.4", linewidth=1)
        axes.set_xscale("log")
        axes.set_xticks(sizes)
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("particles N")
        axes.set_title(title, fontsize=11)
        axes.legend(fontsize=8, loc="best")
        axes.grid(alpha=0.3)
    add_caption(figure, caption, 130)
    return figure


def _points(
    axes: Any, x: Sequence[float], values: Sequence[tuple[float, tuple[float, float]]], label: str, colour: str
) -> None:
    middle = np.array([value for value, _ in values])
    bounds = np.array([interval for _, interval in values])
    errors = np.abs(np.stack([middle - bounds[:, 0], bounds[:, 1] - middle]))
    axes.errorbar(
        x,
        middle,
        yerr=errors,
        fmt="o",
        markersize=4,
        capsize=3,
        color=colour,
        clip_on=False,
        label=f"{label}, test split",
    )
