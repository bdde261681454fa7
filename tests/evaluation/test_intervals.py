import functools

import numpy as np
import pytest

from glassliquid.evaluation import intervals
from glassliquid.evaluation.intervals import combined_interval, pooled_interval
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


@pytest.mark.parametrize("accuracy", [0.5, 0.75, 0.9])
@pytest.mark.parametrize("agreement", [0.0, 0.7, 1.0])
def test_the_mean_accuracy_of_several_models_is_covered_95_times_in_100(accuracy: float, agreement: float):
    """8 models on two images of 60 simulations; by lot, an answer is that of the simulation or the model's own."""
    models, n, generator = 8, 60, np.random.default_rng(3)
    simulations, covered = np.tile(np.arange(n), 2), 0
    for _ in range(SETS):
        own = generator.random((models, 2 * n))
        common = generator.random(n)[simulations]
        right = np.where(generator.random(own.shape) < agreement, common, own) < accuracy
        low, high = pooled_interval(right, simulations)
        covered += low <= accuracy <= high
    assert 0.93 <= covered / SETS <= 0.97


def test_models_without_a_mistake_are_certain_to_what_their_simulations_show():
    simulations = np.tile(np.arange(60), 2)
    assert pooled_interval(np.ones((8, 120), bool), simulations) == pytest.approx(wilson_interval(60, 60))
    with pytest.raises(ValueError, match="two of them"):
        pooled_interval(np.ones((8, 2), bool), np.zeros(2, int))


def test_an_accuracy_of_nothing_is_refused():
    with pytest.raises(ValueError, match="needs images"):
        combined_interval((0, 0), (0, 0))
