"""Confidence intervals of accuracies over two classes."""

import math
from collections.abc import Sequence

from glassliquid.evaluation.scores import wilson_interval
from glassliquid.roc import CONFIDENCE


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


def _root(parts: Sequence[float], correlation: float) -> float:
    first, second = parts
    return math.sqrt(max(first**2 + second**2 + 2 * correlation * first * second, 0.0))
