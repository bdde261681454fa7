"""Augmentation, seen: one sample and what the training may make of it."""

from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from glassliquid.inputs import Input

PANEL_STREAM = 100
"""Branch of the run's seed for this picture; the training's own branches are small numbers, so its bits do not change."""
ROWS, COLUMNS = 3, 4
GAP = 0.06
"""White between the pictures, as a fraction of their side."""


def augmented_versions(reads: Input, values: Any, seed: int) -> NDArray[np.uint8] | None:
    """The first sample and eleven augmented versions of it as pictures, shape (12, side, side, 3).

    They are drawn by the function that the training draws with, but not from its generator. None if the input has no pictures.

    Args:
        reads: the input, as the network reads it.
        values: the samples, as the input keeps them.
        seed: the run's seed.
    """
    word = int(np.random.SeedSequence([seed, PANEL_STREAM]).generate_state(1, np.uint64)[0])
    generator, device = torch.Generator().manual_seed(word >> 1), torch.device("cpu")
    original = reads.pictures(reads.batch(values, slice(0, 1), device))
    chosen = torch.zeros(ROWS * COLUMNS - 1, dtype=torch.int64)
    versions = reads.pictures(reads.augmented(values, chosen, generator, device))
    return None if original is None or versions is None else np.concatenate([original, versions])


def augmentation_figure(pictures: NDArray[np.uint8], moves: str) -> Figure:
    """The stored sample, framed, and its `augmented_versions`; `moves` says what was done to them."""
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
    figure.text(0.5, 0.97, f"Framed: as stored. Others: {moves}", fontsize=11, ha="center", va="center")
    return figure
