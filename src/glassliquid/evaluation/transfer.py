"""Where a model stops working: its scores along the cooling, and where they cross a level.

At snapshot index k a model is asked to tell the liquid at k from the glass at a fixed, later index, in simulations that it
never trained on. Its accuracy falls from 1 to exactly 1/2 at the index of the glass itself, where both classes are the same
images. The breakdown is where it crosses 75 %, halfway from right to chance.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glassliquid.evaluation.bootstrap import REPLICATES, percentile_interval, resampled_means
from glassliquid.evaluation.intervals import combined_interval
from glassliquid.evaluation.scores import GLASS, glass_probabilities, score_logits, wilson_interval
from glassliquid.roc import auc_interval

BREAKDOWN_ACCURACY = 0.75
"""Halfway from right (1) to chance (1/2)."""
LIQUID = 1 - GLASS
CALLS_EVERYTHING = 0.95
"""Share of images given one name from which on a model is said to call everything so."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class Point:
    """A model's scores on liquid and glass images of one kind each; intervals are of 95 %."""

    simulations: int
    """How many simulations the images come from."""
    right: tuple[int, int]
    """How many glass and liquid images were classified rightly."""
    counts: tuple[int, int]
    """How many glass and liquid images there are."""
    accuracy: float
    """Over the images of both classes."""
    accuracy_interval: Interval
    """See `intervals.combined_interval`."""
    p_glass: float
    """Mean P(glass) of the liquid images: the order parameter."""
    p_glass_interval: Interval
    """From the bootstrap over simulations."""
    auc: float
    """Area under the ROC curve, nan if a class is missing."""
    auc_interval: Interval

    def class_accuracy(self, label: int) -> float:
        """Accuracy on one class, nan if it has no images."""
        return self.right[label] / self.counts[label] if self.counts[label] else float("nan")

    def class_interval(self, label: int) -> Interval:
        """Wilson interval of the accuracy on one class."""
        count = self.counts[label]
        return wilson_interval(self.right[label], count) if count else (float("nan"), float("nan"))


def score_point(
    logits: NDArray[np.floating],
    labels: NDArray[np.integer],
    simulations: NDArray[np.integer],
    generator: np.random.Generator,
) -> Point:
    """Scores of a model on some images.

    Args:
        logits: shape (n, 2).
        labels: class indices, shape (n,).
        simulations: which simulation each image is of, shape (n,).
        generator: source of the bootstrap's draws.

    Raises:
        UserError: there are no images, or a logit is not finite.
    """
    scores = score_logits(logits, labels)
    (gg, gl), (lg, ll) = scores.confusion
    counts, right = (gg + gl, lg + ll), (gg, ll)
    p_liquid = glass_probabilities(logits)[labels == LIQUID]
    if counts[LIQUID]:
        means = resampled_means(_by_simulation(p_liquid, simulations[labels == LIQUID]), generator)
        # A ratio, because simulations may have several images of a class, or none.
        p_glass, spread = float(p_liquid.mean()), percentile_interval(means[:, 0] / means[:, 1])
    else:
        p_glass, spread = float("nan"), (float("nan"), float("nan"))
    return Point(
        simulations=len(np.unique(simulations)),
        right=right,
        counts=counts,
        accuracy=scores.accuracy,
        accuracy_interval=combined_interval(right, counts, shared_fate(logits, labels, simulations)),
        p_glass=p_glass,
        p_glass_interval=spread,
        auc=scores.auc,
        auc_interval=auc_interval(
            logits[:, GLASS].astype(float) - logits[:, LIQUID], labels == GLASS, np.asarray(simulations)
        ),
    )


@dataclass(frozen=True)
class Curves:
    """One model along the cooling of n simulations, image by image."""

    indices: tuple[int, ...]
    """Liquid indices, ascending; the last one is that of the glass, where liquid and glass are the same images."""
    p_glass: NDArray[np.float64]
    """P(glass) of each simulation's image at each index, shape (n, indices)."""
    is_glass: NDArray[np.bool_]
    """Whether the image was called glass, shape (n, indices)."""

    def accuracies(self) -> NDArray[np.float64]:
        """Of each simulation, mean of right or wrong on the liquid at each index and on the glass, shape as `is_glass`."""
        on_liquid, on_glass = (~self.is_glass).astype(float), self.is_glass[:, -1:].astype(float)
        return np.asarray((on_liquid + on_glass) / 2)


@dataclass(frozen=True)
class Crossing:
    """Where a curve crosses a level, between stored snapshots, with the 95 % interval of the bootstrap over simulations."""

    index: float
    """Interpolated linearly between the neighbouring indices that were scored."""
    interval: Interval
    """Its ends lie within the indices that were scored. It never lies between two neighbouring ones: nothing is known of
    the curve there, so it is then all that lies between them."""


