"""Learning by confusion: at which guess of a transition does a network that is trained on it answer best?

Source: van Nieuwenburg, Liu and Huber, Nature Physics 13, 435 (2017). Snapshots along the cooling are labelled liquid before a
guess and glass from it on, whether that is right or not, and a network is trained on these labels. At both ends it is trivially
right, because nearly all snapshots have one label. If the structure changes somewhere, the accuracy has a maximum there,
between two valleys: the W shape.

The accuracy is that over all snapshots. Its trivial part, the fraction of the larger class, is shown beside it, and a maximum has to
be above that. It is not divided out: a network that reads the temperature with a constant error is equally accurate at all
guesses, and balanced accuracies, or gains over the larger class, would have a maximum in the middle for it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glassliquid.evaluation.bootstrap import REPLICATES, percentile_interval, resampled_means
from glassliquid.roc import CONFIDENCE

Interval = tuple[float, float]
Array = NDArray[np.float64]

NORMAL_MEDIAN = 0.6745
"""Median of the size of a standard normal number."""
SECOND_DIFFERENCE = 6**0.5
"""Standard deviation of x_1 - 2 x_2 + x_3 for independent standard normal numbers."""


@dataclass(frozen=True)
class Maximum:
    """Where the accuracy has a maximum between two valleys."""

    guess: int
    """The first index of the glass, at the guess with the highest accuracy."""
    interval: Interval
    """95 % interval [indices]; it begins at the last snapshot before the change and so is never narrower than their distance."""
    prominence: float
    """How far the accuracy is above the higher one of the two valleys."""


@dataclass(frozen=True)
class ConfusionCurve:
    """The accuracies of one kind of network over the guesses."""

    guesses: tuple[int, ...]
    accuracy: tuple[float, ...]
    """Over all held-out snapshots, mean over the repeats."""
    intervals: tuple[Interval, ...]
    """95 %, from the bootstrap over simulations."""
    majority: tuple[float, ...]
    """Share of the larger class: what a network reaches that has learned nothing."""
    noise: float
    """Standard deviation of the accuracies by the training alone."""
    simulations: int
    repeats: int
    maximum: Maximum | None
    reason: str
    """A clause that says why there is no maximum; empty if there is one."""


def majority_shares(samples: Sequence[int], guesses: Sequence[int]) -> tuple[float, ...]:
    """Share of the larger class at each guess: snapshots before it are liquid, the others glass."""
    before = [sum(index < guess for index in samples) / len(samples) for guess in guesses]
    return tuple(max(share, 1 - share) for share in before)


def confusion_curve(
    right: NDArray[np.floating],
    samples: Sequence[int],
    guesses: Sequence[int],
    generator: np.random.Generator,
    replicates: int = REPLICATES,
) -> ConfusionCurve:
    """The curve, and its maximum if it has one.

    Where a network does worse than the fraction of the larger class it counts as that share, which it had only to say: a network that was
    trained too briefly, or on too little, would have its maximum in the middle otherwise.

    A guess is a maximum if its accuracy is above the fraction of the larger class, and above the lowest accuracy on either side of
    it, by z standard errors of the difference. A standard error has a part from the simulations (bootstrap) and one from the
    training: of three and more repeats their spread, else the roughness of the curve, median |second difference| / (0.6745 sqrt 6). z is
    the normal quantile of a 95 % interval, corrected for the number of guesses (Bonferroni).

    Args:
        right: share of its snapshots that were classified rightly, shape (repeats, simulations, guesses).
        samples: snapshot indices that were classified, ascending.
        guesses: indices at which the glass was said to begin, ascending, all of them in `samples`.
        generator: source of the bootstrap's draws.
        replicates: how many resampled sets of simulations.
    """
    from scipy.stats import norm

    shares = np.asarray(right, dtype=np.float64)
    repeats, simulations, count = shares.shape
    means = resampled_means(shares.mean(axis=0), generator, replicates)
    own, majority = shares.mean(axis=(0, 1)), np.array(majority_shares(samples, guesses))
    noise = _training_noise(shares, own)
    accuracy, draws = np.maximum(own, majority), np.maximum(means, majority)
    z = float(norm.ppf(1 - (1 - CONFIDENCE) / 2 / count))
    candidate = _most_prominent(accuracy)
    maximum, reason = None, ""
    if candidate is None:
        reason = "no guess has a lower accuracy on both sides"
    else:
        place, left, after = candidate
        if own[place] - majority[place] <= z * math.hypot(float(means[:, place].std()), noise):
            reason = f"at guess {guesses[place]}, the best one between two lower ones, the accuracy is no higher than the fraction of the larger class"
        elif any(
            accuracy[place] - accuracy[valley]
            <= z * math.hypot(float((draws[:, place] - draws[:, valley]).std()), 2**0.5 * noise)
            for valley in (left, after)
        ):
            reason = f"the rise above the guesses on both sides, at {guesses[place]}, is within the errors"
        else:
            between = draws[:, left : after + 1] + generator.normal(0, noise, size=(replicates, after - left + 1))
            low, high = percentile_interval((left + between.argmax(axis=1)).astype(float))
            begins = max(index for index in samples if index < guesses[int(low)])
            prominence = float(accuracy[place] - max(accuracy[left], accuracy[after]))
            maximum = Maximum(guesses[place], (float(begins), float(guesses[int(high)])), prominence)
    return ConfusionCurve(
        guesses=tuple(guesses),
        accuracy=tuple(own.tolist()),
        intervals=tuple(percentile_interval(column) for column in means.T),
        majority=tuple(majority.tolist()),
        noise=noise,
        simulations=simulations,
        repeats=repeats,
        maximum=maximum,
        reason=reason,
    )


def _most_prominent(accuracy: Array) -> tuple[int, int, int] | None:
    """Places of the guess that rises highest above the lowest one on either side, and of these two; None if none rises."""
    best, found = 0.0, None
    for place in range(1, len(accuracy) - 1):
        left, after = int(accuracy[:place].argmin()), place + 1 + int(accuracy[place + 1 :].argmin())
        prominence = float(accuracy[place] - max(accuracy[left], accuracy[after]))
        if prominence > best:
            best, found = prominence, (place, left, after)
    return found


def _training_noise(shares: Array, accuracy: Array) -> float:
    """Standard deviation of a guess's accuracy by the seed of its training runs."""
    repeats = len(shares)
    if repeats >= 3:
        variance = shares.mean(axis=1).var(axis=0, ddof=1).mean()
        return float(np.sqrt(variance / repeats))
    second = accuracy[:-2] - 2 * accuracy[1:-1] + accuracy[2:]
    return float(np.median(np.abs(second)) / NORMAL_MEDIAN / SECOND_DIFFERENCE)
