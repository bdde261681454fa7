"""The area under the ROC curve, and its confidence interval."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
"""Of every interval, unless another is asked for."""
NOTHING = 1e-12
"""A standard error below this is rounding."""


def normal_quantile(confidence: float = CONFIDENCE) -> float:
    """How many standard deviations a two-sided interval of this confidence reaches, 1.96 for 95 %."""
    from scipy.stats import norm

    return float(norm.ppf((1 + confidence) / 2))


def auc_interval(
    score: NDArray[np.floating],
    is_glass: NDArray[np.bool_],
    simulations: NDArray[np.integer],
    confidence: float = CONFIDENCE,
) -> tuple[float, float]:
    """Interval of the area under the ROC curve A = P(score of a glass > score of a liquid).

    With V_i the share of the other class that image i is on the right side of, the variance is the sum over simulations of
    (sum_i in simulation (V_i - A) / n_class(i))^2, times S/(S - 1) for S simulations; the interval is A -+ z standard
    errors on the scale of log(A / (1 - A)). Sources: DeLong, DeLong and Clarke-Pearson, Biometrics 44, 837 (1988);
    Obuchowski, Biometrics 53, 567 (1997), for images that belong together. Where nothing varies, as when the classes are
    separated perfectly, it is that of `separated_interval`.

    Args:
        score: grows with P(glass), shape (n,).
        is_glass: shape (n,).
        simulations: which simulation each image is of, shape (n,).
        confidence: how often the interval shall cover the true area.

    Returns:
        Both nan if a class is missing.
    """
    glass, liquid = int(is_glass.sum()), int((~is_glass).sum())
    if not glass or not liquid:
        return math.nan, math.nan
    share = _right_sides(score, is_glass)
    auc = float(share[is_glass].mean())
    _, place = np.unique(simulations, return_inverse=True)
    parts = np.bincount(place, weights=(share - auc) / np.where(is_glass, glass, liquid))
    error = math.sqrt(len(parts) / max(len(parts) - 1, 1) * float((parts**2).sum()))
    if auc in (0.0, 1.0) or error < NOTHING:
        return separated_interval(auc, glass, liquid, confidence)
    middle, reach = math.log(auc / (1 - auc)), normal_quantile(confidence) * error / (auc * (1 - auc))
    return _logistic(middle - reach), _logistic(middle + reach)


def separated_interval(auc: float, glass: int, liquid: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Interval of an area under the ROC curve from the numbers of images alone; it has a width even at 1.

    The bounds are the values A that lie z standard errors from the one found: (auc - A)^2 = z^2 V(A), with
    V(A) = A (1 - A) [1 + m (1 - A)/(2 - A) + m A/(1 + A)] / (glass liquid), m = (glass + liquid)/2 - 1.
    Source: Newcombe, Stat. Med. 25, 559 (2006), method 5, on Hanley and McNeil, Radiology 143, 29 (1982).
    """
    from scipy.optimize import brentq

    z_squared, m = normal_quantile(confidence) ** 2, (glass + liquid) / 2 - 1

    def excess(a: float) -> float:
        variance = a * (1 - a) * (1 + m * (1 - a) / (2 - a) + m * a / (1 + a)) / (glass * liquid)
        return (auc - a) ** 2 - z_squared * variance

    # Next to the value found the variance wins, at the far end the distance does.
    near = 1e-9
    low = _solution(brentq, excess, 0.0, max(auc - near, 0.0))
    high = _solution(brentq, excess, 1.0, min(auc + near, 1.0))
    return low, high


def _right_sides(score: NDArray[np.floating], is_glass: NDArray[np.bool_]) -> NDArray[np.float64]:
    """For each glass the share of liquids with a lower score, for each liquid that of glasses with a higher one."""
    from scipy.stats import rankdata

    share = np.empty(len(score))
    ranks = rankdata(score)  # ties count one half
    for chosen, sign in ((is_glass, 1), (~is_glass, -1)):
        others = len(score) - int(chosen.sum())
        below = (ranks[chosen] - rankdata(score[chosen])) / others
        share[chosen] = below if sign > 0 else 1 - below
    return share


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def _solution(solve: Callable[..., float], excess: Callable[[float], float], far: float, near: float) -> float:
    return far if abs(near - far) < 1e-8 else float(solve(excess, far, near))