def bisect(
    holds: int, fails: int, stored: Sequence[int], value: Callable[[int], float], level: float
) -> tuple[int, int]:
    """Narrow the place where a falling curve crosses a level down to two neighbouring stored snapshots.

    Args:
        holds: an index at which the curve is at or above the level.
        fails: one at which it is below; it may lie on either side of `holds`.
        stored: all indices that can be looked at.
        value: gives the curve's value at a stored index.
        level: the level.

    Returns:
        The last index that holds and the first that fails.
    """
    while between := sorted(index for index in stored if min(holds, fails) < index < max(holds, fails)):
        middle = between[len(between) // 2]
        if value(middle) >= level:
            holds = middle
        else:
            fails = middle
    return holds, fails


def first_fall(indices: Sequence[int], values: NDArray[np.floating], level: float, start: int) -> NDArray[np.float64]:
    """Where curves first fall below a level, going from a starting place towards later indices.

    Args:
        indices: ascending, shape (k,).
        values: one curve a row, shape (m, k).
        level: the level.
        start: place in `indices` to start from.

    Returns:
        Interpolated indices, shape (m,): the starting one if the curve is below the level there, infinity if it never
        falls below.
    """
    x = np.asarray(indices, dtype=float)[start:]
    y = values[:, start:]
    below = y < level
    place = below.argmax(axis=1)
    rows = np.arange(len(y))
    before = np.maximum(place - 1, 0)
    y0, y1 = y[rows, before], y[rows, place]
    # Where place is 0 there is nothing to interpolate; the denominator is then set to anything but 0.
    share = (y0 - level) / np.where(place > 0, y0 - y1, 1)
    crossing = np.where(place > 0, x[before] + share * (x[place] - x[before]), x[0])
    return np.where(below.any(axis=1), crossing, np.inf)


def find_crossing(
    indices: Sequence[int],
    values: NDArray[np.floating],
    level: float,
    start: int,
    generator: np.random.Generator,
    replicates: int = REPLICATES,
) -> Crossing | None:
    """Where the mean over simulations first falls below a level, with its interval; None if it does not fall.

    Args:
        indices: ascending, shape (k,).
        values: one row per simulation, shape (n, k).
        level: the level.
        start: place in `indices` to start from; the mean is not below the level there.
        generator: source of the bootstrap's draws.
        replicates: how many resampled sets of simulations.
    """
    at = float(first_fall(indices, values.mean(axis=0, keepdims=True), level, start)[0])
    if not np.isfinite(at):
        return None
    low, high = percentile_interval(first_fall(indices, resampled_means(values, generator, replicates), level, start))
    low, high = min(low, float(indices[-1])), min(high, float(indices[-1]))
    if not any(low <= index <= high for index in indices):
        low = float(max(index for index in indices if index < low))
        high = float(min(index for index in indices if index > high))
    return Crossing(at, (low, high))


def anchor(indices: Sequence[int], accuracy: Sequence[float], trained: int | None, level: float) -> int | None:
    """Place of the index from which the breakdown is looked for: that nearest to the training's where the model holds.

    Args:
        indices: ascending.
        accuracy: at each index.
        trained: the liquid index of the training data; None takes the hottest index where the model holds.
        level: accuracy from which on it holds.

    Returns:
        A place in `indices`, None if the model holds nowhere.
    """
    holding = [place for place, value in enumerate(accuracy) if value >= level]
    return min(holding, key=lambda place: abs(indices[place] - (trained or 0)), default=None)


def first_of_all_glass(curves: Curves) -> int | None:
    """The first index from which on, at every later index too, 95 % or more of the liquid images are called glass."""
    share = curves.is_glass.mean(axis=0)[:-1]
    found = None
    for index, value in zip(reversed(curves.indices[:-1]), reversed(share), strict=True):
        if value < CALLS_EVERYTHING:
            break
        found = index
    return found


def _by_simulation(values: NDArray[np.floating], simulations: NDArray[np.integer]) -> NDArray[np.float64]:
    """Sum and number of the values of each simulation, shape (simulations, 2)."""
    _, place = np.unique(simulations, return_inverse=True)
    return np.stack([np.bincount(place, weights=values), np.bincount(place)], axis=1)


def shared_fate(logits: NDArray[np.floating], labels: NDArray[np.integer], simulations: NDArray[np.integer]) -> float:
    """Correlation between being right on a simulation's glass and on its liquid; 0 if one of them is always the same."""
    right = logits.argmax(axis=1) == labels
    by_class = [
        dict(zip(simulations[labels == label], right[labels == label], strict=True)) for label in (GLASS, LIQUID)
    ]
    both = sorted(by_class[0].keys() & by_class[1].keys())
    pairs = np.array([[float(of_class[each]) for each in both] for of_class in by_class])
    if len(both) < 2 or (pairs.std(axis=1) == 0).any():
        return 0.0
    return float(np.corrcoef(pairs)[0, 1])
