"""The network of the research log of 2017-18."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from glassliquid.datasets.description import CLASSES
from glassliquid.errors import UserError
from glassliquid.inputs.images import Images, scaled
from glassliquid.inputs.images.decoded import CHANNELS
from glassliquid.models.network import Network, SeededDropout
from glassliquid.models.networks import MODELS

FIRST_KERNEL, FIRST_CHANNELS = 10, 6
SECOND_KERNEL, SECOND_CHANNELS = 5, 16
HIDDEN = 80
DEVIATION = 0.1
"""Standard deviation of the normal distribution, truncated at two of them, that weights start from."""
BIAS = 0.1
"""Start value of every bias."""


@MODELS.register("cnn2018")
class Cnn2018(Network):
    """Convolution 10x10 to 6 channels, ReLU, convolution 5x5 to 16, ReLU, dense 80, ReLU, dropout, dense 2.

    No padding, stride 1, no pooling: 71.9 million weights at 250 pixels, nearly all in the first dense layer.
    """

    input = "images"

    def __init__(self, reads: Images, dropout: float, generator: torch.Generator) -> None:
        """Build the network for one image size.

        Raises:
            UserError: the image is smaller than the two kernels.
        """
        super().__init__()
        self.reads = reads
        side = reads.image_size - FIRST_KERNEL - SECOND_KERNEL + 2
        if side < 1:
            raise UserError(
                f"image_size is {reads.image_size}, but cnn2018 needs {FIRST_KERNEL + SECOND_KERNEL - 1} pixels or more: draw "
                "larger images or choose the model compact."
            )
        self.first = nn.Conv2d(CHANNELS, FIRST_CHANNELS, FIRST_KERNEL)
        self.second = nn.Conv2d(FIRST_CHANNELS, SECOND_CHANNELS, SECOND_KERNEL)
        self.hidden = nn.Linear(SECOND_CHANNELS * side * side, HIDDEN)
        self.dropout = SeededDropout(dropout)
        self.output = nn.Linear(HIDDEN, len(CLASSES))
        for layer in (self.first, self.second, self.hidden, self.output):
            nn.init.trunc_normal_(layer.weight, std=DEVIATION, a=-2 * DEVIATION, b=2 * DEVIATION, generator=generator)
            nn.init.constant_(cast(Tensor, layer.bias), BIAS)

    def forward(self, batch: Tensor) -> Tensor:
        """Logits of uint8 images, shape (n, size, size, 3)."""
        x = functional.relu(self.first(scaled(batch, self.dtype)))
        x = functional.relu(self.second(x))
        x = functional.relu(self.hidden(x.flatten(start_dim=1)))
        return cast(Tensor, self.output(self.dropout(x)))
