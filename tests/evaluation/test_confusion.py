import numpy as np
import pytest
from numpy.typing import NDArray

from glassliquid.evaluation.confusion import confusion_curve, majority_shares

SAMPLES = tuple(range(0, 201, 10))
GUESSES = SAMPLES[1:]


def answers(
    is_glass_of: NDArray[np.float64], generator: np.random.Generator, simulations: int = 120
) -> NDArray[np.bool_]:
    """Right answers, shape (1, simulations, guesses), of a network that calls snapshot s glass at guess g with chance [g, s]."""
    truth = np.array(SAMPLES) >= np.array(GUESSES)[:, None]
    called = generator.random((simulations, *truth.shape)) < is_glass_of
    return (called == truth).mean(axis=2)[None]


def of_two_states(change: int) -> NDArray[np.float64]:
    """The best answers where snapshots before `change` look alike, and those from it on."""
    shares = np.zeros((len(GUESSES), len(SAMPLES)))
    for row, guess in enumerate(GUESSES):
        for looks_cold in (False, True):
            alike = [place for place, index in enumerate(SAMPLES) if (index >= change) is looks_cold]
            shares[row, alike] = np.mean([SAMPLES[place] >= guess for place in alike]) > 0.5
    return shares


@pytest.mark.parametrize("change", [60, 120, 180])
def test_two_states_have_their_maximum_where_they_change(change: int):
    # One answer in twenty is a coin's.
    shares = 0.95 * of_two_states(change) + 0.025
    curve = confusion_curve(answers(shares, np.random.default_rng(0)), SAMPLES, GUESSES, np.random.default_rng(1))
    assert curve.maximum is not None, curve.reason
    assert curve.maximum.guess == change
    low, high = curve.maximum.interval
    # The change lies between the last hot and the first cold snapshot.
    assert low <= change - 10
    assert high >= change
    assert curve.accuracy[GUESSES.index(change)] > 0.9


def test_a_network_that_learns_nothing_has_no_maximum():
    """It says what most labels are: the accuracy is the fraction of the larger class, a V."""
    before = np.array([np.mean(np.array(SAMPLES) < guess) for guess in GUESSES])
    shares = np.repeat((before < 0.5)[:, None], len(SAMPLES), axis=1).astype(float)
    curve = confusion_curve(answers(shares, np.random.default_rng(0)), SAMPLES, GUESSES, np.random.default_rng(1))
    assert curve.maximum is None
    assert curve.reason
    assert curve.accuracy == pytest.approx(majority_shares(SAMPLES, GUESSES))


def test_a_network_that_throws_coins_has_no_maximum():
    """300 times: a maximum by chance, at a confidence of 95 %, in at most one in forty of them, and 300 may differ from that by 1 %."""
    generator, found = np.random.default_rng(2), 0
    shares = np.full((len(GUESSES), len(SAMPLES)), 0.5)
    for _ in range(300):
        right = answers(shares, generator, simulations=40)
        found += confusion_curve(right, SAMPLES, GUESSES, generator, replicates=200).maximum is not None
    assert found / 300 < 0.035


def test_a_thermometer_has_no_maximum():
    """What reads the temperature with a constant error is equally right at all guesses but for the ends."""
    from scipy.stats import norm

    shares = norm.cdf((np.array(SAMPLES) - np.array(GUESSES)[:, None] + 5) / 15)
    found = 0
    for seed in range(100):
        right = answers(shares, np.random.default_rng(seed))
        found += confusion_curve(right, SAMPLES, GUESSES, np.random.default_rng(1), 200).maximum is not None
    # 5 % of a test at 95 %, and twice the standard deviation of a share of 100.
    assert found <= 9


def test_a_network_that_was_trained_too_briefly_has_no_maximum_in_the_middle():
    """68 % in the middle and 60 % at the ends, where 95 % had only to be said: above the larger class it rises by one point."""
    accuracy = 0.60 + 0.08 * np.exp(-(((np.array(GUESSES) - 105) / 50) ** 2))
    right = np.random.default_rng(4).binomial(len(SAMPLES), accuracy, size=(1, 200, len(GUESSES))) / len(SAMPLES)
    curve = confusion_curve(right, SAMPLES, GUESSES, np.random.default_rng(1))
    assert curve.accuracy[GUESSES.index(100)] - max(curve.accuracy[0], curve.accuracy[-1]) > 0.05
    assert curve.maximum is None, curve.maximum


def test_repeats_are_averaged_and_tell_what_the_training_does():
    shares = 0.9 * of_two_states(120) + 0.05
    generator = np.random.default_rng(3)
    right = np.concatenate([answers(shares, generator) for _ in range(4)])
    right = right + generator.normal(0, 0.02, size=(4, 1, len(GUESSES)))
    curve = confusion_curve(right, SAMPLES, GUESSES, generator)
    assert curve.repeats == 4
    # Of the mean of four; the answers of 120 simulations add 0.3 x sqrt(1 / 120 / 21 / 4) = 0.003. Twenty estimates of three degrees
    # of freedom are certain to 10 %.
    assert curve.noise == pytest.approx((0.01**2 + 0.003**2) ** 0.5, rel=0.3)
    assert curve.maximum is not None
    assert curve.maximum.guess == 120


def test_the_share_of_the_larger_class_is_counted_over_the_snapshots():
    assert majority_shares((0, 50, 100, 200), (50, 100, 200)) == pytest.approx((0.75, 0.5, 0.75))
