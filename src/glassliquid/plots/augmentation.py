"""Augmentation, seen: one image and what the training may make of it."""

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from glassliquid.inputs.augment import augment

PANEL_STREAM = 100
"""Branch of the run's seed for this picture; the training's own branches are small numbers, so its bits do not change."""
ROWS, COLUMNS = 3, 4
GAP = 0.06
"""White between the pictures, as a fraction of their side."""


def augmented_versions(image: NDArray[np.uint8], periodic: bool, seed: int, thinning: int = 1) -> NDArray[np.uint8]:
    """Eleven versions of an image, drawn by the function that the training draws with, but not from its generator.

    Args:
        image: RGB, shape (size, size, 3).
        periodic: whether it may be shifted round its edges.
        seed: the run's seed.
        thinning: only the first of so many rows and columns is kept, as for the network that is trained.

    Returns:
        shape (11, side, side, 3) with side = size / thinning rounded up.
    """
    word = int(np.random.SeedSequence([seed, PANEL_STREAM]).generate_state(1, np.uint64)[0])
    generator = torch.Generator().manual_seed(word >> 1)
    chosen = torch.zeros(ROWS * COLUMNS - 1, dtype=torch.int64)
    versions: NDArray[np.uint8] = augment(
        torch.from_numpy(np.array(image))[None], generator, periodic, chosen, thinning
    ).numpy()
    return versions


def augmentation_figure(image: NDArray[np.uint8], periodic: bool, seed: int, thinning: int = 1) -> Figure:
    """The stored image, framed, and its `augmented_versions`, which has the same arguments."""
    pictures = [image[::thinning, ::thinning], *augmented_versions(image, periodic, seed, thinning)]
    side = 1 + GAP
    # One pair of axes for all twelve, and no layout engine: every training waits for this picture.
    figure = Figure(figsize=(2.2 * COLUMNS, 2.2 * ROWS + 0.4))
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.93))
    for place, pixels in enumerate(pictures):
        left, top = place % COLUMNS * side, place // COLUMNS * side
        axes.imshow(pixels, interpolation="nearest", extent=(left, left + 1, top + 1, top))
    axes.plot([0, 1, 1, 0, 0], [0, 0, 1, 1, 0], color="black", linewidth=3, clip_on=False)
    axes.set(xlim=(-GAP / 2, COLUMNS * side - GAP / 2), ylim=(ROWS * side - GAP / 2, -GAP / 2), aspect="equal")
    axes.set_axis_off()
    moves = "turned, mirrored and shifted periodically" if periodic else "turned and mirrored"
    thinned = f", every {thinning}. pixel kept" if thinning > 1 else ""
    figure.text(
        0.5, 0.97, f"Framed: as stored. Others: {moves} at random{thinned}", fontsize=11, ha="center", va="center"
    )
    return figure
