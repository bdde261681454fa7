"""Run a network over images, a batch at a time."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glassliquid.errors import UserError

BATCH = 128
"""Images in a batch: on two cores 64 to 256 are equally fast, and memory stays small."""


@torch.inference_mode()
def predict_logits(model: Any, images: Tensor | NDArray[np.uint8], device: torch.device) -> NDArray[np.float32]:
    """Logits of uint8 images, shape (n, 2); memory is bounded by the batch.

    Args:
        model: maps uint8 images (n, size, size, 3) to logits, and is in evaluation mode.
        images: shape (n, size, size, 3); an array may be a memory map.
        device: where the model is.
    """
    logits = np.empty((len(images), 2), dtype=np.float32)
    for start in range(0, len(images), BATCH):
        part = images[start : start + BATCH]
        batch = part if isinstance(part, Tensor) else torch.from_numpy(np.ascontiguousarray(part))
        logits[start : start + BATCH] = model(batch.to(device)).float().cpu().numpy()
    return _finite(logits)


@torch.inference_mode()
def predict_stream(model: Any, images: Iterable[NDArray[np.uint8]], device: torch.device) -> NDArray[np.float32]:
    """Logits of uint8 images that come one at a time, shape (n, 2); only a batch of them is in memory.

    Args:
        model: as in `predict_logits`.
        images: each of shape (size, size, 3).
        device: where the model is.
    """
    stream = iter(images)
    logits = [np.empty((0, 2), dtype=np.float32)]
    while batch := list(islice(stream, BATCH)):
        logits.append(model(torch.from_numpy(np.stack(batch)).to(device)).float().cpu().numpy())
    return _finite(np.concatenate(logits))


def _finite(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    if not np.isfinite(logits).all():
        raise UserError(
            "The network's answer to an image is not a finite number: train it anew with a lower learning rate, or choose "
            "another model."
        )
    return logits
