import numpy as np
import pytest

from glassliquid.evaluation.bootstrap import percentile_interval, resampled_means


def test_resampled_means_vary_as_the_standard_error_says():
    values = np.random.default_rng(0).normal(3, 2, size=(200, 1))
    means = resampled_means(values, np.random.default_rng(1), replicates=4000)
    assert means.shape == (4000, 1)
    # The bootstrap's own noise: 1 % of the standard error in the mean, 1.1 % in the spread.
    assert means.mean() == pytest.approx(values.mean(), abs=0.01)
    assert means.std() == pytest.approx(values.std() / np.sqrt(200), rel=0.05)


def test_a_simulation_is_drawn_with_all_that_belongs_to_it():
    values = np.random.default_rng(0).normal(size=(50, 1)) * [1, -2]
    means = resampled_means(values, np.random.default_rng(1), replicates=100)
    np.testing.assert_allclose(means[:, 1], -2 * means[:, 0], atol=1e-12)


def test_many_simulations_are_resampled_in_parts_with_the_same_result(monkeypatch: pytest.MonkeyPatch):
    values = np.random.default_rng(0).normal(size=(40, 3))
    at_once = resampled_means(values, np.random.default_rng(1), replicates=101)
    monkeypatch.setattr("glassliquid.evaluation.bootstrap.WEIGHTS_AT_ONCE", 1000)
    # The same draws; products of matrices of another shape may differ in the last bit.
    np.testing.assert_allclose(resampled_means(values, np.random.default_rng(1), replicates=101), at_once, atol=1e-14)


def test_the_same_generator_gives_the_same_means():
    values = np.arange(12.0).reshape(6, 2)
    first, second = (resampled_means(values, np.random.default_rng(5), replicates=20) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_percentiles_leave_out_two_and_a_half_per_cent_on_each_side():
    samples = np.arange(1.0, 1001)
    low, high = percentile_interval(samples)
    assert (low, high) == (pytest.approx(25, abs=1), pytest.approx(975, abs=1))
    assert percentile_interval(np.where(samples > 900, np.inf, samples)) == (low, np.inf)
