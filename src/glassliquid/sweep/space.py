"""Which settings are searched, and how a training is set up with one point of the space."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from glassliquid.errors import UserError, check_positive
from glassliquid.training.config import TrainConfig

BATCH_SIZE, DROPOUT = "batch_size", "dropout"
LOGARITHMIC = {DROPOUT: False, "learning_rate": True, "l2": True, "eta_threshold": False}
"""Whether a range is searched by its logarithm: rates and weights matter by their order of magnitude."""
GRID_LEVELS = 5
"""Points of a range in the grid: 0.1, 0.2, 0.3, 0.4 and 0.5 for the dropout of the research log."""


class Suggests(Protocol):
    """The part of an Optuna trial that the space uses."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """A number in a range."""

    def suggest_categorical(self, name: str, choices: list[int]) -> Any:
        """One of several."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """The range of one setting."""

    name: str
    low: float
    high: float

    def __post_init__(self) -> None:
        """Check the order of the bounds; whether they are allowed is the business of the setting itself."""
        if not math.isfinite(self.high - self.low):
            raise UserError(f"The range of {self.name} is from {self.low} to {self.high}: pass two finite numbers.")
        if self.logarithmic and not self.low > 0:
            raise UserError(
                f"The range of {self.name} begins at {self.low}, and it is searched by its logarithm: begin it above zero."
            )
        if not self.low <= self.high:
            raise UserError(
                f"The range of {self.name} is upside down, from {self.low} to {self.high}: pass the lower bound first."
            )

    @property
    def logarithmic(self) -> bool:
        """Whether the logarithm is searched evenly, not the number."""
        return LOGARITHMIC[self.name]

    def levels(self) -> list[float]:
        """The points of the grid, evenly spaced from bound to bound."""
        if self.low == self.high:
            return [self.low]
        spaced = np.geomspace if self.logarithmic else np.linspace
        # Ten digits: the grid says 0.3, not 0.30000000000000004.
        return [float(f"{level:.10g}") for level in spaced(self.low, self.high, GRID_LEVELS)]


@dataclass(frozen=True, kw_only=True)
class SearchSpace:
    """Batch sizes to choose from and ranges to choose in."""

    batch_sizes: tuple[int, ...]
    """Each is tried with everything else."""
    ranges: tuple[Range, ...]
    """One of each setting at most."""

    def __post_init__(self) -> None:
        """Check the batch sizes."""
        for size in self.batch_sizes:
            check_positive("a batch size", size)
        if not self.batch_sizes or len(set(self.batch_sizes)) < len(self.batch_sizes):
            given = ",".join(map(str, self.batch_sizes))
            raise UserError(f"batch_sizes is {given!r}: give at least one batch size, and each once.")

    @property
    def names(self) -> list[str]:
        """The settings that are searched."""
        return [BATCH_SIZE, *(each.name for each in self.ranges)]

    def suggest(self, trial: Suggests) -> dict[str, float]:
        """Let a trial choose a point: setting to value."""
        chosen: dict[str, float] = {BATCH_SIZE: trial.suggest_categorical(BATCH_SIZE, list(self.batch_sizes))}
        for each in self.ranges:
            chosen[each.name] = trial.suggest_float(each.name, each.low, each.high, log=each.logarithmic)
        return chosen

    def grid(self, seed: int) -> list[dict[str, float]]:
        """All points of the grid, in an order drawn from the seed, so that the first few are spread over it."""
        points: list[dict[str, float]] = [{BATCH_SIZE: size} for size in self.batch_sizes]
        for each in self.ranges:
            points = [{**point, each.name: level} for point in points for level in each.levels()]
        return [points[place] for place in np.random.default_rng(seed).permutation(len(points))]

    def corners(self) -> list[dict[str, float]]:
        """The points at both ends of everything, which have to be allowed."""
        ends = (min, max)
        bounds = [(each.name, (each.low, each.high)) for each in self.ranges]
        return [{BATCH_SIZE: end(self.batch_sizes), **{name: end(pair) for name, pair in bounds}} for end in ends]

    def to_json(self) -> dict[str, list[float]]:
        """Setting to its batch sizes or to the bounds of its range."""
        bounds = {each.name: [each.low, each.high] for each in self.ranges}
        return {BATCH_SIZE: sorted(self.batch_sizes), **bounds}


def configured(config: TrainConfig, settings: Mapping[str, float]) -> TrainConfig:
    """The settings of a training with those of one point in place of its own.

    Raises:
        UserError: a value is not allowed.
    """
    values: dict[str, Any] = dict(settings)
    if "eta_threshold" in values:
        values["eta_threshold"] = ((values["eta_threshold"], None),)
    return replace(config, **values)


def parse_batch_sizes(text: str) -> tuple[int, ...]:
    """Read `10,20,50`; UserError if it is not a list of whole numbers."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UserError(
            f"batch_sizes is {text!r}: pass whole numbers separated by commas, such as 10,50,100."
        ) from None


def parse_range(name: str, text: str) -> Range:
    """Read `0.0001:0.01` as the range of the setting `name`; UserError if it is not one."""
    low, _, high = text.partition(":")
    try:
        return Range(name=name, low=float(low), high=float(high))
    except ValueError:
        raise UserError(
            f"{name}_range is {text!r}: pass two numbers with a colon between them, such as 0.0001:0.01, or none."
        ) from None
