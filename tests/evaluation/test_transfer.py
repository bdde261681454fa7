import math

import numpy as np
import pytest
from scipy.stats import norm

from glassliquid.evaluation.scores import wilson_interval
from glassliquid.evaluation.transfer import (
    BREAKDOWN_ACCURACY,
    Curves,
    anchor,
    bisect,
    find_crossing,
    first_fall,
    first_of_all_glass,
    score_point,
)


def logits_of(p_glass) -> np.ndarray:
    p = np.asarray(p_glass, dtype=float)
    return np.log(np.stack([p, 1 - p], axis=1))


def test_a_point_of_three_simulations_by_hand():
    # Glass images are called glass with 0.9, 0.8, 0.4 (wrong), liquid ones with 0.1, 0.6 (wrong), 0.2.
    logits = logits_of([0.9, 0.8, 0.4, 0.1, 0.6, 0.2])
    point = score_point(logits, np.repeat([0, 1], 3), np.tile([7, 8, 9], 2), np.random.default_rng(0))
    assert (point.simulations, point.right, point.counts) == (3, (2, 2), (3, 3))
    assert point.accuracy == pytest.approx(4 / 6)
    assert point.class_interval(1) == wilson_interval(2, 3)
    assert point.p_glass == pytest.approx(0.3)
    assert point.auc == pytest.approx(8 / 9)  # only 0.4 against 0.6 is in the wrong order
    assert point.accuracy_interval[0] < 4 / 6 < point.accuracy_interval[1]
    # Of 27 equally likely draws of three simulations one has 0.1 only and one 0.6 only, each 3.7 %.
    assert point.p_glass_interval == pytest.approx((0.1, 0.6))


def test_the_bootstrap_resamples_simulations_not_images():
    """Nine equal images of each simulation are as good as one: the interval must not shrink by a factor of three."""
    p = np.random.default_rng(0).uniform(0.05, 0.95, size=40)
    labels, simulations = np.repeat([0, 1], 40), np.tile(np.arange(40), 2)
    logits = logits_of(np.concatenate([np.full(40, 0.9), p]))
    once = score_point(logits, labels, simulations, np.random.default_rng(1))
    often = score_point(np.tile(logits, (9, 1)), np.tile(labels, 9), np.tile(simulations, 9), np.random.default_rng(1))
    assert often.p_glass_interval == pytest.approx(once.p_glass_interval)
    assert often.auc_interval == pytest.approx(once.auc_interval)
    # And it is the interval of a mean of 40 values, within the noise of its ends (a few per cent).
    half = (once.p_glass_interval[1] - once.p_glass_interval[0]) / 2
    assert half == pytest.approx(1.96 * p.std() / math.sqrt(40), rel=0.1)


def test_with_one_class_the_rest_is_undefined():
    point = score_point(logits_of([0.9, 0.8]), np.zeros(2, int), np.arange(2), np.random.default_rng(0))
    assert (point.counts, point.accuracy) == ((2, 0), 1)
    assert all(math.isnan(x) for x in (point.p_glass, point.auc, point.class_accuracy(1), *point.auc_interval))


def test_falls_are_interpolated_between_neighbours():
    values = np.array(
        [
            [1.0, 0.9, 0.6, 0.5],  # from 0.9 at 10 to 0.6 at 20: 0.75 in the middle
            [1.0, 1.0, 1.0, 0.5],  # between 20 and 40, half way down
            [0.7, 1.0, 1.0, 0.5],  # below from the start
            [1.0, 1.0, 1.0, 0.8],  # never
            [1.0, 0.5, 1.0, 0.5],  # the first of two falls
        ]
    )
    found = first_fall((0, 10, 20, 40), values, 0.75, 0)
    np.testing.assert_allclose(found, [15, 30, 0, np.inf, 5])
    # Looking from the second index on, what happened before it does not count.
    np.testing.assert_allclose(first_fall((0, 10, 20, 40), values[:3], 0.75, 1), [15, 30, 30])


