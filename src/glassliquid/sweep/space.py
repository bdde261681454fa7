"""Which settings are searched, and how a training is set up with one point of the space."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from glassliquid.errors import UserError, check_positive
from glassliquid.parameters import positional
from glassliquid.settings import Absent, FromText, settings, whole_numbers
from glassliquid.training.config import TrainConfig

if TYPE_CHECKING:
    import optuna

BATCH_SIZE, DROPOUT = "batch_size", "dropout"
LOGARITHMIC = {DROPOUT: False, "learning_rate": True, "l2": True, "eta_threshold": False}
"""Whether a range is searched by its logarithm: rates and weights matter by their order of magnitude."""
GRID_LEVELS = 5
"""Points of a range in the grid: 0.1, 0.2, 0.3, 0.4 and 0.5 for the dropout of the research log."""


@dataclass(frozen=True)
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
        import numpy as np

        if self.low == self.high:
            return [self.low]
        spaced = np.geomspace if self.logarithmic else np.linspace
        # Ten digits: the grid says 0.3, not 0.30000000000000004.
        return [float(f"{level:.10g}") for level in spaced(self.low, self.high, GRID_LEVELS)]


def _bounds(text: str) -> tuple[float, float]:
    low, _, high = text.partition(":")
    return float(low), float(high)


Bounds = Annotated[
    tuple[float, float] | None,
    FromText(
        _bounds,
        "two numbers with a colon between them, such as 0.0001:0.01, or none",
        lambda bounds: ":".join(map(positional, bounds)),
    ),
    Absent("none"),
]


@settings
class SearchSpace:
    """Batch sizes to choose from and ranges to choose in."""

    batch_sizes: Annotated[
        tuple[int, ...], FromText(whole_numbers, "whole numbers separated by commas, such as 10,50,100")
    ] = (10, 20, 30, 50, 80, 100, 130, 150, 200)
    """Batch sizes to choose from; each is tried with everything else."""
    dropout_low: float = 0.1
    """Lowest probability of dropout."""
    dropout_high: float = 0.5
    """Highest probability of dropout."""
    learning_rate_range: Bounds = None
    """Search the initial rate too, such as 0.0001:0.01."""
    l2_range: Bounds = None
    """Search the L2 weight too, such as 0.00001:0.01."""
    eta_threshold_range: Bounds = None
    """Search the threshold of the rate too, such as 0.8:0.99."""

    def __post_init__(self) -> None:
        """Check batch sizes and ranges."""
        for size in self.batch_sizes:
            check_positive("a batch size", size)
        if not self.batch_sizes or len(set(self.batch_sizes)) < len(self.batch_sizes):
            given = ",".join(map(str, self.batch_sizes))
            raise UserError(f"batch_sizes is {given!r}: give at least one batch size, and each once.")
        self.ranges  # noqa: B018 - each is checked as it is made

    @property
    def ranges(self) -> list[Range]:
        """What is searched beside the batch size."""
        bounds = {DROPOUT: (self.dropout_low, self.dropout_high)}
        bounds |= {name: getattr(self, f"{name}_range") for name in LOGARITHMIC if name != DROPOUT}
        return [Range(name, *pair) for name, pair in bounds.items() if pair is not None]

    @property
    def names(self) -> list[str]:
        """The settings that are searched."""
        return [BATCH_SIZE, *(each.name for each in self.ranges)]

    def suggest(self, trial: "optuna.Trial") -> dict[str, float]:
        """Let a trial choose a point: setting to value."""
        chosen = {BATCH_SIZE: trial.suggest_categorical(BATCH_SIZE, list(self.batch_sizes))}
        ranges = {
            each.name: trial.suggest_float(each.name, each.low, each.high, log=each.logarithmic) for each in self.ranges
        }
        return chosen | ranges

    def grid(self, seed: int) -> list[dict[str, float]]:
        """All points of the grid, in an order drawn from the seed, so that the first few are spread over it."""
        import numpy as np

        points: list[dict[str, float]] = [{BATCH_SIZE: size} for size in self.batch_sizes]
        for each in self.ranges:
            points = [{**point, each.name: level} for point in points for level in each.levels()]
        return [points[place] for place in np.random.default_rng(seed).permutation(len(points))]

    def corners(self) -> list[dict[str, float]]:
        """The points at both ends of everything, which have to be allowed."""
        bounds = self.to_json()
        return [{name: end(values) for name, values in bounds.items()} for end in (min, max)]

    def to_json(self) -> dict[str, list[float]]:
        """Setting to its batch sizes or to the bounds of its range."""
        return {BATCH_SIZE: sorted(self.batch_sizes), **{each.name: [each.low, each.high] for each in self.ranges}}


def configured(config: TrainConfig, settings: Mapping[str, float]) -> TrainConfig:
    """The settings of a training with those of one point in place of its own.

    Raises:
        UserError: a value is not allowed.
    """
    values: dict[str, Any] = dict(settings)
    if "eta_threshold" in values:
        values["eta_threshold"] = ((values["eta_threshold"], None),)
    return replace(config, **values)
