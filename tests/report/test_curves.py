"""The curves of the report, read back from their SVG."""

import itertools
import math
from xml.etree import ElementTree

import pytest

from glassliquid.evaluation.fate import Fate
from glassliquid.report import curves
from glassliquid.report.curves import iteration_ticks

ACCURACY = [(10, 0.5), (20, 0.75), (30, 1.0), (40, 0.5)]


def lines(picture) -> list[tuple[str, list[tuple[float, float]]]]:
    """Colour and points of each line."""
    found = []
    for line in ElementTree.fromstring(picture).iter("polyline"):
        pairs = [tuple(map(float, pair.split(","))) for pair in line.get("points").split()]
        found.append((line.get("stroke"), pairs))
    return found


def test_points_lie_where_their_values_are():
    ((colour, points),) = lines(curves.run_picture({"val_accuracy": ACCURACY}, None))
    assert colour == curves.BLUE
    (x1, y1), (x2, y2), (x3, y3), (x4, y4) = points
    # Equal steps along x, the same height for the same value, and up is up; coordinates have one decimal.
    assert [x2 - x1, x3 - x2, x4 - x3] == pytest.approx([x2 - x1] * 3, abs=0.11)
    assert y1 == y4
    assert y2 == pytest.approx((y1 + y3) / 2, abs=0.11)
    assert y3 < y1
    # Iteration 0 is at the axis, four tenths of the way before iteration 10.
    assert x1 - curves.LEFT == pytest.approx(x2 - x1, abs=0.2)


def test_a_collapsed_run_is_red():
    ((colour, _),) = lines(curves.run_picture({"val_accuracy": ACCURACY}, Fate.COLLAPSED))
    assert colour == curves.RED


def test_losses_are_logarithmic():
    curve = [(1, 1.0), (2, 0.1), (3, 0.01)]
    (_, points), _ = lines(curves.run_picture({"loss": curve, "learning_rate": [(1, 1e-3), (3, 1e-3)]}, None))
    heights = [y for _, y in points]
    assert heights[1] - heights[0] == pytest.approx(heights[2] - heights[1], abs=0.11)


def test_a_learning_rate_holds_for_whole_iterations():
    """It falls at once after iteration 2, not on a slope."""
    ((_, points),) = lines(curves.run_picture({"learning_rate": [(1, 1e-3), (2, 1e-3), (3, 1e-4), (4, 1e-4)]}, None))
    assert all(x1 == x2 or y1 == y2 for (x1, y1), (x2, y2) in itertools.pairwise(points))
    (down,) = [x1 for (x1, y1), (x2, y2) in itertools.pairwise(points) if y1 != y2]
    assert down == points[2][0]


@pytest.mark.parametrize(("rates", "labels"), [((0.003, 0.003), ["0.003"]), ((0.0034, 0.003), ["0.003", "0.0034"])])
def test_an_axis_without_a_round_number_is_labelled_too(rates, labels):
    picture = curves.run_picture({"learning_rate": list(enumerate(rates, start=1))}, None)
    texts = [text.text for text in ElementTree.fromstring(picture).iter("text")]
    assert [text for text in texts if text in labels] == labels


def test_a_fall_between_many_points_is_not_lost():
    curve = [(step, 0.4 if step == 777 else 0.99) for step in range(1, 5001)]
    thinned = curves.thinned(curve, 300)
    assert len(thinned) <= 302
    assert (777, 0.4) in thinned
    assert thinned == sorted(thinned)
    assert curves.thinned(curve[:100], 300) == curve[:100]


@pytest.mark.parametrize(
    "recorded", [{}, {"val_accuracy": []}, {"loss": [(1, 0.0), (2, -1.0)]}, {"something": [(1, 1.0)]}]
)
def test_nothing_to_draw_is_no_picture(recorded):
    assert curves.run_picture(recorded, None) is None


@pytest.mark.parametrize("value", [1e-300, 1e300, 0.3])
def test_one_point_of_any_size_is_a_picture(value: float):
    picture = curves.run_picture({"val_loss": [(1, value)], "val_accuracy": [(1, 0.1)]}, None)
    assert len(list(ElementTree.fromstring(picture).iter("circle"))) == 2
    assert "nan" not in picture
    assert all(math.isfinite(number) for _, points in lines(picture) for pair in points for number in pair)


def test_all_runs_of_a_group_share_a_panel():
    picture = curves.overlay_picture(
        [(ACCURACY, None), (ACCURACY, Fate.COLLAPSED), (ACCURACY, Fate.NEVER_LEARNED), ([], None)]
    )
    assert [colour for colour, _ in lines(picture)] == [curves.BLUE, curves.RED, curves.GREY]
    assert curves.overlay_picture([([], None)]) is None


@pytest.mark.parametrize("last", [1, 2, 7, 25, 99, 100, 480, 1_000, 3_600_000])
def test_the_axis_of_iterations_has_a_few_round_numbers(last: int):
    ticks = iteration_ticks(last)
    apart = {second - first for first, second in itertools.pairwise(ticks)}
    assert ticks[0] == 0 and ticks[-1] <= last
    assert 2 <= len(ticks) <= 6 and len(apart) == 1
    assert str(apart.pop()).rstrip("0") in {"1", "2", "5"}
    assert last - ticks[-1] < ticks[1]
