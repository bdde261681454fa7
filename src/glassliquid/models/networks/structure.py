"""The physicist's classifier: a linear model on g(r) and what else physicists compute of a configuration."""

from typing import cast

import torch
from torch import Tensor, nn

from glassliquid.datasets.description import CLASSES, Label
from glassliquid.inputs.descriptors import Descriptors
from glassliquid.models.network import Network
from glassliquid.models.networks import MODELS
from glassliquid.physics.structure import FEATURES

DEVIATION = 0.01
"""Standard deviation of the normal distribution that weights start from: what they say in the end is what was learned."""


@MODELS.register("structure")
class Structure(Network):
    """One dense layer on the features, each less its mean and over its deviation in the training split; no dropout.

    A feature that is the same in all training samples, such as g(r) where no two particles get so close, counts for nothing.
    """

    input = "descriptors"
    is_small = True
    mean: Tensor
    scale: Tensor
    """One over the deviation; zero where that is zero."""

    def __init__(self, reads: Descriptors, dropout: float, generator: torch.Generator) -> None:  # noqa: ARG002
        """Build the network; `dropout` has nothing to act on."""
        super().__init__()
        self.reads = reads
        self.register_buffer("mean", torch.zeros(len(FEATURES)))
        self.register_buffer("scale", torch.ones(len(FEATURES)))
        self.output = nn.Linear(len(FEATURES), len(CLASSES))
        nn.init.normal_(self.output.weight, std=DEVIATION, generator=generator)
        nn.init.zeros_(self.output.bias)

    def fit_scales(self, values: Tensor) -> None:
        """Take mean and standard deviation of each feature."""
        double = values.double()
        deviation, mean = torch.std_mean(double, dim=0, correction=0)
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(double.amax(dim=0) > double.amin(dim=0), 1 / deviation, 0.0))

    def evidence(self) -> dict[str, float]:
        """The weights, per standard deviation of each feature in the training split."""
        weights = self.output.weight.detach()
        towards_glass = (weights[CLASSES.index(Label.GLASS)] - weights[CLASSES.index(Label.LIQUID)]).tolist()
        pairs = zip(FEATURES, towards_glass, self.scale.tolist(), strict=True)
        return {feature.name: weight if scale else 0.0 for feature, weight, scale in pairs}

    def forward(self, batch: Tensor) -> Tensor:
        """Logits of features, shape (n, features)."""
        return cast(Tensor, self.output((batch - self.mean) * self.scale))
