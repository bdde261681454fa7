"""Images of a dataset."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from glassliquid.plots.axes import show_image


def examples_figure(liquid: NDArray[np.uint8], glass: NDArray[np.uint8], liquid_title: str, glass_title: str) -> Figure:
    """One liquid and one glass image side by side."""
    figure = Figure(figsize=(8, 4.3), layout="constrained")
    left, right = figure.subplots(1, 2)
    show_image(left, liquid, liquid_title, fontsize=11)
    show_image(right, glass, glass_title, fontsize=11)
    return figure
