"""A look at particles that were read: do they lie as those of a dense fluid, in units of sigma_AA?"""

import numpy as np
from numpy.typing import NDArray

from glassliquid.trajectories.frames import SKIN, Frame

OVERLAP, CLOSE, FAR = 0.2, 0.6, 2.0
"""Median distance of nearest neighbours [sigma_AA]: below the first they lie upon each other, which no potential allows; below the
second they are closer than the mixture's at any temperature here; above the third they are a gas. The mixture itself has 0.82 to 0.86."""
THIN, DENSE = 0.8, 1.6
"""Particles for each sigma_AA^2; the mixture has 1.2, and beyond these something is probably missing, or a unit is another."""
EMPTY = 1.5
"""Width of a strip without any particle that is told [sigma_AA]: between the rows of a crystal there is less than 1."""

CHECK = "check which columns are the positions, the unit of length (sigma=NUMBER converts) and the box"


def look_at(frame: Frame) -> str | None:
    """Refuse a frame whose particles overlap or are far apart; a warning, in a sentence, if they only look odd.

    Raises:
        UserError: they cannot be a dense fluid in units of sigma_AA.
    """
    distance = nearest_neighbour_distance(frame.positions, frame.length)
    found = f"has nearest neighbours at a median distance of {distance:.3g}, where the mixture has about 0.85 sigma_AA"
    if not OVERLAP <= distance <= FAR:
        frame.location.refuse(found, remedy=CHECK)
    if distance < CLOSE:
        return f"{frame.location.path} {found}: {CHECK}."
    extent = 0.0 if frame.told is None else float(np.ptp(frame.told, axis=0).max())
    if extent > frame.length + 2 * SKIN:
        return (
            f"{frame.location.path} has positions that extend over {extent:.4g} in a box of side {frame.length:.4g} and were "
            f"wrapped into it: {CHECK}."
        )
    gap = max(_widest_gap(frame.positions[:, axis], frame.length) for axis in (0, 1))
    if gap > EMPTY:
        return f"{frame.location.path} has an empty strip {gap:.3g} wide in a box of side {frame.length:.4g}: {CHECK}."
    if (count := len(frame.types)) < frame.largest_id:
        return (
            f"{frame.location.path} has {count} particles, whose ids run up to {frame.largest_id}: check that it has all of them, and not "
            "those of one group or one processor."
        )
    if not THIN <= (density := count / frame.length**2) <= DENSE:
        return f"{frame.location.path} has {density:.3g} particles per sigma_AA^2, where the mixture has 1.2: {CHECK}."
    return None


def nearest_neighbour_distance(positions: NDArray[np.float64], length: float) -> float:
    """Median distance of the nearest neighbours in the periodic box."""
    from scipy.spatial import cKDTree

    if len(positions) < 2:
        return length
    inside = np.mod(positions, length)
    inside[inside >= length] = 0.0
    return float(np.median(cKDTree(inside, boxsize=length).query(inside, k=2)[0][:, 1]))


def _widest_gap(coordinates: NDArray[np.float64], length: float) -> float:
    ordered = np.sort(coordinates)
    return float(np.diff(ordered, append=ordered[0] + length).max())
