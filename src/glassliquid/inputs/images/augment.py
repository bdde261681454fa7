"""Augmentation: the 8 symmetries of the square and periodic shifts, drawn from the run's own generator."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MIRROR_ROWS, MIRROR_COLUMNS, TRANSPOSE = 1, 2, 4
"""The bits of a symmetry 0..7. They are applied after the shift, in this order."""


def augment(
    images: Tensor, generator: torch.Generator, shifts: bool, chosen: Tensor | None = None, thinning: int = 1
) -> Tensor:
    """Each image under a random symmetry of the square, shifted by random whole pixels with periodic edges.

    Exact: pixels are moved, never mixed, and the same generator state gives the same bits. On the CPU the images are
    moved as whole rows where possible, which is faster than merely collecting a batch with `images[chosen]`; so pass
    the whole dataset and the batch's places in it.

    Args:
        images: uint8, shape (n, size, size, 3).
        generator: source of the symmetries and shifts, on the images' device.
        shifts: also shift, not only turn and mirror.
        chosen: places of the images that are wanted, int64; all of them by default.
        thinning: keep only the first of so many rows and columns of the results, which saves moving the others.

    Returns:
        uint8, shape (n or len(chosen), side, side, 3) with side = size / thinning rounded up, a copy.
    """
    size, device = images.shape[1], images.device
    if chosen is None:
        chosen = torch.arange(len(images), device=device)
    n = len(chosen)
    symmetries = torch.randint(0, 8, (n,), generator=generator, device=device)
    if shifts:
        offsets = torch.randint(0, size, (n, 2), generator=generator, device=device)
    else:
        offsets = torch.zeros((n, 2), dtype=torch.int64, device=device)
    if device.type == "cpu":
        return by_rows(images, chosen, symmetries, offsets, thinning)
    return by_index(images, chosen, symmetries, offsets, thinning)


def by_index(images: Tensor, chosen: Tensor, symmetries: Tensor, offsets: Tensor, thinning: int) -> Tensor:
    """All images in one indexing operation, for devices where a loop over images is slow; also the definition."""
    size, device = images.shape[1], images.device
    place = torch.arange(size, device=device)
    rows = torch.where((symmetries & MIRROR_ROWS).bool()[:, None], size - 1 - place, place)
    columns = torch.where((symmetries & MIRROR_COLUMNS).bool()[:, None], size - 1 - place, place)
    rows = (rows + offsets[:, :1]) % size * size
    columns = (columns + offsets[:, 1:]) % size
    # Output pixel (y, x) is input pixel (row of y, column of x), or (row of x, column of y) if transposed.
    transposed = (symmetries & TRANSPOSE).bool()[:, None]
    along_y, along_x = torch.where(transposed, columns, rows), torch.where(transposed, rows, columns)
    along_y, along_x = along_y[:, ::thinning], along_x[:, ::thinning]
    pixels = chosen[:, None, None] * size**2 + along_y[:, :, None] + along_x[:, None, :]
    return images.reshape(-1, images.shape[-1])[pixels]


def by_rows(images: Tensor, chosen: Tensor, symmetries: Tensor, offsets: Tensor, thinning: int) -> Tensor:
    """The same, image after image: long copies for shift and mirrored rows, single pixels only for what remains."""
    source: NDArray[np.uint8] = images.numpy()
    size, channels = source.shape[1], source.shape[3]
    side = -(-size // thinning)
    result = np.empty((len(chosen), side, side, channels), np.uint8)
    scratch = np.empty((size, size, channels), np.uint8)
    for target, index, symmetry, (down, right) in zip(
        result, chosen.tolist(), symmetries.tolist(), offsets.tolist(), strict=True
    ):
        pixelwise = symmetry & (MIRROR_COLUMNS | TRANSPOSE) or thinning > 1
        moved = scratch if pixelwise else target
        _shift(source[index], moved[::-1] if symmetry & MIRROR_ROWS else moved, down, right)
        if symmetry & MIRROR_COLUMNS:
            moved = moved[:, ::-1]
        if symmetry & TRANSPOSE:
            moved = moved.swapaxes(0, 1)
        if pixelwise:
            for channel in range(channels):  # three long copies are quicker than many of 3 bytes
                target[..., channel] = moved[::thinning, ::thinning, channel]
    return torch.from_numpy(result)


def _shift(image: NDArray[np.uint8], target: NDArray[np.uint8], down: int, right: int) -> None:
    """target[y, x] = image[y + down, x + right], periodically: four rectangles."""
    height, width = image.shape[0] - down, image.shape[1] - right
    target[:height, :width] = image[down:, right:]
    target[:height, width:] = image[down:, :right]
    target[height:, :width] = image[:down, right:]
    target[height:, width:] = image[:down, :right]
