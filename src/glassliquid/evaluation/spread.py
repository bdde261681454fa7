"""How equal runs differ: mean, standard deviation and the confidence interval of the mean."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glassliquid.roc import CONFIDENCE


@dataclass(frozen=True)
class Spread:
    """Figures of several runs that differ in their seeds only."""

    count: int
    mean: float
    deviation: float
    """Standard deviation, with n - 1 in the denominator; nan for one run."""
    interval: tuple[float, float]
    """95 % confidence interval of the mean, by Student's t; nan for one run."""
    lowest: float
    highest: float

    @property
    def interval_of_share(self) -> tuple[float, float]:
        """The interval where the values are shares: the mean of shares lies between 0 and 1."""
        low, high = self.interval
        return float(np.clip(low, 0.0, 1.0)), float(np.clip(high, 0.0, 1.0))


def spread(values: Sequence[float]) -> Spread:
    """Mean +- t s / n^(1/2), with s the standard deviation and t Student's quantile of n - 1 degrees of freedom.

    Raises:
        ValueError: there are no values.
    """
    from scipy.stats import t

    if not len(values):
        raise ValueError("there are no values")
    array = np.asarray(values, dtype=np.float64)
    count, mean = len(array), float(array.mean())
    deviation = float(array.std(ddof=1)) if count > 1 else float("nan")
    margin = float(t.ppf((1 + CONFIDENCE) / 2, count - 1)) * deviation / count**0.5 if count > 1 else float("nan")
    return Spread(count, mean, deviation, (mean - margin, mean + margin), float(array.min()), float(array.max()))
