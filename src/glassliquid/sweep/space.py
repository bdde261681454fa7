"""Which settings are searched, and how a training is set up with one point of the space."""

import itertools
import math
from collections.abc import Mapping, Sequence
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
CHOICES = {BATCH_SIZE: "batch_sizes", "width": "widths", "depth": "depths", "cutoff": "cutoffs", "heads": "head_counts"}
"""Settings that are chosen out of a list, and the parameter that has it; all but the first are some networks' own."""
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
                f"The range of {self.name} begins at {self.low}, but it is searched on a logarithmic scale: begin it above zero."
            )
        if not self.low <= self.high:
            raise UserError(
                f"The range of {self.name} runs from {self.low} to {self.high}: pass the lower bound first."
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


Whole = Annotated[
    tuple[int, ...] | None,
    FromText(whole_numbers, "whole numbers separated by commas, such as 16,32,64, or none"),
    Absent("none"),
]
Numbers = Annotated[
    tuple[float, ...] | None,
    FromText(
        lambda text: tuple(map(float, text.split(","))),
        "numbers separated by commas, such as 1.3,1.5, or none",
        lambda numbers: ",".join(map(positional, numbers)),
    ),
    Absent("none"),
]


@settings
class SearchSpace:
    """Batch sizes to choose from and ranges to choose in."""

    batch_sizes: Annotated[
        tuple[int, ...], FromText(whole_numbers, "whole numbers separated by commas, such as 10,50,100")
    ] = (10, 20, 30, 50, 80, 100, 130, 150, 200)
    """Batch sizes to choose from."""
    dropout_low: float = 0.1
    """Lowest probability of dropout."""
    dropout_high: float = 0.5
    """Highest probability of dropout."""
    learning_rate_range: Bounds = None
    """Range of the initial learning rate to search, such as 0.0001:0.01."""
    l2_range: Bounds = None
    """Range of the L2 weight to search, such as 0.00001:0.01."""
    eta_threshold_range: Bounds = None
    """Range of the threshold to search, such as 0.8:0.99."""
    widths: Whole = None
    """For graph only: widths to choose from, such as 16,32,64."""
    depths: Whole = None
    """For graph only: depths to choose from, such as 1,2,3."""
    cutoffs: Numbers = None
    """For graph only: cutoffs to choose from [sigma_AA], such as 1.3,1.5,1.8."""
    head_counts: Whole = None
    """For graph only: numbers of heads to choose from, such as 1,4."""

    def __post_init__(self) -> None:
        """Check lists and ranges."""
        for size in self.batch_sizes:
            check_positive("a batch size", size)
        for name, values in self.choices.items():
            if not values or len(set(values)) < len(values):
                raise UserError(
                    f"{CHOICES[name]} is {self.listed(name)!r}: give at least one {name.replace('_', ' ')}, and each once."
                )
        self.ranges  # noqa: B018 - each is checked as it is made

    @property
    def choices(self) -> dict[str, tuple[float, ...]]:
        """Setting to the values that it is chosen from."""
        given = {name: getattr(self, parameter) for name, parameter in CHOICES.items()}
        return {name: values for name, values in given.items() if values is not None}

    def listed(self, name: str) -> str:
        """The values that a setting is chosen from, as a command line has them."""
        return ",".join(str(value) if isinstance(value, int) else positional(value) for value in self.choices[name])

    @property
    def ranges(self) -> list[Range]:
        """What is searched in a range."""
        bounds = {DROPOUT: (self.dropout_low, self.dropout_high)}
        bounds |= {name: getattr(self, f"{name}_range") for name in LOGARITHMIC if name != DROPOUT}
        return [Range(name, *pair) for name, pair in bounds.items() if pair is not None]

    @property
    def names(self) -> list[str]:
        """The settings that are searched."""
        return [*self.choices, *(each.name for each in self.ranges)]

    def suggest(self, trial: "optuna.Trial") -> dict[str, float]:
        """Let a trial choose a point: setting to value."""
        chosen = {name: trial.suggest_categorical(name, list(values)) for name, values in self.choices.items()}
        ranges = {
            each.name: trial.suggest_float(each.name, each.low, each.high, log=each.logarithmic) for each in self.ranges
        }
        return chosen | ranges

    def grid(self, seed: int) -> list[dict[str, float]]:
        """All points of the grid, in an order drawn from the seed, so that the first few are spread over it."""
        import numpy as np

        levels: dict[str, Sequence[float]] = self.choices | {each.name: each.levels() for each in self.ranges}
        points = [dict(zip(levels, values, strict=True)) for values in itertools.product(*levels.values())]
        return [points[place] for place in np.random.default_rng(seed).permutation(len(points))]

    def corners(self) -> list[dict[str, float]]:
        """The points at both ends of everything, which have to be allowed."""
        bounds = self.to_json()
        return [{name: end(values) for name, values in bounds.items()} for end in (min, max)]

    def to_json(self) -> dict[str, list[float]]:
        """Setting to the values that it is chosen from, or to the bounds of its range."""
        choices = {name: sorted(values) for name, values in self.choices.items()}
        return choices | {each.name: [each.low, each.high] for each in self.ranges}


def configured(config: TrainConfig, settings: Mapping[str, float]) -> TrainConfig:
    """The settings of a training run with those of one point in place of its own.

    Raises:
        UserError: a value is not allowed.
    """
    values: dict[str, Any] = dict(settings)
    if "eta_threshold" in values:
        values["eta_threshold"] = ((values["eta_threshold"], None),)
    return replace(config, **values)
