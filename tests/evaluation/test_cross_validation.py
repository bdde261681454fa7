"""Cross-validated accuracies: how often their intervals cover, for networks whose training sets overlap too."""

import functools

import numpy as np
import pytest
from scipy.stats import norm

from glassliquid.evaluation import cross_validation, intervals
from glassliquid.evaluation.cross_validation import chance_of_difference, pool
from glassliquid.evaluation.scores import wilson_interval
from glassliquid.evaluation.spread import spread

SETS = 1000
"""Cross-validations in a coverage test: the share that is covered then has a standard error of 0.7 %."""
FOLDS, SIMULATIONS = 5, 60


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch):
    """The same few counts come up thousands of times; the permutations have a test of their own."""
    monkeypatch.setattr(intervals, "wilson_interval", functools.cache(wilson_interval))
    monkeypatch.setattr(cross_validation, "PERMUTATIONS", 1)


def one_fold(right: np.ndarray, first: int = 0) -> cross_validation.Tested:
    """A fold whose images are right or wrong as said: shape (2, n), glass first."""
    n = right.shape[1]
    labels = np.repeat([0, 1], n)
    called = np.where(right.ravel(), labels, 1 - labels)
    return cross_validation.Tested(np.eye(2)[called], labels, np.tile(np.arange(first, first + n), 2))


def dealt(right: np.ndarray) -> list[cross_validation.Tested]:
    """All simulations of as many folds."""
    n = right.shape[1] // FOLDS
    return [one_fold(right[:, n * fold : n * (fold + 1)], n * fold) for fold in range(FOLDS)]


@pytest.mark.parametrize(
    ("accuracies", "same_fate"),
    [
        ((0.9,) * FOLDS, 0.0),
        ((0.9,) * FOLDS, 1.0),  # whether an image is recognised depends on its simulation alone
        ((0.85, 0.9, 0.9, 0.92, 0.95), 0.5),
    ],
)
def test_the_mean_accuracy_of_the_folds_networks_is_covered_95_times_in_100(accuracies, same_fate: float):
    generator = np.random.default_rng(1)
    expected = np.repeat(accuracies, SIMULATIONS // FOLDS)
    covered = 0
    for _ in range(SETS):
        first, other = generator.random((2, SIMULATIONS))
        second = np.where(generator.random(SIMULATIONS) < same_fate, first, other)
        low, high = pool(dealt(np.array([first < expected, second < expected])), generator).interval
        covered += low <= np.mean(accuracies) <= high
    assert 0.93 <= covered / SETS <= 0.97


def test_it_is_covered_for_classifiers_that_were_trained_on_overlapping_simulations():
    """Each fold's classifier is the line halfway between the class means of all other folds' simulations, in 20 dimensions.

    Its accuracy on new simulations follows from that line exactly. The two images of a simulation share half of their variance.
    """
    generator, dimensions = np.random.default_rng(2), 20
    shift = np.zeros(dimensions)
    shift[0] = 1.2
    covered = 0
    for _ in range(SETS):
        common = generator.normal(size=(SIMULATIONS, dimensions)) * np.sqrt(0.5)
        own = generator.normal(size=(2, SIMULATIONS, dimensions)) * np.sqrt(0.5)
        images = own + common + np.array([shift, -shift])[:, None]
        fold_of = np.arange(SIMULATIONS) % FOLDS
        folds, truths = [], []
        for fold in range(FOLDS):
            glass, liquid = images[:, fold_of != fold].mean(axis=1)
            line, offset = glass - liquid, (glass - liquid) @ (glass + liquid) / 2
            score = images[:, fold_of == fold] @ line - offset
            right = np.array([score[0] > 0, score[1] < 0])
            folds.append(one_fold(right, first=100 * fold))
            size = np.linalg.norm(line)
            truths += [norm.cdf((shift @ line - offset) / size), norm.cdf((shift @ line + offset) / size)]
        low, high = pool(folds, generator).interval
        covered += low <= np.mean(truths) <= high
    assert 0.93 <= covered / SETS <= 0.97


def test_students_interval_of_the_mean_covers_what_a_training_is_expected_to_reach_where_trainings_differ():
    """Accuracies of the folds' networks are drawn from a normal distribution: the pooled interval knows nothing of that."""
    generator, n = np.random.default_rng(3), 200 // FOLDS
    student = pooled = 0
    for _ in range(SETS):
        accuracies = generator.normal(0.8, 0.08, FOLDS)
        right = generator.random((2, FOLDS * n)) < np.repeat(accuracies, n)
        folds = dealt(right)
        low, high = spread([float(right[:, n * fold : n * (fold + 1)].mean()) for fold in range(FOLDS)]).interval
        student += low <= 0.8 <= high
        low, high = pool(folds, generator).interval
        pooled += low <= 0.8 <= high
    assert 0.93 <= student / SETS <= 0.97
    assert pooled / SETS < 0.8


def test_equal_folds_are_called_different_5_times_in_100_at_most(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cross_validation, "PERMUTATIONS", 199)
    generator, called = np.random.default_rng(4), 0
    for _ in range(400):
        right = generator.random((2, SIMULATIONS)) < 0.9
        called += pool(dealt(right), generator).differ
    # Of 400 at 5 %, more than 33 are found less than once in 100 times.
    assert called <= 33


def test_a_fold_that_has_learned_nothing_is_found(monkeypatch: pytest.MonkeyPatch):
    right = np.random.default_rng(5).random((2, SIMULATIONS)) < np.repeat([1, 1, 0.5, 1, 1], SIMULATIONS // FOLDS)
    values, folds = right.mean(axis=0), np.repeat(np.arange(FOLDS), SIMULATIONS // FOLDS)
    monkeypatch.setattr(cross_validation, "PERMUTATIONS", 999)
    assert chance_of_difference(values, folds, np.random.default_rng(6)) == 0.001


def test_where_all_are_right_the_folds_agree_and_the_interval_has_a_width():
    found = pool(dealt(np.ones((2, SIMULATIONS), dtype=bool)), np.random.default_rng(7))
    assert found.chance == 1
    assert not found.differ
    assert found.interval[0] < 0.99
    assert found.interval[1] == 1
    assert str(found).startswith("100.00 % (120 of 120 images of 60 simulations, 95 % interval 9")


def test_a_simulation_that_was_tested_twice_is_refused():
    right = np.ones((2, 3), dtype=bool)
    with pytest.raises(ValueError, match="tested twice"):
        pool([one_fold(right), one_fold(right)], np.random.default_rng(0))
