"""Draw a configuration as an image: white ground, A orange, B blue, anti-aliased discs, periodic edges."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glassliquid.errors import UserError
from glassliquid.physics.potential import DIAMETERS

GROUND = (255, 255, 255)
"""RGB of the ground, white."""
COLOURS = ((255, 127, 14), (31, 99, 190))
"""RGB of the species A (orange) and B (blue)."""

SMALLEST_IMAGE = 16
LARGEST_IMAGE = 2048
SMALLEST_WINDOW = 0.05


@dataclass(frozen=True, kw_only=True)
class DrawConfig:
    """How a configuration becomes an image."""

    image_size: int = 128
    """Side of the square image [pixels]."""
    window: float = 1.0
    """Side of the square that is drawn, in units of the box's side; it is centred in the box."""

    def __post_init__(self) -> None:
        """Check every field."""
        if not SMALLEST_IMAGE <= self.image_size <= LARGEST_IMAGE:
            raise UserError(
                f"image_size is {self.image_size}, but images must be {SMALLEST_IMAGE} to {LARGEST_IMAGE} "
                "pixels wide: pass a value in that range, for example 128."
            )
        if not SMALLEST_WINDOW <= self.window <= 1:
            raise UserError(
                f"window is {self.window}, but it must be a fraction of the box between "
                f"{SMALLEST_WINDOW} and 1: pass 1.0 for the whole box."
            )

    @property
    def periodic(self) -> bool:
        """Whether the image's opposite edges meet, which shifts for augmentation rely on."""
        return self.window == 1.0


def draw(
    positions: NDArray[np.floating], types: NDArray[np.integer], length: float, config: DrawConfig
) -> NDArray[np.uint8]:
    """Draw discs of the species' diameters at the particles' positions.

    A pixel's coverage by a disc is clip(R - d + 1/2, 0, 1), with R the radius and d the distance from the disc's centre
    to the pixel's, in pixels: exact for a straight edge along the pixel grid. Coverages of a species add up to at most
    one; where species overlap, their colours mix in proportion. So the result does not depend on the particles' order,
    and the image of a rotated, mirrored or (for whole pixels) shifted configuration is the rotated, mirrored or shifted
    image. A disc over the edge of the box reappears on the other side. Row 0 is the top, y pointing up.

    Args:
        positions: coordinates of any periodic image [sigma_AA], shape (N, 2).
        types: 0 for A, 1 for B, shape (N,).
        length: side of the box [sigma_AA].
        config: size and window.

    Returns:
        RGB image, shape (image_size, image_size, 3).
    """
    size = config.image_size
    scale = size / (config.window * length)
    period = length * scale
    centres = pixel_positions(positions, length, config)
    coverage = np.empty((len(COLOURS), size * size), dtype=np.float32)
    for species, diameter in enumerate(DIAMETERS):
        radius = diameter * scale / 2
        chosen = centres[np.asarray(types) == species]
        if not config.periodic:
            chosen = _images_in_window(chosen, radius + 1, size, period)
        coverage[species] = _coverage(chosen, radius, size, config.periodic)
    return _blend(np.minimum(coverage, 1, out=coverage)).reshape(size, size, len(GROUND))


def pixel_positions(positions: NDArray[np.floating], length: float, config: DrawConfig) -> NDArray[np.float64]:
    """Where particles are in the image: x to the right, y down, from the image's upper left corner [pixels].

    Those outside a window have coordinates beyond the image's side, in one period of the box.

    Args:
        positions: coordinates of any periodic image [sigma_AA], shape (N, 2).
        length: side of the box [sigma_AA].
        config: size and window.

    Returns:
        Coordinates, shape (N, 2), in [0, image_size / window).
    """
    size = config.image_size
    scale = size / (config.window * length)
    centres = np.empty((len(positions), 2))
    centres[:, 0] = positions[:, 0] * scale + size / 2
    centres[:, 1] = size / 2 - positions[:, 1] * scale
    centres %= length * scale
    return centres


def _images_in_window(centres: NDArray[np.float64], reach: float, size: int, period: float) -> NDArray[np.float64]:
    """The centres and their periodic images that are less than `reach` outside the window [0, size]."""
    for axis in (0, 1):
        step = period * np.eye(2)[axis]
        centres = np.concatenate([centres - step, centres, centres + step])
        centres = centres[(centres[:, axis] > -reach) & (centres[:, axis] < size + reach)]
    return centres


def _coverage(centres: NDArray[np.float64], radius: float, size: int, periodic: bool) -> NDArray[np.float64]:
    """Summed coverage of all pixels by the discs, shape (size * size,)."""
    half = math.ceil(radius + 0.5)
    if 2 * half + 1 > size:
        return _coverage_of_large(centres, radius, size)
    offsets = np.arange(-half, half + 1)
    corner = np.floor(centres).astype(np.intp)
    pixels = corner[:, :, None] + offsets  # (n, 2, patch): columns and rows of the patch around each disc
    distance = (pixels + (0.5 - centres[:, :, None])).astype(np.float32)
    distance *= distance
    weight = np.sqrt(distance[:, 1, :, None] + distance[:, 0, None, :])
    np.subtract(np.float32(radius + 0.5), weight, out=weight)
    np.clip(weight, 0, 1, out=weight)
    # What falls outside goes round to the other side, or into a margin of one pixel that is cut off.
    margin = 0 if periodic else 1
    pixels = pixels % size if periodic else np.clip(pixels, -1, size) + 1
    side = size + 2 * margin
    index = pixels[:, 1, :, None] * side + pixels[:, 0, None, :]
    summed: NDArray[Any] = np.bincount(index.ravel(), weights=weight.ravel(), minlength=side * side)
    summed = summed.reshape(side, side)
    return summed[margin : margin + size, margin : margin + size].ravel()


def _coverage_of_large(centres: NDArray[np.float64], radius: float, size: int) -> NDArray[np.float64]:
    """The same for discs wider than the image, a disc at a time: their patches would take gigabytes."""
    summed = np.zeros((size, size))
    middles = np.arange(size) + 0.5
    for x, y in centres:
        distance = np.hypot(middles[:, None] - y, middles[None, :] - x)
        summed += np.clip(radius + 0.5 - distance, 0, 1)
    return summed.ravel()


def _blend(coverage: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Mix the species' colours with the ground, shape (pixels, 3)."""
    coverage /= np.maximum(coverage.sum(axis=0), 1)
    contrast = np.array(COLOURS, dtype=np.float32) - np.array(GROUND, dtype=np.float32)
    image = coverage.T @ contrast
    image += np.array(GROUND, dtype=np.float32) + np.float32(0.5)  # cutting off the fraction then rounds
    return image.astype(np.uint8)
