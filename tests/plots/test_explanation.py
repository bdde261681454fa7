"""The figure of attributions: each image is legible, however strong the evidence in another one is."""

import numpy as np
import pytest
from matplotlib.collections import EllipseCollection

from glassliquid.plots.explanation import ExplainedImage, attribution_figure


def explained(strength: float) -> ExplainedImage:
    """An image of 32 pixels whose evidence runs from -strength to strength, with a particle at either end."""
    return ExplainedImage(
        title="liquid",
        pixels=np.zeros((32, 32, 3), dtype=np.uint8),
        attribution=np.linspace(-strength, strength, 32 * 32).reshape(32, 32),
        points=np.array([[4.0, 1.0], [28.0, 31.0]]),
        radii=np.array([2.0, 2.0]),
        values=np.array([-strength, strength]),
    )


def test_each_image_has_its_own_scale_and_a_bar_that_gives_its_values():
    strengths = [300.0, 0.05]
    figure = attribution_figure([explained(strength) for strength in strengths], "caption")
    bars = [axes for axes in figure.axes if "logits" in axes.get_ylabel()]
    discs = [found for axes in figure.axes for found in axes.collections if isinstance(found, EllipseCollection)]
    for strength, bar, particles in zip(strengths, bars, discs, strict=True):
        # The hundredth that may saturate is one quantile of an evenly spaced ramp: 1 % of its length.
        assert bar.get_ylim()[1] == pytest.approx(0.99 * strength, rel=0.002)
        assert particles.get_clim() == pytest.approx(bar.get_ylim())
