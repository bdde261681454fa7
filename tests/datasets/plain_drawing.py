"""The drawing of `glassliquid.datasets.draw`, written again from its description, slowly and plainly."""

import numpy as np

DIAMETERS = (1.0, 0.88)
ORANGE_AND_BLUE = ((255, 127, 14), (31, 99, 190))


def draw_plainly(positions, types, length, size, window):
    """Coverage clip(R - d + 1/2, 0, 1) of each pixel by each periodic image of each disc, capped at 1 a species."""
    pixel = window * length / size
    rows, columns = np.mgrid[:size, :size]
    x = (columns + 0.5) * pixel - window * length / 2
    y = window * length / 2 - (rows + 0.5) * pixel
    coverage = np.zeros((2, size, size))
    for (particle_x, particle_y), species in zip(positions, types, strict=True):
        for shift_x in (-length, 0, length):
            for shift_y in (-length, 0, length):
                distance = np.hypot(x - particle_x - shift_x, y - particle_y - shift_y) / pixel
                coverage[species] += np.clip(DIAMETERS[species] / 2 / pixel - distance + 0.5, 0, 1)
    coverage = np.minimum(coverage, 1)
    coverage /= np.maximum(coverage.sum(axis=0), 1)
    image = np.full((size, size, 3), 255.0)
    for share, colour in zip(coverage, ORANGE_AND_BLUE, strict=True):
        image += share[..., None] * (np.array(colour) - 255.0)
    return np.floor(image + 0.5).astype(np.uint8)
