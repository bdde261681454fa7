"""P(glass) along the cooling as an order parameter: where does a network that knows only the two ends change its mind?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glassliquid.evaluation.bootstrap import REPLICATES, percentile_interval, resampled_means
from glassliquid.evaluation.calibration import fit_temperature
from glassliquid.evaluation.scores import wilson_interval
from glassliquid.evaluation.transfer import Crossing, find_crossing

HALF = 0.5


@dataclass(frozen=True)
class OrderParameter:
    """Mean P(glass) at each snapshot index, and where it passes one half."""

    indices: tuple[int, ...]
    p_glass: tuple[float, ...]
    """Calibrated, mean over the held-out simulations and the repeats."""
    intervals: tuple[tuple[float, float], ...]
    """95 %, from the bootstrap over simulations."""
    simulations: int
    right: int
    """How many snapshots of the two ends were classified rightly,"""
    ends: int
    """... and of how many."""
    tau: float
    """By which the logits were divided; of several repeats the mean."""
    crossing: Crossing | None
    """Where it passes one half."""
    reason: str
    """A clause that says why it does not; empty if it does."""


def order_parameter(
    validation: NDArray[np.floating],
    test: NDArray[np.floating],
    indices: Sequence[int],
    generator: np.random.Generator,
    replicates: int = REPLICATES,
) -> OrderParameter:
    """Calibrate on the validation split, then look at the test split, which nothing has seen.

    Args:
        validation: logit(glass) - logit(liquid), shape (repeats, simulations, 2): of the first and the last index.
        test: the same at all indices, shape (repeats, simulations, indices).
        indices: ascending; the network was trained on the first and the last.
        generator: source of the bootstrap's draws.
        replicates: how many resampled sets of simulations.
    """
    from scipy.special import expit

    taus = [fit_temperature(each.ravel(), np.tile([False, True], len(each))) for each in validation]
    p_glass = np.asarray(expit(test / np.array(taus)[:, None, None])).mean(axis=0)
    simulations = len(p_glass)
    means = p_glass.mean(axis=0)
    draws = resampled_means(p_glass, generator, replicates)
    # Of several repeats each simulation counts once: its mean answer.
    right = int((p_glass[:, 0] < HALF).sum() + (p_glass[:, -1] > HALF).sum())
    crossing, reason = None, ""
    if wilson_interval(right, 2 * simulations)[0] <= HALF:
        reason = "the network does not tell the two ends apart"
    elif not means[0] < HALF < means[-1]:
        reason = "it does not go from below one half to above it"
    else:
        crossing = find_crossing(indices, 1 - p_glass, HALF, 0, generator, replicates)
    return OrderParameter(
        indices=tuple(indices),
        p_glass=tuple(means.tolist()),
        intervals=tuple(percentile_interval(column) for column in draws.T),
        simulations=simulations,
        right=right,
        ends=2 * simulations,
        tau=float(np.mean(taus)),
        crossing=crossing,
        reason=reason,
    )
