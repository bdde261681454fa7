"""The curves of training runs."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from glassliquid.plots.axes import count_iterations, logarithmic, wrapped
from glassliquid.plots.words import verbatim

History = Mapping[str, Sequence[tuple[int, float]]]
"""Metric name to pairs of iteration and value."""


BLUES = ("#1f63be", "#5fa3e0", "#0b3d78", "#8cb8e8", "#2f8f9d", "#6b7fd7", "#123a5a", "#4fb3bf")
"""Colours of runs that went well."""


def training_figure(history: History, caption: str) -> Figure:
    """Loss, accuracy and learning rate over the iterations, one above the other."""
    figure = Figure(figsize=(8, 8), layout="constrained")
    loss, accuracy, rate = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 2))
    for axes, curves in (
        (loss, (("loss", "training, with the L2 penalty"), ("val_loss", "validation"))),
        (accuracy, (("val_auc", "validation, area under the ROC curve"), ("val_accuracy", "validation accuracy"))),
        (rate, (("learning_rate", "learning rate"),)),
    ):
        for key, label in curves:
            points = np.array(history.get(key, [])).reshape(-1, 2)
            axes.plot(points[:, 0], points[:, 1], label=label, linewidth=1.4, marker="." if len(points) < 80 else "")
        axes.grid(alpha=0.3)
        if axes is not rate:
            axes.legend(fontsize=9)
    loss.set_ylabel("loss [nats]")
    logarithmic(loss)
    accuracy.set_ylabel("accuracy, area")
    accuracy.set_ylim(0.4, 1.02)
    accuracy.axhline(0.5, color="0.6", linewidth=0.8, linestyle="--")
    rate.set_ylabel("learning rate")
    logarithmic(rate)
    count_iterations(rate)
    figure.suptitle(wrapped(verbatim(caption)), fontsize=10)
    return figure


def replicates_figure(curves: Mapping[str, tuple[History, bool]], caption: str) -> Figure:
    """Validation accuracy and training loss of equal runs, one line a run; collapsed runs are red.

    Args:
        curves: name of the run to its history and whether it collapsed.
        caption: above the figure.
    """
    figure = Figure(figsize=(8, 7), layout="constrained")
    accuracy, loss = figure.subplots(2, 1, sharex=True)
    for place, (name, (history, collapsed)) in enumerate(curves.items()):
        colour = "#d62728" if collapsed else BLUES[place % len(BLUES)]
        label = verbatim(f"{name}, collapsed" if collapsed else name)
        for axes, key in ((accuracy, "val_accuracy"), (loss, "loss")):
            points = np.array(history.get(key, [])).reshape(-1, 2)
            axes.plot(
                points[:, 0], points[:, 1], label=label, linewidth=1.3, color=colour, zorder=3 if collapsed else 2
            )
    for axes in (accuracy, loss):
        axes.grid(alpha=0.3)
    accuracy.set_ylabel("validation accuracy")
    accuracy.set_ylim(0.4, 1.02)
    accuracy.axhline(0.5, color="0.6", linewidth=0.8, linestyle="--")
    accuracy.legend(fontsize=8, ncols=2, loc="lower right")
    loss.set_ylabel("training loss [nats]")
    logarithmic(loss)
    count_iterations(loss)
    figure.suptitle(wrapped(verbatim(caption)), fontsize=10)
    return figure
