"""Calibration: is P(glass) the share of glass among the images that get it?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glassliquid.evaluation.scores import wilson_interval

BINS = 10


@dataclass(frozen=True)
class ReliabilityBin:
    """The images whose P(glass) lies in one interval."""

    low: float
    """Lower end of the interval of P(glass)."""
    high: float
    """Upper end, which belongs to the next bin (that of the last bin, 1, to itself)."""
    images: int
    """How many, at least one."""
    glass: int
    """How many of them are glass."""
    mean_p_glass: float
    """Mean of their P(glass)."""

    @property
    def share(self) -> float:
        """Share of glass."""
        return self.glass / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the share of glass."""
        return wilson_interval(self.glass, self.images)


def reliability(p_glass: NDArray[np.floating], is_glass: NDArray[np.bool_], bins: int = BINS) -> list[ReliabilityBin]:
    """The images by equally wide intervals of P(glass); empty ones are left out.

    Args:
        p_glass: shape (n,), 0 to 1.
        is_glass: shape (n,).
        bins: how many intervals 0..1 is cut into.
    """
    place = np.minimum((np.asarray(p_glass) * bins).astype(np.intp), bins - 1)
    images = np.bincount(place, minlength=bins)
    glass = np.bincount(place, weights=is_glass, minlength=bins)
    total = np.bincount(place, weights=p_glass, minlength=bins)
    return [
        ReliabilityBin(b / bins, (b + 1) / bins, int(images[b]), int(glass[b]), float(total[b] / images[b]))
        for b in range(bins)
        if images[b]
    ]


def expected_calibration_error(found: list[ReliabilityBin]) -> float:
    """Mean distance between share of glass and mean P(glass), bins weighted by their images.

    ECE = sum_b (n_b / n) |share_b - mean P_b|. Source: Naeini, Cooper and Hauskrecht, AAAI 2015, for the probability of
    one class. It is biased upwards by chance: with few images in a bin the share of a perfect model differs too.
    """
    total = sum(each.images for each in found)
    return sum(each.images / total * abs(each.share - each.mean_p_glass) for each in found)


def fit_temperature(logits: NDArray[np.floating], is_glass: NDArray[np.bool_]) -> float:
    """The number tau by which logits are divided so that P(glass) is calibrated: temperature scaling.

    tau minimises the mean cross-entropy of glass and liquid. Source: Guo, Pleiss, Sun and Weinberger, ICML 2017. Where a network makes
    no mistake that has no minimum (tau would be zero); so the labels are softened to (n_glass + 1) / (n_glass + 2) and
    1 / (n_liquid + 2), as in Platt, Advances in Large Margin Classifiers, 61 (2000).

    Args:
        logits: logit(glass) - logit(liquid), shape (n,).
        is_glass: shape (n,), both classes are there.

    Returns:
        tau, from 0.001 to 1,000; equal to the upper bound for a network that knows nothing.
    """
    from scipy.optimize import minimize_scalar

    x, glass = np.asarray(logits, dtype=np.float64), int(is_glass.sum())
    target = np.where(is_glass, (glass + 1) / (glass + 2), 1 / (len(is_glass) - glass + 2))

    def loss(log_tau: float) -> float:
        scaled = x / np.exp(log_tau)
        return float(np.mean(np.logaddexp(0, scaled) - target * scaled))

    widest = np.log(1000)
    found = minimize_scalar(loss, bounds=(-widest, widest), method="bounded")
    return float(np.exp(found.x))
