"""Which numbers speak for glass, and which for liquid."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from glassliquid.evaluation.spread import Spread
from glassliquid.plots.axes import add_settings, verbatim, with_formulas

SHOWN = 24
"""The figure has the largest so many; the table has all."""


def evidence_figure(evidence: Mapping[str, Spread], caption: str) -> Figure:
    """The largest weights as bars, with the 95 % interval of the mean if there are several seeds."""
    largest = sorted(evidence.items(), key=lambda pair: -abs(pair[1].mean))[:SHOWN][::-1]
    figure = Figure(figsize=(7, 7), layout="constrained")
    axes = figure.subplots()
    means = [found.mean for _, found in largest]
    # Of one seed there is no interval.
    errors = [max(found.interval[1] - found.mean, 0.0) for _, found in largest] if largest[0][1].count > 1 else None
    colours = ["#1f63be" if mean > 0 else "#d62728" for mean in means]
    axes.barh([with_formulas(verbatim(name)) for name, _ in largest], means, xerr=errors, color=colours, ecolor="0.2")
    axes.axvline(0, color="0.4", linewidth=0.8)
    axes.set_xlabel("evidence for glass (left: liquid) per standard deviation [logits]")
    axes.grid(alpha=0.3, axis="x")
    add_settings(figure, caption)
    return figure
