from collections import Counter

import numpy as np
import pytest

from glassliquid.ensembles.split import Split, draw_split
from glassliquid.errors import UserError


def drawn(simulations: int, seed: int = 0) -> list[Split]:
    return draw_split(simulations, np.random.default_rng(seed))


@pytest.mark.parametrize("simulations", [20, 100, 400, 10_000])
def test_fractions_are_70_15_15(simulations):
    counts = Counter(drawn(simulations))
    assert counts[Split.TRAIN] == 0.70 * simulations
    assert counts[Split.VALIDATION] == counts[Split.TEST] == 0.15 * simulations


@pytest.mark.parametrize("simulations", range(3, 30))
def test_each_split_has_at_least_one_and_none_is_lost(simulations):
    counts = Counter(drawn(simulations))
    assert set(counts) == set(Split)
    assert counts.total() == simulations
    # Rounding 0.15 N moves a split by half a simulation, the least of one by at most 0.55 more (N = 3).
    assert abs(counts[Split.VALIDATION] - 0.15 * simulations) < 0.56
    assert counts[Split.VALIDATION] == counts[Split.TEST] <= counts[Split.TRAIN]


def test_same_seed_same_split_and_another_seed_another():
    assert drawn(100, 1) == drawn(100, 1)
    assert drawn(100, 1) != drawn(100, 2)


def test_membership_is_random_and_even():
    """Over many seeds every place is in training with probability 0.7."""
    seeds = 400
    share = np.mean([[split is Split.TRAIN for split in drawn(20, seed)] for seed in range(seeds)], axis=0)
    # Binomial: the standard error of a share is 0.023; 20 places within four of them.
    assert np.abs(share - 0.7).max() < 4 * np.sqrt(0.7 * 0.3 / seeds)


@pytest.mark.parametrize("simulations", [0, 1, 2])
def test_fewer_simulations_than_splits_are_refused(simulations):
    with pytest.raises(UserError, match=f"simulations is {simulations}, .* pass 3 or more"):
        drawn(simulations)
