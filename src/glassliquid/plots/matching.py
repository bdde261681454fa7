"""The energies of a matched dataset, before and after."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from glassliquid.datasets.description import Label
from glassliquid.datasets.matching import Matching
from glassliquid.plots.axes import add_caption
from glassliquid.plots.evaluation import draw_histogram


def matching_figure(matching: Matching, caption: str) -> Figure:
    """e_IS of both classes: of all candidates, and of the pairs that are kept."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    panels: list[Any] = list(figure.subplots(1, 2, sharex=True))
    edges = np.array(matching.edges)
    for axes, title, counts in zip(
        panels, ("all candidates", f"{matching.pairs} pairs"), (matching.before, matching.after), strict=True
    ):
        for label in (Label.GLASS, Label.LIQUID):
            heights = counts[label.value]
            draw_histogram(axes, heights, edges, label.value, f"{label} ({sum(heights)})")
        axes.set_title(title, fontsize=11)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel(r"$e_{IS}$ per particle [$\varepsilon_{AA}$]")
        axes.legend(fontsize=9)
    panels[0].set_ylabel("samples")
    add_caption(figure, caption, 120)
    return figure
