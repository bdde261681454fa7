"""Numbers of particles, drawn: as colours of discs, and their correlations with physics as points with intervals."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from glassliquid.datasets.description import Label
from glassliquid.datasets.draw import COLOURS
from glassliquid.evaluation.correlation import Correlation
from glassliquid.physics.potential import DIAMETERS, SPECIES
from glassliquid.physics.structure import SHIFTS
from glassliquid.plots.axes import add_caption, with_formulas

SPECIES_COLOURS = ListedColormap([tuple(part / 255 for part in colour) for colour in COLOURS])
SEQUENTIAL = "viridis"
"""From dark to light, in grey too."""
EDGE = 0.01
"""Share of the numbers at either end that may be beyond the colours' range."""
BAR_LABEL = 28
"""Characters in a line below a panel."""
MARKS = {"A": {"marker": "o", "color": "#d95f02"}, "B": {"marker": "s", "color": "#1f4f9c", "markerfacecolor": "white"}}
"""Told apart in grey by shape and filling."""


@dataclass(frozen=True)
class Scale:
    """Which numbers the colours stand for."""

    low: float
    high: float
    label: str
    """With its unit."""
    colours: Any = SEQUENTIAL

    @classmethod
    def over(cls, values: Sequence[NDArray[np.floating]], label: str) -> "Scale":
        """From the smallest to the largest of the numbers, but for the outermost hundredth on both sides."""
        low, high = np.nanquantile(np.concatenate([np.ravel(each) for each in values]), [EDGE, 1 - EDGE])
        return cls(float(low), float(high) if high > low else float(low) + 1, label)

    @classmethod
    def around_zero(cls, values: Sequence[NDArray[np.floating]], label: str, colours: Any) -> "Scale":
        """As far to one side as to the other."""
        limit = float(np.nanquantile(np.abs(np.concatenate([np.ravel(each) for each in values])), 1 - EDGE)) or 1.0
        return cls(-limit, limit, label, colours)


@dataclass(frozen=True)
class Panel:
    """Particles of one configuration, coloured by a number."""

    title: str
    configuration: NDArray[np.floating]
    """x, y, species and side of the box [sigma_AA], shape (N, 4)."""
    values: NDArray[np.floating]
    """Shape (N,); a particle of nan is left out."""
    scale: Scale | None
    """None: the numbers are species, which need no scale."""


def panels_figure(rows: Sequence[Sequence[Panel]], caption: str) -> Figure:
    """Rows of panels; all of a column that have a scale share it, and its bar stands below the column.

    A particle whose number is below zero on a scale around zero has a dot, so that signs are seen in grey.
    """
    columns = len(rows[0])
    figure = Figure(figsize=(2.5 * columns, 2.65 * len(rows) + 1.2), layout="compressed")
    grid: Any = figure.subplots(len(rows), columns, squeeze=False)
    for places, panels in zip(grid, rows, strict=True):
        for axes, panel in zip(places, panels, strict=True):
            _draw(axes, panel)
    for column in range(columns):
        drawn = [(axes, panel) for axes, panel in zip(grid[:, column], (row[column] for row in rows), strict=True)]
        scaled = [(axes.collections[0], panel.scale) for axes, panel in drawn if panel.scale is not None]
        if scaled:
            discs, scale = scaled[0]
            bar = figure.colorbar(discs, ax=grid[:, column], location="bottom", extend="both", aspect=14, pad=0.02)
            label = "\n".join(map(partial(textwrap.fill, width=BAR_LABEL), scale.label.split("\n")))
            bar.set_label(with_formulas(label), fontsize=9)
            bar.ax.tick_params(labelsize=8)
            bar.ax.locator_params(nbins=4)
    add_caption(figure, caption, fontsize=10)
    return figure


def correlations_figure(correlations: Sequence[Correlation], caption: str) -> Figure:
    """A panel for each of the network's numbers and each class: a line a field, points for the species, 95 % intervals."""
    values = list(dict.fromkeys(each.value for each in correlations))
    labels = (Label.LIQUID, Label.GLASS)
    figure = Figure(figsize=(8.5, 3.4 * len(values) + 0.9), layout="constrained")
    grid: Any = figure.subplots(len(values), len(labels), squeeze=False, sharex=True, sharey=True)
    fields = list(dict.fromkeys(str(each.field) for each in correlations))
    for row, value in zip(grid, values, strict=True):
        for axes, label in zip(row, labels, strict=True):
            shown = [each for each in correlations if (each.value, each.label) == (value, label)]
            for species, found in groupby(sorted(shown, key=lambda each: each.species), lambda each: each.species):
                _draw_intervals(axes, list(found), fields, species)
            axes.set_title(f"{value}, {label}", fontsize=10)
            axes.axvline(0, color="0.4", linewidth=0.8)
            axes.grid(alpha=0.3)
            axes.locator_params(axis="x", nbins=5)
    grid[0, 0].set(yticks=range(len(fields)), yticklabels=map(with_formulas, fields), ylim=(len(fields) - 0.5, -0.5))
    for axes in grid[-1]:
        axes.set_xlabel("rank correlation (mean, 95 % interval)")
    handles, names = grid[0, 0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False)
    add_caption(figure, caption, fontsize=10)
    return figure


def _draw_intervals(axes: Any, found: Sequence[Correlation], fields: Sequence[str], species: str) -> None:
    shift = 0.16 * (2 * SPECIES.index(species) - 1)
    defined = [each for each in found if np.isfinite(each.mean)]
    places = [fields.index(str(each.field)) + shift for each in defined]
    means = np.array([each.mean for each in defined])
    # Of one simulation there is no interval, and a percentile may miss the mean by rounding.
    ends = np.nan_to_num(np.array([(each.mean - each.interval[0], each.interval[1] - each.mean) for each in defined]))
    errors = np.maximum(ends.reshape(-1, 2).T, 0)
    style = {"linestyle": "none", "markersize": 5, "capsize": 2, "linewidth": 1, **MARKS[species]}
    axes.errorbar(means, places, xerr=errors, label=f"{species} particles", **style)


def _draw(axes: Any, panel: Panel) -> None:
    from matplotlib.collections import EllipseCollection

    side = float(panel.configuration[0, 3])
    known = np.isfinite(panel.values)
    # What is cut at an edge of the box is seen at the other one.
    shifts = side * np.array(SHIFTS)
    centres = (panel.configuration[known, :2] + shifts[:, None]).reshape(-1, 2)
    near = (np.abs(centres) < side / 2 + max(DIAMETERS) / 2).all(axis=1)
    values = np.tile(panel.values[known], len(shifts))[near]
    diameters = np.tile(np.array(DIAMETERS)[panel.configuration[known, 2].astype(int)], len(shifts))[near]
    scale = panel.scale or Scale(0, 1, "", SPECIES_COLOURS)
    discs = EllipseCollection(
        diameters,
        diameters,
        np.zeros(len(diameters)),
        units="xy",
        offsets=centres[near],
        offset_transform=axes.transData,
        cmap=scale.colours,
        edgecolors="0.25",
        linewidths=0.3,
    )
    discs.set_array(values)
    discs.set_clim(scale.low, scale.high)
    axes.add_collection(discs)
    if scale.low == -scale.high:
        axes.plot(*centres[near][values < 0].T, linestyle="none", marker=".", markersize=1.6, color="black")
    axes.set(xlim=(-side / 2, side / 2), ylim=(-side / 2, side / 2), xticks=[], yticks=[], aspect="equal")
    axes.set_title(with_formulas(panel.title), fontsize=9)
