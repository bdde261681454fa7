"""The particles that an image of a dataset shows, read from the trajectories that it was drawn from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glassliquid.datasets.description import Dataset, Record
from glassliquid.datasets.draw import DrawConfig, pixel_positions
from glassliquid.datasets.sides import Sides
from glassliquid.physics.potential import DIAMETERS
from glassliquid.trajectories.trajectory import read_configurations


@dataclass(frozen=True)
class ShownParticles:
    """The particles whose centres are in an image."""

    numbers: NDArray[np.int64]
    """Their places in the trajectory's frames, shape (k,)."""
    types: NDArray[np.uint32]
    """0 for A, 1 for B, shape (k,)."""
    positions: NDArray[np.float32]
    """Coordinates in the box [sigma_AA], shape (k, 2)."""
    points: NDArray[np.float64]
    """Coordinates in the image, x to the right and y down [pixels], shape (k, 2)."""
    radii: NDArray[np.float64]
    """Radii in the image [pixels], shape (k,)."""


def shown_particles(dataset: Dataset, sides: Sides, record: Record) -> ShownParticles:
    """The particles that one image shows; UserError if its trajectory is missing or damaged."""
    path = sides.path(record.label, sides.member(record), dataset.recipe.inherent)
    (found,) = read_configurations(path, [record.snapshot])
    config = DrawConfig(image_size=dataset.recipe.image_size, window=dataset.recipe.window)
    points = pixel_positions(found.positions, found.length, config)
    inside = np.flatnonzero((points < config.image_size).all(axis=1))
    scale = config.image_size / (config.window * found.length)
    return ShownParticles(
        inside,
        found.types[inside],
        found.positions[inside],
        points[inside],
        np.array(DIAMETERS)[found.types[inside]] * scale / 2,
    )
