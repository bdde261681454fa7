"""Confidence intervals of accuracies: over two classes, and of several models on the same images."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from glassliquid.evaluation.scores import wilson_interval
from glassliquid.roc import CONFIDENCE, NOTHING, normal_quantile


def combined_interval(
    right: Sequence[int], counts: Sequence[int], correlation: float = 0.0, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Interval of the accuracy over all images, right.sum() / counts.sum(), when the classes have fixed sizes.

    Wilson's intervals (l_c, u_c) of the classes' accuracies p_c are combined by square and add: with the classes' shares
    w_c of the images and d_c = w_c (p_c - l_c), the lower bound is p - sqrt(d_1^2 + d_2^2 + 2 phi d_1 d_2), the upper
    one likewise. Source: Newcombe, Stat. Med. 17, 2635 (1998), score intervals of paired proportions, here for a sum.

    Wilson's interval of the total would take all images for independent draws of one accuracy. It is too wide when the
    classes differ (48 % from a model that calls everything glass is quite certain), and too narrow when the two images
    of a simulation share their fate.

    Args:
        right: how many images of each class were classified rightly.
        counts: how many images each class has; a class may have none.
        correlation: of being right on the first and on the second class's image of a simulation, -1 to 1.
        confidence: how often the interval shall cover the true accuracy.

    Raises:
        ValueError: there are no images.
    """
    total = sum(counts)
    if total <= 0:
        raise ValueError("an accuracy needs images")
    accuracy = sum(right) / total
    below, above = [0.0, 0.0], [0.0, 0.0]
    for place, (good, count) in enumerate(zip(right, counts, strict=True)):
        if count:
            low, high = wilson_interval(good, count, confidence)
            below[place] = count / total * (good / count - low)
            above[place] = count / total * (high - good / count)
    return accuracy - _root(below, correlation), accuracy + _root(above, correlation)


def pooled_interval(
    right: NDArray[np.bool_], simulations: NDArray[np.integer], confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Interval of the mean accuracy of several models on the same images, of which those of a simulation belong together.

    Wilson's with an effective number of answers n* = p (1 - p) / V (z / t)^2, where p is the share of right answers, V its variance
    with S simulations as units, S/(S - 1) sum_j (r_j - p n_j)^2 / (sum_j n_j)^2 for r_j of n_j right in simulation j, and t
    Student's quantile of S - 1 degrees of freedom. Where all answers are right, or all wrong, it is S: each simulation then
    says one thing. Source: Korn and Graubard, Survey Methodology 24, 193 (1998), there with the interval of Clopper and Pearson.
    It says what these models would do in other simulations, not what other models would do.

    Args:
        right: whether each model is right on each image, shape (models, images).
        simulations: which simulation each image is of, shape (images,).
        confidence: how often the interval shall cover the true accuracy.

    Raises:
        ValueError: there are fewer than two simulations.
    """
    from scipy.stats import t

    _, place = np.unique(simulations, return_inverse=True)
    answers = len(right) * np.bincount(place)
    units = len(answers)
    if units < 2:
        raise ValueError("an interval over simulations needs two of them")
    share = float(right.mean())
    z = normal_quantile(confidence)
    residuals = np.bincount(place, weights=right.sum(axis=0)) - share * answers
    variance = units / (units - 1) * float((residuals**2).sum()) / float(answers.sum()) ** 2
    if variance > NOTHING:
        count = share * (1 - share) / variance * (z / float(t.ppf((1 + confidence) / 2, units - 1))) ** 2
    else:
        count = float(units)
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    reach = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return max(middle - reach, 0.0), min(middle + reach, 1.0)


def _root(parts: Sequence[float], correlation: float) -> float:
    first, second = parts
    return math.sqrt(max(first**2 + second**2 + 2 * correlation * first * second, 0.0))
