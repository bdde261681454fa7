"""Images of an ensemble's snapshots drawn in memory, without a dataset's files."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from glassliquid.datasets.description import Recipe
from glassliquid.datasets.draw import DrawConfig, draw
from glassliquid.ensembles.ensemble import Ensemble, Simulation
from glassliquid.trajectories.trajectory import read_configurations


def draw_snapshots(
    ensemble: Ensemble, simulations: Iterable[Simulation], snapshots: Sequence[int], recipe: Recipe
) -> Iterator[NDArray[np.uint8]]:
    """Draw snapshots one at a time, as `recipe` draws them; all of the first simulation, then of the next.

    Args:
        ensemble: where the trajectories lie.
        simulations: members of it.
        snapshots: stored indices; for a recipe of inherent structures these must have been made.
        recipe: image size, window, and whether inherent structures are drawn; the rest of it is not used.

    Yields:
        RGB images, shape (image_size, image_size, 3).

    Raises:
        UserError: a trajectory is missing or damaged, or does not hold one of the snapshots.
    """
    config = DrawConfig(image_size=recipe.image_size, window=recipe.window)
    for simulation in simulations:
        path = ensemble.inherent_path(simulation) if recipe.inherent else ensemble.path(simulation)
        for found in read_configurations(path, list(snapshots)):
            yield draw(found.positions, found.types, found.length, config)
