"""Scans of invented models: each simulation is called glass from an index of its own on."""

from collections.abc import Sequence

import numpy as np
import pytest

from glassliquid.errors import UserError
from glassliquid.evaluation.scan import scan_cooling

STORED = (0, 1, *range(5, 201, 5), 171)
COARSE = (5, 25, 60, 100, 140, 171)


class Invented:
    """Logits of simulations that turn from liquid to glass at given indices; notes what it was asked."""

    def __init__(self, turns: np.ndarray, hot_limit: float = -1) -> None:
        self.turns, self.hot_limit = turns, hot_limit
        self.asked: list[int] = []

    def __call__(self, indices: Sequence[int]) -> np.ndarray:
        self.asked += indices
        margin = np.asarray(indices) - self.turns[:, None] + 0.1
        margin = np.where(np.asarray(indices) <= self.hot_limit, 5.0, margin / 5)
        return np.stack([margin / 2, -margin / 2], axis=-1)


def turns(middle: float, spread: float = 10, n: int = 100) -> np.ndarray:
    """Evenly spread, so that half of them are at or before the middle."""
    return middle + spread * np.linspace(-1, 1, n)


def test_the_breakdown_is_found_between_stored_neighbours():
    model = Invented(turns(121.7))
    scan = scan_cooling(model, STORED, COARSE, 200, trained=5, refine=True)
    # Accuracy is 3/4 where half of the liquids are called glass; on the grid of 5 the curve is a straight line there.
    assert scan.breakdown is not None
    assert scan.breakdown.index == pytest.approx(121.7, abs=0.3)
    assert scan.breakdown.interval[0] < 121.7 < scan.breakdown.interval[1]
    assert scan.half_glass is not None
    assert scan.half_glass.index == pytest.approx(121.7, abs=0.5)
    assert scan.breakdown_hot is None
    assert scan.all_glass_from in (130, 135, 140)
    assert list(scan.points) == sorted(scan.points)
    assert set(COARSE) | {120, 125} <= set(scan.points) <= set(STORED)
    # Each once, the glass included, and only a handful beside the coarse scan.
    assert sorted(model.asked) == sorted({*scan.points, 200})
    assert len(model.asked) <= len(COARSE) + 1 + 6
    assert scan.points[5].accuracy == 1
    assert scan.points[171].right == (100, 0)


def test_without_refinement_only_the_coarse_scan_is_scored():
    model = Invented(turns(121.7))
    scan = scan_cooling(model, STORED, COARSE, 200, trained=5, refine=False)
    assert set(model.asked) == {*COARSE, 200}
    # From 1 at 100 to 1/2 at 140: the straight line between them.
    assert scan.breakdown is not None
    assert scan.breakdown.index == pytest.approx(120, abs=0.5)


def test_a_model_that_holds_to_the_last_liquid_breaks_down_before_the_glass():
    """At the glass itself both classes are the same images, so the accuracy is one half there."""
    scan = scan_cooling(Invented(turns(188, 3)), STORED, COARSE, 200, trained=5, refine=True)
    assert scan.breakdown is not None
    assert 185 <= scan.breakdown.index <= 190
    assert scan.all_glass_from in (None, 195)


def test_a_model_of_the_transition_may_fail_on_the_hot_side():
    scan = scan_cooling(Invented(turns(188, 3), hot_limit=50), STORED, COARSE, 200, trained=171, refine=True)
    assert scan.breakdown is not None
    assert scan.breakdown.index > 185
    assert scan.breakdown_hot == pytest.approx(42.5)  # from 1/2 at 25 to 1 at 60, half way


def test_a_model_that_calls_everything_glass_holds_nowhere():
    scan = scan_cooling(Invented(turns(-50)), STORED, COARSE, 200, trained=5, refine=True)
    assert (scan.breakdown, scan.half_glass, scan.all_glass_from) == (None, None, 5)
    assert all(point.accuracy == 0.5 for point in scan.points.values())


def test_a_model_that_calls_everything_liquid_holds_nowhere():
    scan = scan_cooling(Invented(turns(400)), STORED, COARSE, 200, trained=5, refine=True)
    assert (scan.breakdown, scan.half_glass, scan.all_glass_from) == (None, None, None)
    assert scan.p_glass_of_glass < 0.01


def test_the_same_images_give_the_same_intervals():
    first, second = (scan_cooling(Invented(turns(121.7)), STORED, COARSE, 200, 5, refine=True) for _ in range(2))
    assert first == second


def test_a_diverged_model_is_refused():
    with pytest.raises(UserError, match="not finite"):
        scan_cooling(lambda indices: np.full((4, len(indices), 2), np.nan), STORED, COARSE, 200, 5, refine=True)
