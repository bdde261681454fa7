"""Images of a dataset."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray


def examples_figure(liquid: NDArray[np.uint8], glass: NDArray[np.uint8], liquid_title: str, glass_title: str) -> Figure:
    """One liquid and one glass image side by side."""
    figure = Figure(figsize=(8, 4.3), layout="constrained")
    for axes, image, title in zip(figure.subplots(1, 2), (liquid, glass), (liquid_title, glass_title), strict=True):
        axes.imshow(image, interpolation="nearest")
        axes.set_title(title, fontsize=11)
        axes.set_xticks([])
        axes.set_yticks([])
    return figure
