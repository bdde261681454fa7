"""The modern default: a small convolutional network for images of any size."""

from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from glassliquid.datasets.description import CLASSES
from glassliquid.inputs.images import Images, scaled
from glassliquid.inputs.images.decoded import CHANNELS
from glassliquid.models.network import Network, SeededDropout
from glassliquid.models.networks import MODELS

WORKING_SIZE = 128
"""Images of about twice, three times this size are first thinned to every second, third pixel: at 250 pixels that
learns as fast, and reading all pixels would take longer than the rest of the network."""
PATCH = 4
"""Kernel and stride of the first convolution: half a particle at 256 particles and 128 pixels."""
PATCH_CHANNELS, MAP_CHANNELS = 16, 24
"""With 32 maps it needs about 4 iterations instead of 5, each a fifth longer; with 8 patch channels one seed in six
hung at 98 %."""
MOMENTUM = 0.3
"""Weight of the newest batch in the running statistics: they have to follow the quick first batches."""


@MODELS.register("compact")
class Compact(Network):
    """Convolution 4x4 stride 4 to 16 channels, 3x3 stride 2 to 24, 3x3 to 24, mean over the map, dropout, dense 2.

    Each convolution is followed by batch normalisation and ReLU: a sibling needed two to four times as many batches
    without it or with group normalisation, and swung between 98 and 50 % on the way. About 9,600 weights at any image
    size; the last map has one cell for 8x8 pixels of a 128 pixel image, about one particle of 256.
    """

    input = "images"

    def __init__(self, reads: Images, dropout: float, generator: torch.Generator) -> None:
        """Build the network for one image size."""
        super().__init__()
        self.reads = replace(reads, thinning=max(1, round(reads.image_size / WORKING_SIZE)))
        self.first = nn.Conv2d(CHANNELS, PATCH_CHANNELS, PATCH, stride=PATCH, bias=False)
        self.first_norm = nn.BatchNorm2d(PATCH_CHANNELS, momentum=MOMENTUM)
        self.second = nn.Conv2d(PATCH_CHANNELS, MAP_CHANNELS, 3, stride=2, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(MAP_CHANNELS, momentum=MOMENTUM)
        self.third = nn.Conv2d(MAP_CHANNELS, MAP_CHANNELS, 3, padding=1, bias=False)
        self.third_norm = nn.BatchNorm2d(MAP_CHANNELS, momentum=MOMENTUM)
        self.dropout = SeededDropout(dropout)
        self.output = nn.Linear(MAP_CHANNELS, len(CLASSES))
        for layer in (self.first, self.second, self.third):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
        nn.init.normal_(self.output.weight, std=MAP_CHANNELS**-0.5, generator=generator)
        nn.init.zeros_(self.output.bias)

    def forward(self, batch: Tensor) -> Tensor:
        """Logits of uint8 images, shape (n, side, side, 3)."""
        x = scaled(batch, self.dtype)
        x = functional.relu(self.first_norm(self.first(x)), inplace=True)
        x = functional.relu(self.second_norm(self.second(x)), inplace=True)
        x = functional.relu(self.third_norm(self.third(x)), inplace=True)
        return cast(Tensor, self.output(self.dropout(x.mean(dim=(2, 3)))))
