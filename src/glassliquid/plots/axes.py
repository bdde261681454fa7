"""How axes and captions are written, the same in all figures."""

import textwrap
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

TEMPERATURE = r"set temperature [$\varepsilon_{AA}\,/\,k_B$]"
HARD_SPACE = "\N{NO-BREAK SPACE}"
LEGEND_WIDTH = 38
"""Characters of a line of a legend beside its axes."""


FORMULAS = {
    "epsilon_AA": r"$\varepsilon_{AA}$",
    "sigma_AA^2": r"$\sigma_{AA}^2$",
    "sigma_AA": r"$\sigma_{AA}$",
    "psi6": r"$\psi_6$",
}
"""Of what tables write in letters; longer names first."""


def with_formulas(text: str) -> str:
    """A name or a unit with its symbols as figures show them."""
    for letters, formula in FORMULAS.items():
        text = text.replace(letters, formula)
    return text


def verbatim(text: str) -> str:
    """A text as matplotlib shows it letter for letter: between two dollar signs it would read a formula, and fail at others."""
    return text.replace("$", r"\$")


def add_caption(figure: Figure, text: str, width: int | None = None, fontsize: int = 10) -> None:
    """Write a text above a figure, in lines of at most `width` characters if that is given."""
    figure.suptitle(verbatim(text) if width is None else textwrap.fill(verbatim(text), width), fontsize=fontsize)


def add_settings(figure: Figure, settings: str, width: int = 100) -> None:
    """Write a list of settings above a figure, broken after commas alone, so that no name is parted from its value."""
    add_caption(figure, settings.replace(" ", HARD_SPACE).replace(f",{HARD_SPACE}", ", "), width)


def show_image(axes: Any, pixels: NDArray[Any], title: str, fontsize: int = 10) -> None:
    """An image without ticks, in colours or in its own grey scale; its edges are at whole numbers, as particles' places are."""
    size = len(pixels)
    axes.imshow(pixels, cmap="gray", interpolation="nearest", extent=(0, size, size, 0))
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=fontsize)


def count_iterations(axes: Any) -> None:
    """Name the axis of iterations, with whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("iteration")


def logarithmic(axes: Any) -> None:
    """A logarithmic y axis whose numbers are written out: 0.2, not 2 x 10^-1."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def plot_points(axes: Any, points: Any, **style: Any) -> None:
    """Plot pairs of iteration and value as a line; none is a line too, for the legend."""
    if not len(points):
        style["clip_on"] = True  # else the extent of nothing spoils the layout
    axes.plot(*np.array(points).reshape(-1, 2).T, **style)


def beside(axes: Any) -> None:
    """A legend to the right of the axes, where it hides nothing; long names are broken, so that the axes stay wide."""
    handles, labels = axes.get_legend_handles_labels()
    broken = [text if "\n" in text else textwrap.fill(text, LEGEND_WIDTH, break_long_words=False) for text in labels]
    axes.legend(handles, broken, fontsize=9, loc="upper left", bbox_to_anchor=(1.005, 1.0), borderaxespad=0)
