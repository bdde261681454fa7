"""Pairs of equal energy: the assignment is the best one, nothing is used twice, and e_IS says nothing afterwards."""

import time

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from glassliquid.datasets.matching import area_of_energy, auto_tolerance, match_energies, meeting_index


def dense_cost(glass: np.ndarray, liquid: np.ndarray, tolerance: float) -> float:
    """The smallest possible sum of differences, with `tolerance` for each glass without a partner, by the dense algorithm."""
    difference = np.abs(glass[:, None, None] - liquid[None]).min(axis=2)
    alone = np.full((len(glass), len(glass)), tolerance)
    cost = np.concatenate([np.where(difference <= tolerance, difference, 1e6), alone], axis=1)
    return float(cost[linear_sum_assignment(cost)].sum())


@pytest.mark.parametrize("candidates", [1, 3])
@pytest.mark.parametrize("tolerance", [0.02, 0.3, 5.0])
def test_no_other_pairs_are_better(candidates: int, tolerance: float):
    generator = np.random.default_rng(candidates)
    for glasses, liquids in ((30, 40), (40, 30), (1, 5), (25, 25)):
        glass, liquid = generator.normal(size=glasses), generator.normal(0.8, 1.2, size=(liquids, candidates))
        left, right, which = match_energies(glass, liquid, tolerance)
        difference = np.abs(glass[left] - liquid[right, which])
        assert (difference <= tolerance).all()
        assert len(set(left)) == len(set(right)) == len(left)
        # A liquid is taken at its best candidate.
        assert np.abs(glass[left, None] - liquid[right]).min(axis=1) == pytest.approx(difference)
        total = difference.sum() + tolerance * (glasses - len(left))
        assert total == pytest.approx(dense_cost(glass, liquid, tolerance), rel=1e-9)


def test_energies_that_do_not_overlap_give_no_pair():
    left, right, which = match_energies(np.zeros(5), np.ones((4, 2)), 0.5)
    assert len(left) == len(right) == len(which) == 0
    assert len(match_energies(np.zeros(5), np.empty((0, 1)), 0.5)[0]) == 0


def test_equal_energies_are_paired_at_no_cost():
    """A difference of exactly zero is a pair like others, which a sparse graph would take for none."""
    left, right, _ = match_energies(np.array([1.0, 2.0, 3.0]), np.array([[3.0], [1.0], [2.0]]), 0.1)
    assert left.tolist() == [0, 1, 2]
    assert right.tolist() == [1, 2, 0]


def test_after_matching_energy_says_nothing_and_before_it_did():
    generator = np.random.default_rng(0)
    glass, liquid = generator.normal(0, 1, 1500), generator.normal(0.7, 1.1, (1500, 1))
    units = np.arange(1500)
    # Phi(0.7 / sqrt(1 + 1.1^2)) of two normal distributions, with a standard error of 0.01.
    before, _ = area_of_energy(glass, liquid[:, 0], (units + 1500, units))
    assert before == pytest.approx(0.681, abs=0.03)
    left, right, _ = match_energies(glass, liquid, auto_tolerance(glass, 1500))
    after, (low, high) = area_of_energy(glass[left], liquid[right, 0], (left + 1500, right))
    assert low < 0.5 < high
    assert after == pytest.approx(0.5, abs=0.005)
    assert len(left) > 900


def test_ten_thousand_of_each_are_matched_in_seconds():
    generator = np.random.default_rng(1)
    glass, liquid = generator.normal(0, 1, 10_000), generator.normal(0.7, 1.1, (10_000, 1))
    started = time.process_time()
    left, _, _ = match_energies(glass, liquid, auto_tolerance(glass, 10_000))
    assert time.process_time() - started < 10
    assert len(left) > 6_000


def test_a_tolerance_that_is_none_is_refused_before_it_fills_the_memory():
    energies = np.linspace(0, 1, 10_000)
    with pytest.raises(MemoryError):
        match_energies(energies, energies[:, None], 10.0)


@pytest.mark.parametrize(("level", "index"), [(-3.0, 105.0), (-4.0, 115.0), (-9.0, None), (0.0, None)])
def test_where_energies_meet_is_interpolated(level: float, index: float | None):
    assert meeting_index([100, 110, 120], np.array([-2.5, -3.5, -4.5]), level) == index
