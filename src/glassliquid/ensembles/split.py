"""Which simulations are for training, validation and testing."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from glassliquid.errors import UserError, check_range

if TYPE_CHECKING:  # a command's options need the bounds, not numpy
    import numpy as np


class Split(StrEnum):
    """The three parts of an ensemble. A simulation is in one of them, forever."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True)
class Fold:
    """One part of a cross-validation: how it deals the simulations."""

    number: int
    """From 1."""
    of: int
    """How many folds there are."""
    include_test: bool
    """Whether simulations of the dataset's own test split take part."""
    splits: Mapping[int, Split]
    """Simulation to its split in this fold; one that is missing takes no part."""


FRACTION_VALIDATION = 0.15
FRACTION_TEST = 0.15
SMALLEST_ENSEMBLE = 3
LARGEST_ENSEMBLE = 100_000
"""Ten times the largest preset. What says more is taken for a mistake, before memory is set aside for it."""

LARGEST_SEED = 2**63 - 1


def draw_split(simulations: int, generator: "np.random.Generator") -> list[Split]:
    """Assign each simulation to a split at random, 70 : 15 : 15, with at least one in each.

    Args:
        simulations: how many there are, 3 or more.
        generator: the source of randomness.

    Returns:
        The split of each simulation, in order.

    Raises:
        UserError: there are fewer simulations than splits.
    """
    if simulations < SMALLEST_ENSEMBLE:
        raise UserError(
            f"simulations is {simulations}, but each of the splits train, "
            f"validation and test needs one: pass {SMALLEST_ENSEMBLE} or more."
        )
    check_range("simulations", simulations, SMALLEST_ENSEMBLE, LARGEST_ENSEMBLE)
    validation = max(1, round(FRACTION_VALIDATION * simulations))
    test = max(1, round(FRACTION_TEST * simulations))
    splits = [Split.TRAIN] * (simulations - validation - test) + [Split.VALIDATION] * validation + [Split.TEST] * test
    return [splits[place] for place in generator.permutation(simulations)]
