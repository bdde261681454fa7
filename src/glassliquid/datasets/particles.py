"""The particles that an image of a dataset shows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glassliquid.datasets.description import Recipe
from glassliquid.datasets.draw import DrawConfig, pixel_positions
from glassliquid.physics.potential import DIAMETERS


@dataclass(frozen=True)
class ShownParticles:
    """The particles whose centres are in an image."""

    numbers: NDArray[np.int64]
    """Their places in the trajectory's frames, shape (k,)."""
    points: NDArray[np.float64]
    """Coordinates in the image, x to the right and y down [pixels], shape (k, 2)."""
    radii: NDArray[np.float64]
    """Radii in the image [pixels], shape (k,)."""


def shown_particles(configuration: NDArray[np.float32], recipe: Recipe) -> ShownParticles:
    """The particles whose centres are in the image that a recipe makes of a configuration, shape (N, 4)."""
    positions, types, length = configuration[:, :2], configuration[:, 2].astype(np.int64), float(configuration[0, 3])
    config = DrawConfig(image_size=recipe.image_size, window=recipe.window)
    points = pixel_positions(positions, length, config)
    inside = np.flatnonzero((points < config.image_size).all(axis=1))
    scale = config.image_size / (config.window * length)
    return ShownParticles(inside, points[inside], np.array(DIAMETERS)[types[inside]] * scale / 2)
