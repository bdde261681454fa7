"""What every network of this project has in common: uint8 images in, two logits out."""

import torch
from torch import Tensor, nn

from glassliquid.errors import check_range
from glassliquid.models.networks import MODELS

CHANNELS = 3


class Network(nn.Module):
    """A network that takes RGB images as they are stored and scales them itself.

    So whoever loads a registered model passes plain images, and no scaling can be forgotten or done twice.
    Subclasses implement `logits` on scaled images.
    """

    thinning: int = 1
    """Only the first of so many rows and columns of an image is used."""

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the classes (0 glass, 1 liquid).

        Args:
            images: uint8 RGB images, shape (n, size, size, 3).

        Returns:
            float32, shape (n, 2).
        """
        return self.read(images[:, :: self.thinning, :: self.thinning])

    def read(self, thinned: Tensor) -> Tensor:
        """Logits of images of which only every `thinning`-th row and column is left, shape (n, 2)."""
        return self.logits(self.scaled(thinned))

    def scaled(self, thinned: Tensor) -> Tensor:
        """Thinned uint8 images, shape (n, side, side, 3), as `logits` takes them: 0..1, shape (n, 3, side, side)."""
        # The strides stay those of the images, which is PyTorch's channels-last layout: no copy is made.
        # In place, on the copy that the conversion has made: another pass over new memory would cost as much again.
        return thinned.permute(0, 3, 1, 2).to(self.dtype).div_(255)

    def logits(self, images: Tensor) -> Tensor:
        """Logits of thinned images scaled to 0..1, shape (n, 3, side, side)."""
        raise NotImplementedError

    @property
    def dtype(self) -> torch.dtype:
        """The number format of the weights."""
        return next(self.parameters()).dtype

    def weight_tensors(self) -> list[Tensor]:
        """The weight tensors of convolutions and dense layers, which the L2 penalty acts on; not biases or scales."""
        layers = (layer for layer in self.modules() if isinstance(layer, nn.Conv2d | nn.Linear))
        return [layer.weight for layer in layers]


class SeededDropout(nn.Module):
    """Dropout that draws from a generator of its own, so that a run is repeated and resumed bit for bit.

    In evaluation it is the identity; in training, elements are zeroed with probability p and the others scaled by
    1/(1 - p), as in torch.nn.Dropout.
    """

    def __init__(self, probability: float) -> None:
        """Drop each element with this probability."""
        super().__init__()
        self.probability = probability
        self._generator: torch.Generator | None = None

    def draw_from(self, generator: torch.Generator) -> None:
        """Use this generator, which lives on the device of the activations."""
        self._generator = generator

    def forward(self, x: Tensor) -> Tensor:
        """Apply dropout; same shape out as in."""
        if not self.training or self.probability == 0:
            return x
        if self._generator is None:
            raise RuntimeError("SeededDropout needs draw_from(generator) before training")
        keep = torch.rand(x.shape, generator=self._generator, device=x.device) >= self.probability
        return x * keep / (1 - self.probability)


def build_model(name: str, image_size: int, dropout: float, generator: torch.Generator) -> Network:
    """Make a network with fresh weights.

    Args:
        name: one of MODELS.
        image_size: side of its images [pixels].
        dropout: probability with which dropout zeroes an element, 0 up to 0.95.
        generator: source of the weights, on the CPU.

    Raises:
        UserError: the name is unknown, or the image size or dropout does not suit the network.
    """
    network = MODELS.get(name)
    check_range("dropout", dropout, 0, 0.95)
    return network(image_size, dropout, generator)


def seed_dropout(model: nn.Module, generator: torch.Generator) -> None:
    """Let every dropout layer of the network draw from this generator."""
    for layer in model.modules():
        if isinstance(layer, SeededDropout):
            layer.draw_from(generator)
