import functools
import math

import numpy as np
import pytest
from scipy.stats import norm

from glassliquid.evaluation import intervals
from glassliquid.evaluation.intervals import auc_interval, combined_interval
from glassliquid.evaluation.scores import wilson_interval

SETS = 3000
"""Test sets in a coverage test: the share that is covered then has a standard error of 0.4 %."""


@pytest.fixture(autouse=True)
def quick_wilson(monkeypatch: pytest.MonkeyPatch):
    """The same few counts come up thousands of times."""
    monkeypatch.setattr(intervals, "wilson_interval", functools.cache(wilson_interval))


@pytest.mark.parametrize(
    ("liquid", "glass", "same_fate"),
    [
        (0.9, 0.9, 0.0),
        (0.5, 1.0, 0.0),  # a model that calls half of the liquid glass
        (0.7, 0.95, 0.0),
        (0.8, 0.8, 1.0),  # whether an image is recognised depends on its simulation alone
        (0.8, 0.8, 0.5),
    ],
)
def test_the_accuracy_over_both_classes_is_covered_95_times_in_100(liquid: float, glass: float, same_fate: float):
    """60 simulations, each with an image of either class, as in one split of the demo ensemble."""
    n, generator = 60, np.random.default_rng(1)
    covered = 0
    for _ in range(SETS):
        first, other = generator.random((2, n))
        second = np.where(generator.random(n) < same_fate, first, other)
        right = np.array([first < glass, second < liquid])
        correlation = float(np.corrcoef(right)[0, 1]) if (right.std(axis=1) > 0).all() else 0.0
        low, high = combined_interval(right.sum(axis=1).tolist(), (n, n), correlation)
        covered += low <= (liquid + glass) / 2 <= high
    assert 0.93 <= covered / SETS <= 0.97


def test_with_one_class_it_is_wilsons_interval():
    assert combined_interval((17, 0), (20, 0)) == pytest.approx(wilson_interval(17, 20))


def test_fixed_classes_give_a_narrower_interval_than_one_pot_of_images():
    low, high = combined_interval((60, 0), (60, 60))
    pot_low, pot_high = wilson_interval(60, 120)
    assert low < 0.5 < high
    assert high - low < 0.4 * (pot_high - pot_low)


def test_an_accuracy_of_nothing_is_refused():
    with pytest.raises(ValueError, match="needs images"):
        combined_interval((0, 0), (0, 0))


def paired(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Which images are glass, and their simulations: one image of either class each."""
    return np.repeat([True, False], n), np.tile(np.arange(n), 2)


@pytest.mark.parametrize("true_auc", [0.7, 0.9, 0.98])
@pytest.mark.parametrize("shared", [0.0, 0.6])
def test_the_area_under_the_curve_is_covered_95_times_in_100(true_auc: float, shared: float):
    """Two normal distributions at distance d have the area Phi(d / sqrt(2)); part of the variation is the simulation's."""
    n, generator = 60, np.random.default_rng(2)
    distance = norm.ppf(true_auc) * math.sqrt(2)
    is_glass, simulations = paired(n)
    covered = 0
    for _ in range(SETS):
        own, common = generator.normal(size=(2, n)), generator.normal(size=n)
        glass, liquid = math.sqrt(1 - shared) * own + math.sqrt(shared) * common
        low, high = auc_interval(np.concatenate([glass + distance, liquid]), is_glass, simulations)
        covered += low <= true_auc <= high
    assert 0.93 <= covered / SETS <= 0.97


def test_perfect_separation_leaves_an_uncertainty_that_shrinks_with_the_images():
    found = {}
    for n in (10, 1000):
        is_glass, simulations = paired(n)
        score = np.where(is_glass, 2.0, 1.0) + np.linspace(0, 0.5, 2 * n)
        found[n] = auc_interval(score, is_glass, simulations)
    assert found[10][1] == found[1000][1] == 1
    assert 0.5 < found[10][0] < 0.9
    assert 0.99 < found[1000][0] < 1


def test_a_score_that_says_nothing_has_the_area_one_half():
    is_glass, simulations = paired(20)
    low, high = auc_interval(np.zeros(40), is_glass, simulations)
    assert (low + high) / 2 == pytest.approx(0.5)
    assert 0.1 < high - low < 0.5


def test_reversing_the_score_mirrors_the_interval():
    is_glass, simulations = paired(30)
    score = np.random.default_rng(0).normal(size=60) + is_glass
    low, high = auc_interval(score, is_glass, simulations)
    assert low < high
    assert auc_interval(-score, is_glass, simulations) == pytest.approx((1 - high, 1 - low))


def test_repeated_images_of_a_simulation_tell_nothing_new():
    is_glass, simulations = paired(30)
    score = np.random.default_rng(0).normal(size=60) + is_glass
    thrice = auc_interval(np.tile(score, 3), np.tile(is_glass, 3), np.tile(simulations, 3))
    assert thrice == pytest.approx(auc_interval(score, is_glass, simulations))


def test_without_a_class_there_is_no_area():
    assert all(math.isnan(bound) for bound in auc_interval(np.arange(3.0), np.ones(3, bool), np.arange(3)))
