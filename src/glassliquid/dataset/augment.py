"""Augmentation: the 8 symmetries of the square and periodic shifts, drawn from the run's own generator."""

import torch
from torch import Tensor


def augment(images: Tensor, generator: torch.Generator, shifts: bool) -> Tensor:
    n, size = images.shape[:2]
    device = images.device
    flips = torch.randint(0, 8, (n,), generator=generator, device=device)
    offsets = (
        torch.randint(0, size, (n, 2), generator=generator, device=device)
        if shifts
        else torch.zeros((n, 2), dtype=torch.int64, device=device)
    )
    place = torch.arange(size, device=device)
    rows = (torch.where((flips & 1).bool()[:, None], size - 1 - place, place) + offsets[:, :1]) % size
    columns = (torch.where((flips & 2).bool()[:, None], size - 1 - place, place) + offsets[:, 1:]) % size
    transposed = (flips & 4).bool()[:, None, None]
    rows, columns = rows[:, :, None], columns[:, None, :]
    index = torch.where(transposed, rows.transpose(1, 2) * size + columns.transpose(1, 2), rows * size + columns)
    index = index + torch.arange(n, device=device)[:, None, None] * size * size
    return images.reshape(-1, 3)[index.reshape(-1)].reshape(n, size, size, 3)
