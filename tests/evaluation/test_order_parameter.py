import numpy as np
import pytest
from scipy.special import expit, logit

from glassliquid.evaluation.order_parameter import order_parameter

INDICES = tuple(range(0, 201, 20))


def evidence(middle: float, simulations: int, generator: np.random.Generator, scale: float = 3.0):
    """Logits of a network whose true P(glass) is 1/2 at the index `middle`, `scale` times too sure."""
    truth = (np.array(INDICES) - middle) / 25
    return scale * (truth + generator.normal(0, 0.5, size=(1, simulations, len(INDICES))))


def test_it_passes_one_half_where_the_evidence_changes_sign():
    covered, crossings = 0, []
    for seed in range(100):
        generator = np.random.default_rng(seed)
        validation, test = evidence(110, 60, generator), evidence(110, 60, generator)
        found = order_parameter(validation[:, :, [0, -1]], test, INDICES, generator, replicates=300)
        assert found.crossing is not None, found.reason
        covered += found.crossing.interval[0] <= 110 <= found.crossing.interval[1]
        crossings.append(found.crossing.index)
    # 95 % of 100 with a standard deviation of 2.2: three of them down.
    assert covered >= 88
    assert np.mean(crossings) == pytest.approx(110, abs=1)


def test_a_network_that_cannot_tell_the_ends_gives_no_answer():
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(1, 60, len(INDICES)))
    found = order_parameter(noise[:, :, [0, -1]], noise, INDICES, generator)
    assert found.crossing is None
    assert found.reason == "the network does not tell the two ends apart"


def test_probabilities_are_calibrated_on_the_validation_split():
    """At the ends 3 in 4 are what they are called, by logits that say 1 in 1 million: P(glass) has to come down to 3/4."""
    generator = np.random.default_rng(1)
    truth = np.tile([-1.0, 1.0], (2000, 1))
    called = np.where(generator.random(truth.shape) < 0.75, truth, -truth) * 13.8
    test = np.repeat(called[:, [0]], len(INDICES), axis=1)
    test[:, -1] = called[:, 1]
    found = order_parameter(called[None], test[None], INDICES, generator, replicates=50)
    # The share of right ones is certain to 0.7 % for 4,000.
    assert expit(13.8 / found.tau) == pytest.approx(0.75, abs=0.02)
    assert found.p_glass[0] == pytest.approx(0.75 * 0.25 + 0.25 * 0.75, abs=0.02)
    assert logit(0.75) * found.tau == pytest.approx(13.8, rel=0.1)
