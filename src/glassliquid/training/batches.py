"""The order in which training images are used."""

from collections.abc import Mapping

import torch
from torch import Tensor


class ShuffledBatches:
    """An endless stream of batches of image indices, from a fresh shuffle each epoch.

    Every batch is full: what is left of an epoch begins the batch that the next shuffle completes, so each image is used
    exactly once an epoch.
    """

    def __init__(self, images: int, batch_size: int, generator: torch.Generator) -> None:
        """Draw batches of `batch_size` out of `images` indices, shuffled by `generator` (on the CPU)."""
        self._images = images
        self._batch_size = batch_size
        self._generator = generator
        self._order = torch.empty(0, dtype=torch.int64)

    def next(self) -> Tensor:
        """The indices of the next batch, shape (batch_size,)."""
        while len(self._order) < self._batch_size:
            shuffled = torch.randperm(self._images, generator=self._generator)
            self._order = torch.cat([self._order, shuffled])
        batch, self._order = self._order[: self._batch_size], self._order[self._batch_size :]
        return batch

    def state(self) -> dict[str, Tensor]:
        """The place in the stream."""
        return {"order": self._order.clone(), "generator": self._generator.get_state()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a place that `state` gave; ValueError if it is of other data."""
        order = state["order"]
        if order.dtype != torch.int64 or order.dim() != 1 or len(order) > 2 * self._images:
            raise ValueError("the order of its images is damaged")
        if len(order) and not (int(order.min()) >= 0 and int(order.max()) < self._images):
            raise ValueError("the order of its images is that of other data")
        self._order = order.clone()
        self._generator.set_state(state["generator"])
