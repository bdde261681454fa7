"""What a network makes of each particle of some samples: a number of its own, or the mean of an image's attribution over its disc."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from glassliquid.datasets.description import Recipe
from glassliquid.datasets.particles import shown_particles
from glassliquid.evaluation.explanation import attribute
from glassliquid.evaluation.predict import BATCH
from glassliquid.inputs import Samples
from glassliquid.inputs.images import Images
from glassliquid.models.network import Network

ATTRIBUTION = "attribution"
IMAGES_AT_ONCE = 16
"""Whose attribution is computed together: cnn2018's maps of 250 pixels take 70 MB."""


def particle_values(
    model: Network, samples: Samples, configurations: NDArray[np.float32], recipe: Recipe
) -> dict[str, NDArray[np.float64]]:
    """The network's numbers of each particle, by name, shape (n, N) each; empty if it has none.

    `attribution` is evidence for glass less that for liquid [logits]: of a network of images its mean over the particle's disc (nan
    for a particle whose centre a window leaves out), of a network of particles the particle's part. `attention` is the weight of
    a particle in the pooling, and their sum over a sample is 1.

    Args:
        model: in evaluation mode, on the CPU.
        samples: what its input has loaded.
        configurations: the same samples' particles, shape (n, N, 4).
        recipe: how the samples were made.
    """
    if isinstance(model.reads, Images):
        return {ATTRIBUTION: _over_discs(model, samples, configurations, recipe)}
    return _own(model, samples)


@torch.inference_mode()
def _own(model: Network, samples: Samples) -> dict[str, NDArray[np.float64]]:
    """What a network says of particles itself."""
    found: dict[str, list[NDArray[np.float64]]] = {}
    for part in _parts(len(samples), BATCH):
        batch = model.reads.batch(samples.values, part, torch.device("cpu"))
        for name, values in model.particle_values(batch).items():
            found.setdefault(name, []).append(values.double().numpy())
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _over_discs(
    model: Network, samples: Samples, configurations: NDArray[np.float32], recipe: Recipe
) -> NDArray[np.float64]:
    """The image's attribution, averaged over each particle's disc."""
    found = np.full(configurations.shape[:2], np.nan)
    period = recipe.image_size if recipe.window == 1 else None
    for part in _parts(len(samples), IMAGES_AT_ONCE):
        attribution = attribute(model, np.asarray(samples.values[part]))
        for place, index in enumerate(range(*part.indices(len(samples)))):
            shown = shown_particles(configurations[index], recipe)
            found[index, shown.numbers] = attribution.over_discs(place, shown.points, shown.radii, period)
    return found


def _parts(count: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, count, size))
