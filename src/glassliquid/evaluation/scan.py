"""Scan a model along the cooling: coarsely first, then by bisection where it stops working."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glassliquid.evaluation.scores import GLASS, check_finite, glass_probabilities
from glassliquid.evaluation.transfer import (
    BREAKDOWN_ACCURACY,
    LIQUID,
    Crossing,
    Curves,
    Point,
    anchor,
    bisect,
    find_crossing,
    first_of_all_glass,
    score_point,
)

HALF = 0.5
SEED = 0
"""Of the bootstrap: the same images give the same intervals."""

LogitsAt = Callable[[Sequence[int]], NDArray[np.floating]]
"""Gives the model's logits for the images at some stored indices, shape (simulations, indices, 2)."""


@dataclass(frozen=True)
class CoolingScan:
    """What a model does along the cooling."""

    glass: int
    """Snapshot index of the glass."""
    points: dict[int, Point]
    """Scores on the liquid at each index against the glass, ascending."""
    p_glass_of_glass: float
    """Mean P(glass) of the glass images."""
    breakdown: Crossing | None
    """Where the accuracy falls below 75 %, going from the training's index towards the glass; None if it nowhere holds."""
    breakdown_hot: float | None
    """Where it falls below 75 % going the other way, interpolated; None if it holds up to the hottest index scored."""
    half_glass: Crossing | None
    """Where the order parameter, mean P(glass), passes one half; None if it does not."""
    all_glass_from: int | None
    """First index from which on the model calls everything glass, liquids up to the last index included."""


def scan_cooling(
    logits_at: LogitsAt,
    stored: Sequence[int],
    liquids: Sequence[int],
    glass: int,
    trained: int | None,
    refine: bool,
) -> CoolingScan:
    """Score a model at some liquid indices and find where it breaks down.

    Args:
        logits_at: scores the images of all simulations at some indices.
        stored: indices that can be asked for, those before `glass`.
        liquids: indices of the coarse scan, all of them stored.
        glass: index of the glass.
        trained: the liquid index of the training data, None if it has none.
        refine: narrow the crossings down by bisection over the stored indices, then look at all that lie within their
            intervals; otherwise they are interpolated between the indices of the coarse scan.

    Raises:
        UserError: a logit is not finite.
    """
    scan = _Scan(logits_at, stored, glass)
    scan.require([*liquids, glass])
    start = anchor(scan.indices[:-1], scan.accuracy[:-1].tolist(), trained, BREAKDOWN_ACCURACY)
    held = scan.indices[start] if start is not None else None
    breakdown = scan.crossing(Curves.accuracies, BREAKDOWN_ACCURACY, held, refine) if held is not None else None
    doubtful = [index for index, p in zip(scan.indices, scan.p_glass, strict=True) if p < HALF and index != glass]
    origin = held if held is not None else (trained or 0)
    nearest = min(doubtful, key=lambda index: abs(index - origin), default=None)
    half = scan.crossing(_liquidness, HALF, nearest, refine) if nearest is not None else None
    return CoolingScan(
        glass=glass,
        points={index: scan.point(index) for index in scan.indices[:-1]},
        p_glass_of_glass=float(scan.p_glass[-1]),
        breakdown=breakdown,
        breakdown_hot=scan.hot_side(held) if held is not None else None,
        half_glass=half,
        all_glass_from=first_of_all_glass(scan.curves()),
    )


def _liquidness(curves: Curves) -> NDArray[np.float64]:
    """1 - P(glass), which falls where P(glass) rises."""
    return 1 - curves.p_glass


class _Scan:
    """The indices that have been scored so far."""

    def __init__(self, logits_at: LogitsAt, stored: Sequence[int], glass: int) -> None:
        self._logits_at, self._glass = logits_at, glass
        self._stored = sorted(index for index in stored if index < glass)
        self._logits: dict[int, NDArray[np.floating]] = {}

    def require(self, indices: Sequence[int]) -> None:
        """Score those of the indices that were not scored yet."""
        lacking = sorted(set(indices) - self._logits.keys())
        if lacking:
            logits = self._logits_at(lacking)
            check_finite(logits)
            self._logits |= dict(zip(lacking, np.moveaxis(logits, 1, 0), strict=True))

    @property
    def indices(self) -> tuple[int, ...]:
        """What was scored, ascending; the glass is the last."""
        return tuple(sorted(self._logits))

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """At each index."""
        return np.asarray(self.curves().accuracies().mean(axis=0))

    @property
    def p_glass(self) -> NDArray[np.float64]:
        """Mean at each index."""
        return np.asarray(self.curves().p_glass.mean(axis=0))

    def curves(self) -> Curves:
        """What was found, simulation by simulation."""
        by_index = [self._logits[index] for index in self.indices]
        return Curves(
            self.indices,
            np.stack([glass_probabilities(logits) for logits in by_index], axis=1),
            np.stack([logits.argmax(axis=1) == GLASS for logits in by_index], axis=1),
        )

    def point(self, index: int) -> Point:
        """Scores on the liquid at an index against the glass."""
        pair = (self._logits[self._glass], self._logits[index])
        n = len(pair[0])
        labels, simulations = np.repeat([GLASS, LIQUID], n), np.tile(np.arange(n), 2)
        return score_point(np.concatenate(pair), labels, simulations, np.random.default_rng([SEED, index]))

    def crossing(
        self, values: Callable[[Curves], NDArray[np.float64]], level: float, start: int, refine: bool
    ) -> Crossing | None:
        """Where the mean of `values` first falls below `level` after the index `start`; None if it does not."""

        def value(index: int) -> float:
            self.require([index])
            return float(values(self.curves())[:, self.indices.index(index)].mean())

        after = [index for index in self.indices if index >= start]
        fails = next((place for place, index in enumerate(after) if value(index) < level), None)
        if fails is None:
            return None
        if refine and fails > 0:
            bisect(after[fails - 1], after[fails], self._stored, value, level)
        found = self._crossing_now(values, level, start)
        while refine and found is not None and (lacking := self._unscored(found)):
            self.require(lacking)
            found = self._crossing_now(values, level, start)
        return found

    def hot_side(self, start: int) -> float | None:
        """Where the accuracy falls below the level going from `start` towards hotter indices."""
        place = self.indices.index(start)
        accuracy, level = self.accuracy, BREAKDOWN_ACCURACY
        for hot in range(place, -1, -1):
            if accuracy[hot] < level:
                share = (accuracy[hot + 1] - level) / (accuracy[hot + 1] - accuracy[hot])
                return float(self.indices[hot + 1] - share * (self.indices[hot + 1] - self.indices[hot]))
        return None

    def _crossing_now(
        self, values: Callable[[Curves], NDArray[np.float64]], level: float, start: int
    ) -> Crossing | None:
        place = self.indices.index(start)
        return find_crossing(self.indices, values(self.curves()), level, place, np.random.default_rng(SEED))

    def _unscored(self, found: Crossing) -> list[int]:
        low, high = found.interval
        return [index for index in self._stored if low < index < high and index not in self._logits]
