"""The curves of training runs."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from glassliquid.evaluation.fate import Fate
from glassliquid.plots.axes import add_settings, beside, count_iterations, logarithmic, plot_points, verbatim

History = Mapping[str, Sequence[tuple[int, float]]]
"""Metric name to pairs of iteration and value."""

TRAINING = {"color": "#d97000", "linestyle": "--"}
VALIDATION = {"color": "#1f63be", "linestyle": "-"}
AREA = {"color": "0.45", "linestyle": ":"}
RATE = {"color": "black", "drawstyle": "steps-mid"}
"""Each kind of curve looks the same in every panel, and in the results log; a rate holds for a whole iteration."""
LINES = ("-", "--", "-.")
"""Of runs that went well, beside colours from dark to light, and of collapsed ones."""
DOTS = (":", (0, (1, 4)), (0, (1, 1, 1, 5)))
"""Of runs that never learned."""
MOST_MARKERS = 12
"""About so many on a line."""
STYLES: Mapping[Fate | None, Mapping[str, Any]] = {
    Fate.COLLAPSED: {"color": "#d62728", "marker": "x", "markersize": 5, "zorder": 3},
    Fate.NEVER_LEARNED: {"color": "0.35", "zorder": 2.5},
}
"""Of runs that did not go well: told from the others by colour and dashes or crosses, and from each other by their dashes."""


def training_figure(history: History, caption: str) -> Figure:
    """Loss, accuracy and learning rate over the iterations, one above the other."""
    figure = Figure(figsize=(10, 8), layout="constrained")
    loss, accuracy, rate = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 2))
    for axes, key, label, style in (
        (loss, "loss", "training,\nwith the L2 penalty", TRAINING),
        (loss, "val_loss", "validation", VALIDATION),
        (accuracy, "val_accuracy", "validation accuracy", VALIDATION),
        (accuracy, "val_auc", "validation, area\nunder the ROC curve", AREA),
        (rate, "learning_rate", "learning rate", RATE),
    ):
        points = history.get(key, [])
        marker = "." if len(points) == 1 or (len(points) < 80 and axes is not rate) else ""
        plot_points(axes, points, label=label, linewidth=1.4, marker=marker, clip_on=False, **style)
    for axes in (loss, accuracy, rate):
        axes.grid(alpha=0.3)
        beside(axes)
    _loss_axis(loss, "loss [nats]")
    _accuracy_axis(accuracy, "accuracy, area")
    rate.set_ylabel("learning rate")
    logarithmic(rate)
    count_iterations(rate)
    add_settings(figure, caption)
    return figure


def replicates_figure(curves: Mapping[str, tuple[History, Fate | None]], caption: str) -> Figure:
    """Validation accuracy and training loss of equal runs, one line per run; collapsed ones are red, those that never learned dotted.

    Args:
        curves: name of the run to its history and its fate.
        caption: above the figure.
    """
    from matplotlib import colormaps

    figure = Figure(figsize=(10, 7), layout="constrained")
    accuracy, loss = figure.subplots(2, 1, sharex=True)
    colours = colormaps["viridis"](np.linspace(0, 0.85, max(len(curves), 1)))
    drawn: list[Fate | None] = []
    for place, (name, (history, fate)) in enumerate(curves.items()):
        label = f"{name}, {fate}" if fate in STYLES else name
        lines = DOTS if fate is Fate.NEVER_LEARNED else LINES
        own = {"color": colours[place], "linestyle": lines[drawn.count(fate) % len(lines)], "zorder": 2}
        drawn.append(fate)
        style = {**own, **STYLES.get(fate, {}), "label": verbatim(label), "linewidth": 1.4, "clip_on": False}
        points = history.get("val_accuracy", [])
        plot_points(accuracy, points, **style, markevery=max(len(points) // MOST_MARKERS, 1))
        plot_points(loss, history.get("loss", []), **{**style, "marker": ""})
    for axes in (accuracy, loss):
        axes.grid(alpha=0.3)
    _accuracy_axis(accuracy, "validation accuracy")
    beside(accuracy)
    _loss_axis(loss, "training loss [nats]")
    count_iterations(loss)
    add_settings(figure, caption)
    return figure


def _accuracy_axis(axes: Any, label: str) -> None:
    """From 1 down to 0.4, or to where the lowest curve reaches."""
    lowest = min((float(np.min(line.get_ydata())) for line in axes.lines if len(line.get_ydata())), default=0.4)
    axes.set_ylabel(label)
    axes.set_ylim(min(0.4, math.floor(lowest * 10) / 10), 1)
    axes.axhline(0.5, color="0.6", linewidth=0.8, linestyle="--")


def _loss_axis(axes: Any, label: str) -> None:
    axes.set_ylabel(label)
    logarithmic(axes)
