"""The area under the ROC curve: its interval covers the truth as often as it says."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from glassliquid.roc import auc_interval

SETS = 3000
"""Test sets in a coverage test: the share that is covered then has a standard error of 0.4 %."""


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
