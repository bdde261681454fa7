"""d' = c sqrt(N): recovered where it holds, refused where it does not, and the number of particles that follows."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from glassliquid.evaluation.size_law import SizePoint, fit_law, signal_of
from glassliquid.roc import auc_interval

STRENGTH = 0.0463
"""d' = 0.74 at N = 256, an area of 0.70."""


def measured(particles: int, signal: float, samples: int, generator: np.random.Generator) -> SizePoint:
    """A model whose scores are normal at this distance, on so many samples of each class."""
    score = np.concatenate([generator.normal(signal, 1, samples), generator.normal(0, 1, samples)])
    is_glass = np.repeat([True, False], samples)
    auc = float((score[:samples, None] > score[None, samples:]).mean())
    return SizePoint(
        particles, 2 * samples, auc, auc_interval(score, is_glass, np.arange(2 * samples)), 0.5, (0.4, 0.6)
    )


def test_areas_of_the_design_follow_from_the_law():
    """0.70 at 256 particles, 0.85 at 1,024 and 0.98 at 4,096."""
    interval = norm.cdf((math.sqrt(256) * STRENGTH + np.array([-0.1, 0.1])) / math.sqrt(2))
    law = fit_law([SizePoint(256, 600, norm.cdf(16 * STRENGTH / math.sqrt(2)), tuple(interval), 0.6, (0.5, 0.7))])
    assert law.strength == pytest.approx(STRENGTH)
    assert [law.auc(n) for n in (256, 1_024, 4_096)] == pytest.approx([0.70, 0.85, 0.98], abs=0.005)
    assert law.error == pytest.approx(0.1 / 1.96 / 16, rel=1e-3)
    assert law.freedom == 0
    assert math.isnan(law.chance)
    needed, (low, high) = law.particles_needed(0.70)
    assert needed == pytest.approx(256, rel=0.01)
    assert low < needed < high


def test_the_true_strength_is_covered_about_95_times_in_100():
    generator = np.random.default_rng(3)
    covered, chances, sets = 0, [], 300
    for _ in range(sets):
        law = fit_law([measured(n, STRENGTH * math.sqrt(n), 150, generator) for n in (256, 576, 1_024)])
        covered += abs(law.strength - STRENGTH) < 1.96 * law.error
        chances.append(law.chance)
    # Standard errors of 1.3 % of 300 sets.
    assert 0.90 <= covered / sets <= 0.99
    assert np.mean(np.array(chances) < 0.05) < 0.10


def test_a_signal_that_does_not_grow_contradicts_the_law():
    generator = np.random.default_rng(4)
    law = fit_law([measured(n, 0.8, 400, generator) for n in (256, 1_024, 4_096)])
    assert law.chance < 1e-6


def test_where_there_is_no_signal_no_size_is_enough():
    points = [SizePoint(n, 200, 0.49, (0.41, 0.57), 0.5, (0.4, 0.6)) for n in (256, 1_024)]
    needed, (low, high) = fit_law(points).particles_needed()
    assert needed == high == math.inf
    assert low > 4_096
    with pytest.raises(ValueError, match="needs points"):
        fit_law([])


def test_perfect_separation_is_worth_no_more_than_its_samples():
    signal, error = signal_of(SizePoint(4_096, 90, 1.0, (0.96, 1.0), 1.0, (0.96, 1.0)))
    assert signal == pytest.approx(math.sqrt(2) * norm.ppf(1 - 0.5 / 45**2))
    assert 0.1 < error < 2
