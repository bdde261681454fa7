"""The networks by name."""

from collections.abc import Callable

import torch

from glassliquid.errors import check_choice, check_range
from glassliquid.models.classifier import ImageClassifier, SeededDropout
from glassliquid.models.cnn2018 import Cnn2018
from glassliquid.models.compact import Compact
from glassliquid.models.names import MODEL_NAMES

Builder = Callable[[int, float, torch.Generator], ImageClassifier]

MODELS: dict[str, Builder] = dict(zip(MODEL_NAMES, (Compact, Cnn2018), strict=True))


def build_model(name: str, image_size: int, dropout: float, generator: torch.Generator) -> ImageClassifier:
    """Make a network with fresh weights.

    Args:
        name: a key of MODELS.
        image_size: side of its images [pixels].
        dropout: probability with which dropout zeroes an element, 0 up to 0.95.
        generator: source of the weights, on the CPU.

    Raises:
        UserError: the name is unknown, or the image size or dropout does not suit the network.
    """
    check_choice("model", name, MODELS)
    check_range("dropout", dropout, 0, 0.95)
    return MODELS[name](image_size, dropout, generator)


def seed_dropout(model: ImageClassifier, generator: torch.Generator) -> None:
    """Let every dropout layer of the network draw from this generator."""
    for layer in model.modules():
        if isinstance(layer, SeededDropout):
            layer.draw_from(generator)
