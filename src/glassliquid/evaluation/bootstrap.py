"""Bootstrap over simulations: how a result would vary had other simulations been made.

All images of a simulation are drawn together or not at all, because a simulation is the unit of independence.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from glassliquid.roc import CONFIDENCE

REPLICATES = 2000
"""Resampled sets; the ends of a 95 % interval are then certain to about a tenth of its half width."""
WEIGHTS_AT_ONCE = 1_000_000
"""Numbers of the resampling that are held at a time (8 MB)."""


def resampled_means(
    values: NDArray[np.floating], generator: np.random.Generator, replicates: int = REPLICATES
) -> NDArray[np.float64]:
    """Means of the values over resampled simulations: rows are drawn with replacement, as many as there are.

    Source: Efron, Ann. Stat. 7, 1 (1979). The same rows are drawn for all columns, so that what depends on several of
    them, such as where a curve crosses a level, can be computed from each line of the result.

    Args:
        values: shape (simulations, quantities).
        generator: source of the draws.
        replicates: how many resampled sets.

    Returns:
        Shape (replicates, quantities).
    """
    n = len(values)
    means: NDArray[Any] = np.empty((replicates, values.shape[1]))
    step = max(1, WEIGHTS_AT_ONCE // n)
    chances = np.full(n, 1 / n)
    for start in range(0, replicates, step):
        part = means[start : start + step]
        # How often each simulation is drawn; its product with the values is the sum over the resampled set.
        part[:] = generator.multinomial(n, chances, size=len(part)) @ values / n
    return means


def percentile_interval(samples: NDArray[np.floating], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The interval that holds the middle share `confidence` of the samples; infinities count as outside."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(samples, [tail, 1 - tail], method="inverted_cdf")
    return float(low), float(high)