@pytest.mark.parametrize("true_crossing", [101, 117, 139.5])
@pytest.mark.parametrize("towards", [1, -1])
def test_bisection_finds_the_neighbours_and_asks_little(true_crossing: float, towards: int):
    stored = [*range(0, 201, 5), 171]
    asked = []

    def value(index: int) -> float:
        asked.append(index)
        return 0.75 + 0.01 * (true_crossing - index) * towards

    ends = (100, 140) if towards > 0 else (140, 100)
    holds, fails = bisect(*ends, stored, value, 0.75)
    assert abs(holds - fails) == 5
    assert min(holds, fails) < true_crossing < max(holds, fails)
    assert len(asked) <= 3  # seven stored indices lie between


def test_the_interval_of_the_breakdown_covers_the_true_one_95_times_in_100():
    """Each of 60 simulations is called glass from an index of its own on, so its images share one fate.

    The true crossing is that of the population's accuracy at the stored indices. Over 1,500 sets the share that is covered
    has a standard error of 0.6 %.
    """
    generator = np.random.default_rng(4)
    indices = np.array([*range(80, 165, 5), 200])
    population = (norm.sf(indices, loc=121.7, scale=15) + 1) / 2
    true = float(first_fall(tuple(indices), population[None], BREAKDOWN_ACCURACY, 0)[0])
    assert true == pytest.approx(121.7, abs=0.2)
    covered, sets = 0, 1500
    for _ in range(sets):
        turns = generator.normal(121.7, 15, size=60)
        is_glass = indices >= np.minimum(turns, 199)[:, None]
        values = Curves(tuple(indices), is_glass.astype(float), is_glass).accuracies()
        found = find_crossing(tuple(indices), values, BREAKDOWN_ACCURACY, 0, generator, replicates=400)
        assert found is not None
        assert found.interval[0] <= found.index <= found.interval[1]
        covered += found.interval[0] <= true <= found.interval[1]
    assert 0.93 <= covered / sets <= 0.97


def test_a_fall_between_two_snapshots_may_be_anywhere_between_them():
    """All simulations agree, so resampling them changes nothing; yet nobody has looked between 100 and 140."""
    values = np.tile([1.0, 1.0, 0.5, 0.5], (30, 1))
    found = find_crossing((60, 100, 140, 200), values, 0.75, 0, np.random.default_rng(0))
    assert found is not None
    assert (found.index, found.interval) == (120, (100, 140))


def test_liquid_and_glass_of_a_simulation_count_half_each():
    is_glass = np.array([[False, True, True], [False, False, False]])
    accuracies = Curves((5, 100, 200), is_glass.astype(float), is_glass).accuracies()
    # The second simulation's glass is taken for a liquid: half is right at any index but its own, where nothing changes.
    np.testing.assert_array_equal(accuracies, [[1, 0.5, 0.5], [0.5, 0.5, 0.5]])


@pytest.mark.parametrize(
    ("accuracy", "trained", "expected"),
    [
        ([1, 1, 0.6], 5, 0),
        ([1, 1, 0.6], 100, 1),  # trained where it fails: the nearest index where it holds
        ([0.5, 0.9, 1.0], 171, 2),
        ([0.5, 0.9, 1.0], None, 1),
        ([0.5, 0.7, 0.6], 5, None),
    ],
)
def test_the_search_starts_next_to_the_training_data(accuracy, trained, expected):
    assert anchor((5, 60, 171), accuracy, trained, 0.75) == expected


def test_everything_is_glass_from_the_first_index_on_that_stays_so():
    is_glass = np.zeros((100, 5), bool)
    is_glass[:97, 1] = True  # once by chance, then not again
    is_glass[:95, 3] = True
    is_glass[:, 4] = True
    indices = (5, 60, 100, 171, 200)
    assert first_of_all_glass(Curves(indices, is_glass.astype(float), is_glass)) == 171
    is_glass[:94, 3] = True
    is_glass[94:, 3] = False
    assert first_of_all_glass(Curves(indices, is_glass.astype(float), is_glass)) is None
