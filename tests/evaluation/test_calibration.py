import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from glassliquid.evaluation.calibration import expected_calibration_error, fit_temperature, reliability
from glassliquid.evaluation.scores import wilson_interval


def test_bins_and_error_of_six_images_by_hand():
    # Bins of 0.1: two images around 0.05 (none glass), one at 0.1 (glass), three around 0.95 (two glass, one at 1.0).
    p_glass = np.array([0.02, 0.08, 0.1, 0.92, 0.96, 1.0])
    is_glass = np.array([False, False, True, True, False, True])
    bins = reliability(p_glass, is_glass)
    assert [(each.low, each.images, each.glass) for each in bins] == [(0.0, 2, 0), (0.1, 1, 1), (0.9, 3, 2)]
    assert [each.mean_p_glass for each in bins] == pytest.approx([0.05, 0.1, 0.96])
    assert bins[2].interval == wilson_interval(2, 3)
    expected = (2 * 0.05 + 1 * 0.9 + 3 * abs(2 / 3 - 0.96)) / 6
    assert expected_calibration_error(bins) == pytest.approx(expected)


def test_bins_agree_with_scikit_learn():
    generator = np.random.default_rng(0)
    p_glass = generator.beta(0.5, 0.5, size=500)
    is_glass = generator.random(500) < p_glass**2
    share, mean = calibration_curve(is_glass, p_glass, n_bins=10)
    bins = reliability(p_glass, is_glass)
    assert [each.share for each in bins] == pytest.approx(share)
    assert [each.mean_p_glass for each in bins] == pytest.approx(mean)


def test_honest_probabilities_have_a_small_error_and_boastful_ones_a_large():
    generator = np.random.default_rng(1)
    p_true = generator.uniform(size=20_000)
    is_glass = generator.random(20_000) < p_true
    # 2,000 images a bin: the shares of a calibrated model are off by 1 % on average, times the mean of |normal|, 0.8.
    assert expected_calibration_error(reliability(p_true, is_glass)) < 0.015
    # Pushed to 0 or 1, the half of the images that are less than 1/2 sure is wrong by a quarter on average.
    assert expected_calibration_error(reliability(np.round(p_true), is_glass)) == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("tau", [0.5, 1.0, 4.0])
def test_the_temperature_of_logits_is_found(tau: float):
    generator = np.random.default_rng(0)
    honest = generator.normal(0, 2, size=20_000)
    is_glass = generator.random(20_000) < 1 / (1 + np.exp(-honest))
    # The slope of a logistic regression on 20,000 such numbers has an error of 1 %.
    assert fit_temperature(tau * honest, is_glass) == pytest.approx(tau, rel=0.04)


def test_a_perfect_network_keeps_a_finite_temperature():
    """Platt's targets of 50 and 50: P(glass) = 51/52 for the one logit that all have."""
    logits = np.repeat([-7.0, 7.0], 50)
    tau = fit_temperature(logits, logits > 0)
    assert 1 / (1 + np.exp(-7 / tau)) == pytest.approx(51 / 52, abs=1e-4)
