"""Particles and correlations are drawn where and as they are."""

import numpy as np
import pytest

from glassliquid.datasets.description import CLASSES
from glassliquid.evaluation.correlation import Correlation
from glassliquid.physics.fields import FIELDS
from glassliquid.plots.particles import Panel, Scale, correlations_figure, panels_figure

SIDE = 10.0
CONFIGURATION = np.array([[0, 0, 0, SIDE], [-4.9, 1, 1, SIDE], [4.8, -4.8, 0, SIDE], [2, 2, 1, SIDE]])
"""One in the middle, one over the left edge, one over a corner, one that has no number."""
VALUES = np.array([1.0, -2.0, 3.0, np.nan])


def test_particles_at_an_edge_are_seen_at_the_other_and_signs_have_dots():
    scale = Scale.around_zero([VALUES], "evidence [logits]", "PiYG")
    figure = panels_figure([[Panel("one", CONFIGURATION, VALUES, scale)]], "caption")
    axes = figure.axes[0]
    (discs,) = axes.collections
    found = sorted(zip(np.asarray(discs.get_array()), map(tuple, discs.get_offsets()), strict=True))
    expected = [
        *((-2.0, place) for place in ((-4.9, 1.0), (5.1, 1.0))),
        (1.0, (0.0, 0.0)),
        *((3.0, place) for place in ((-5.2, -4.8), (-5.2, 5.2), (4.8, -4.8), (4.8, 5.2))),
    ]
    assert [value for value, _ in found] == [value for value, _ in expected]
    np.testing.assert_allclose([place for _, place in found], [place for _, place in expected], atol=1e-12)
    assert discs.get_clim() == (-scale.high, scale.high)
    np.testing.assert_allclose(sorted(axes.lines[0].get_xdata()), [-4.9, 5.1])
    assert figure.axes[1].get_xlabel() == "evidence [logits]"


def test_a_scale_leaves_out_the_outermost_hundredth_and_takes_equal_numbers():
    values = np.arange(1001.0)
    scale = Scale.over([values[:500], values[500:]], "")
    assert (scale.low, scale.high) == (pytest.approx(10), pytest.approx(990))
    assert Scale.over([np.ones(5)], "").high > Scale.over([np.ones(5)], "").low
    assert Scale.around_zero([np.zeros(3)], "", "PiYG").high > 0


def test_every_correlation_has_its_point_and_its_interval():
    found = [
        Correlation(
            value, field, label, species, 0.1 * place, (0.1 * place - 0.05, 0.1 * place + 0.02), (-1, 1), 0, 9, 99
        )
        for value in ("attribution", "attention")
        for label in CLASSES
        for species in "AB"
        for place, field in enumerate(FIELDS)
    ]
    figure = correlations_figure(found, "caption")
    assert [axes.get_title() for axes in figure.axes] == [
        *("attribution, liquid", "attribution, glass", "attention, liquid", "attention, glass")
    ]
    for axes in figure.axes:
        for bars in axes.containers:
            np.testing.assert_allclose(bars.lines[0].get_xdata(), 0.1 * np.arange(len(FIELDS)))
            (ends,) = bars.lines[2]
            np.testing.assert_allclose(
                [segment[:, 0] for segment in ends.get_segments()],
                [(0.1 * place - 0.05, 0.1 * place + 0.02) for place in range(len(FIELDS))],
            )
        assert len(axes.containers) == 2
