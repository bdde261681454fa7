"""Run a network over samples, a batch at a time."""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from glassliquid.errors import UserError
from glassliquid.models.network import Network

BATCH = 128
"""Samples in a batch: on two cores 64 to 256 are equally fast, and memory stays small."""


def predict_logits(
    model: Network, values: Any, device: torch.device, chosen: NDArray[np.integer] | None = None
) -> NDArray[np.float32]:
    """Logits of samples, shape (n, 2); memory is bounded by the batch.

    Args:
        model: in evaluation mode.
        values: the samples, as the network's input keeps them.
        device: where the model is.
        chosen: places of the samples that are wanted; all of them by default.
    """
    if chosen is None:
        parts: Iterable[Any] = (slice(start, start + BATCH) for start in range(0, len(values), BATCH))
    else:
        parts = (torch.from_numpy(chosen[start : start + BATCH]) for start in range(0, len(chosen), BATCH))
    return _logits(model, parts, lambda part: model.reads.batch(values, part, device))


def predict_stream(model: Network, samples: Iterable[Any], device: torch.device) -> NDArray[np.float32]:
    """Logits of samples that come one at a time, shape (n, 2); only a batch of them is in memory.

    Args:
        model: in evaluation mode.
        samples: such as `from_snapshots` of the network's input makes them.
        device: where the model is.
    """
    stream, reads = iter(samples), model.reads
    parts = iter(lambda: list(islice(stream, BATCH)), [])
    return _logits(model, parts, lambda part: reads.batch(reads.stacked(part), slice(None), device))


@torch.inference_mode()
def _logits(model: Network, parts: Iterable[Any], batch_of: Callable[[Any], Any]) -> NDArray[np.float32]:
    # No name holds a batch while the next one is made.
    found = map(lambda part: model(batch_of(part)).float().cpu().numpy(), parts)  # noqa: C417
    logits = np.concatenate([np.empty((0, 2), dtype=np.float32), *found])
    if not np.isfinite(logits).all():
        raise UserError(
            "The output of the network for a sample is not a finite number: "
            "train it again with a lower learning rate, or choose another model."
        )
    return logits
