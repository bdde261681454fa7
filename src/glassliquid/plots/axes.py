"""How axes and captions are written, the same in all figures."""

import textwrap
from typing import Any

TEMPERATURE = "set temperature [epsilon_AA / k_B]"
HARD_SPACE = "\N{NO-BREAK SPACE}"


def count_iterations(axes: Any) -> None:
    """Name the axis of iterations, with whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("iteration")


def logarithmic(axes: Any) -> None:
    """A logarithmic y axis whose numbers are written out: 0.2, not 2 x 10^-1."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def wrapped(settings: str, width: int = 100) -> str:
    """A list of settings in lines of at most `width`, broken after commas alone, so that no name is parted from its value."""
    return textwrap.fill(settings.replace(" ", HARD_SPACE).replace(f",{HARD_SPACE}", ", "), width)
