"""Snapshots of an ensemble in memory, without a dataset's files."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from glassliquid.datasets.description import Recipe
from glassliquid.datasets.draw import DrawConfig, draw
from glassliquid.ensembles.ensemble import Ensemble, Simulation
from glassliquid.trajectories.trajectory import Configuration, read_configurations


def read_snapshots(
    ensemble: Ensemble, simulations: Iterable[Simulation], snapshots: Sequence[int], recipe: Recipe
) -> Iterator[Configuration]:
    """Read snapshots one at a time; all of the first simulation, then of the next.

    Args:
        ensemble: where the trajectories lie.
        simulations: members of it.
        snapshots: stored indices; for a recipe of inherent structures these must have been made.
        recipe: says whether inherent structures are wanted; the rest of it is not used.

    Raises:
        UserError: a trajectory is missing or damaged, or does not hold one of the snapshots.
    """
    for simulation in simulations:
        path = ensemble.inherent_path(simulation) if recipe.inherent else ensemble.path(simulation)
        yield from read_configurations(path, list(snapshots), with_log=False)


def drawn(found: Configuration, recipe: Recipe) -> NDArray[np.uint8]:
    """A configuration as `recipe` draws it: an RGB image, shape (image_size, image_size, 3)."""
    config = DrawConfig(image_size=recipe.image_size, window=recipe.window)
    return draw(found.positions, found.types, found.length, config)
