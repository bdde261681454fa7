"""How T_g depends on the cooling rate."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glassliquid.evaluation.bootstrap import percentile_interval
from glassliquid.evaluation.glass_transition import GlassTransition, Interval


@dataclass(frozen=True)
class RateDependence:
    """T_g = T_1 + slope log10(q) of several ensembles that were cooled at the rates q."""

    intercept: float
    """T_1, at the rate 1 [epsilon_AA / k_B]."""
    slope: float
    """For a factor of ten in the rate [epsilon_AA / k_B]."""
    slope_interval: Interval
    """95 %, from the bootstraps over the simulations of each ensemble."""
    residual: float | None
    """Root mean square distance of the T_g from the line; None for two, which any line meets."""


def rate_dependence(transitions: Sequence[GlassTransition], rates: Sequence[float]) -> RateDependence:
    """The logarithmic dependence of T_g on the cooling rate, by least squares weighted with the widths of the intervals.

    Over few decades T_g is linear in the logarithm of the rate (Ritland, J. Am. Ceram. Soc. 37, 370 (1954)).

    Args:
        transitions: of two or more ensembles.
        rates: how fast each was cooled, -dT/dt, not all equal.
    """
    logs = np.log10(np.asarray(rates, dtype=np.float64))
    found = np.array([each.temperature for each in transitions])
    widths = np.array([each.interval[1] - each.interval[0] for each in transitions])
    weights = 1 / np.maximum(widths, np.finfo(float).eps)
    fewest = min(len(each.resampled) for each in transitions)
    draws = np.column_stack([each.resampled[:fewest] for each in transitions])
    solve = np.linalg.pinv(np.column_stack([np.ones_like(logs), logs]) * weights[:, None])
    intercept, slope = solve @ (found * weights)
    slopes = (draws * weights) @ solve[1]
    left = found - intercept - slope * logs
    residual = float(np.sqrt(np.mean(left**2))) if len(found) > 2 else None
    return RateDependence(float(intercept), float(slope), percentile_interval(slopes), residual)
