"""The curves of training runs."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from glassliquid.evaluation.fate import Fate
from glassliquid.plots.axes import add_settings, count_iterations, logarithmic, plot_points, verbatim

History = Mapping[str, Sequence[tuple[int, float]]]
"""Metric name to pairs of iteration and value."""

BLUES = ("#1f63be", "#5fa3e0", "#0b3d78", "#8cb8e8", "#2f8f9d", "#6b7fd7", "#123a5a", "#4fb3bf")
"""Colours of runs that went well."""
COLLAPSED_COLOUR = "#d62728"
STYLES: Mapping[Fate | None, Mapping[str, Any]] = {
    Fate.COLLAPSED: {"color": COLLAPSED_COLOUR, "zorder": 3},
    Fate.NEVER_LEARNED: {"color": "0.35", "linestyle": ":", "zorder": 2.5},
}
"""Of runs that did not go well."""


def training_figure(history: History, caption: str) -> Figure:
    """Loss, accuracy and learning rate over the iterations, one above the other."""
    figure = Figure(figsize=(8, 8), layout="constrained")
    loss, accuracy, rate = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 2))
    for axes, curves in (
        (loss, {"loss": "training, with the L2 penalty", "val_loss": "validation"}),
        (accuracy, {"val_auc": "validation, area under the ROC curve", "val_accuracy": "validation accuracy"}),
        (rate, {"learning_rate": "learning rate"}),
    ):
        for key, label in curves.items():
            points = history.get(key, [])
            plot_points(axes, points, label=label, linewidth=1.4, marker="." if len(points) < 80 else "")
        axes.grid(alpha=0.3)
        if axes is not rate:
            axes.legend(fontsize=9)
    _loss_axis(loss, "loss [nats]")
    _accuracy_axis(accuracy, "accuracy, area")
    rate.set_ylabel("learning rate")
    logarithmic(rate)
    count_iterations(rate)
    add_settings(figure, caption)
    return figure


def replicates_figure(curves: Mapping[str, tuple[History, Fate | None]], caption: str) -> Figure:
    """Validation accuracy and training loss of equal runs, one line a run; collapsed ones are red, those that never learned dotted.

    Args:
        curves: name of the run to its history and its fate.
        caption: above the figure.
    """
    figure = Figure(figsize=(8, 7), layout="constrained")
    accuracy, loss = figure.subplots(2, 1, sharex=True)
    for place, (name, (history, fate)) in enumerate(curves.items()):
        label = f"{name}, {fate}" if fate in STYLES else name
        style = {"color": BLUES[place % len(BLUES)], "zorder": 2, **STYLES.get(fate, {})}
        style |= {"label": verbatim(label), "linewidth": 1.3}
        plot_points(accuracy, history.get("val_accuracy", []), **style)
        plot_points(loss, history.get("loss", []), **style)
    for axes in (accuracy, loss):
        axes.grid(alpha=0.3)
    _accuracy_axis(accuracy, "validation accuracy")
    # Between learned and chance, where no run stays for long.
    accuracy.legend(fontsize=8, ncols=2, loc="center right")
    _loss_axis(loss, "training loss [nats]")
    count_iterations(loss)
    add_settings(figure, caption)
    return figure


def _accuracy_axis(axes: Any, label: str) -> None:
    axes.set_ylabel(label)
    axes.set_ylim(0.4, 1.02)
    axes.axhline(0.5, color="0.6", linewidth=0.8, linestyle="--")


def _loss_axis(axes: Any, label: str) -> None:
    axes.set_ylabel(label)
    logarithmic(axes)
