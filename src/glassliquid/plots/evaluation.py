"""How a model does on a dataset: confusion matrix, reliability diagram, what it is most wrong about."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from glassliquid.datasets.description import CLASSES
from glassliquid.evaluation.calibration import ReliabilityBin, expected_calibration_error
from glassliquid.evaluation.scores import Scores
from glassliquid.plots.axes import add_caption

GLASS_COLOUR, LIQUID_COLOUR = "#1f63be", "#d9480f"
COLUMNS = 4


@dataclass(frozen=True)
class Example:
    """An image and what is written above it."""

    image: NDArray[np.uint8]
    """RGB, shape (size, size, 3)."""
    title: str


def evaluation_figure(
    scores: Scores,
    bins: Sequence[ReliabilityBin],
    p_glass: NDArray[np.floating],
    is_glass: NDArray[np.bool_],
    caption: str,
) -> Figure:
    """Confusion matrix, reliability diagram, and how P(glass) is distributed in each class."""
    figure = Figure(figsize=(13, 4.4), layout="constrained")
    confusion, diagram, histogram = figure.subplots(1, 3, width_ratios=(1, 1.1, 1.1))
    _confusion(confusion, scores)
    _reliability(diagram, bins)
    edges = np.linspace(0, 1, 21)
    for name, chosen in (("glass", is_glass), ("liquid", ~is_glass)):
        counts, _ = np.histogram(p_glass[chosen], edges)
        draw_histogram(histogram, counts, edges, name, f"{name} ({int(chosen.sum())} images)")
    histogram.set_xlabel("P(glass)")
    histogram.yaxis.set_major_locator(MaxNLocator(integer=True))
    histogram.set_ylabel("images")
    histogram.set_title("predictions", fontsize=11)
    histogram.legend(fontsize=9)
    add_caption(figure, caption, 130)
    return figure


def gallery_figure(examples: Sequence[Example], caption: str) -> Figure:
    """Images in rows of four, each with its title."""
    columns = min(COLUMNS, len(examples))
    rows = -(-len(examples) // columns)
    figure = Figure(figsize=(max(3.1 * columns, 6), 3.5 * rows + 0.5), layout="constrained")
    places: list[Any] = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in places:
        axes.set_axis_off()
    for axes, example in zip(places, examples, strict=False):
        axes.imshow(example.image, interpolation="nearest")
        axes.set_title(example.title, fontsize=10)
    add_caption(figure, caption, fontsize=11)
    return figure


def draw_histogram(axes: Any, counts: NDArray[Any] | Sequence[int], edges: NDArray[Any], name: str, label: str) -> None:
    """How one class is distributed: glass solid, liquid hatched, so that they are told apart in grey too."""
    colour, hatch = (GLASS_COLOUR, "") if name == "glass" else (LIQUID_COLOUR, "////")
    axes.stairs(counts, edges, fill=True, alpha=0.5, facecolor=colour, edgecolor=colour, hatch=hatch, label=label)
    axes.stairs(counts, edges, color=colour, linewidth=1.2)


def _confusion(axes: Any, scores: Scores) -> None:
    counts = np.array(scores.confusion)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        text = f"{counts[row, column]}\n{100 * share[row, column]:.1f} %"
        colour = "white" if share[row, column] > 0.5 else "black"
        axes.text(column, row, text, ha="center", va="center", fontsize=13, color=colour)
    axes.set_xticks(range(len(CLASSES)), [f"predicted {label}" for label in CLASSES])
    axes.set_yticks(range(len(CLASSES)), [label.value for label in CLASSES])
    axes.set_title("confusion matrix", fontsize=11)


def _reliability(axes: Any, bins: Sequence[ReliabilityBin]) -> None:
    mean, share = [each.mean_p_glass for each in bins], [each.share for each in bins]
    errors = np.array([(max(each.share - each.interval[0], 0), max(each.interval[1] - each.share, 0)) for each in bins])
    axes.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=1, label="calibrated")
    axes.errorbar(mean, share, yerr=errors.T, fmt="o", color=GLASS_COLOUR, capsize=3, label="bins, 95 % intervals")
    # In a row of their own: beside the points, which may be close together, they would lie on each other.
    for each in bins:
        axes.text((each.low + each.high) / 2, -0.09, str(each.images), ha="center", va="center", fontsize=8)
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.14, 1.03)
    axes.set_xlabel("mean P(glass) in a bin; the row of numbers: images in each bin")
    axes.set_ylabel("fraction of glass")
    axes.set_title(
        f"reliability: expected calibration error {100 * expected_calibration_error(list(bins)):.1f} %", fontsize=11
    )
    axes.legend(fontsize=9, loc="best")
