"""What every network of this project has in common: a batch of its input in, two logits out."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from glassliquid.datasets.description import Recipe
from glassliquid.errors import check_range
from glassliquid.inputs import INPUTS, Input
from glassliquid.models.networks import MODELS


class Network(nn.Module):
    """A network that turns a batch of its input into the logits of the classes.

    A network is a module of models/networks with one registered subclass: it names its input, is built with (reads, dropout,
    generator) and its `settings`, where `reads` describes the samples, and keeps in `reads` the input as it reads it.
    """

    input: ClassVar[str]
    """Name of the input that it reads."""
    settings: ClassVar[tuple[str, ...]] = ()
    """Settings of a training run that are its own: it is built with those of them that are given."""
    is_small: ClassVar[bool] = False
    """Whether a batch is so little work that sharing it among cores takes longer than computing it on one."""
    reads: Input
    """Makes its batches."""

    def forward(self, batch: Any) -> Tensor:
        """Logits of the classes (0 glass, 1 liquid), shape (n, 2), of a batch that `reads` has made."""
        raise NotImplementedError

    def fit_scales(self, values: Any) -> None:
        """Take what scales the input from the training split's samples, into buffers; called once, before the first step."""

    def settle(self, values: Any) -> None:
        """Take statistics of the training split under the weights of this moment, into buffers; called before each validation."""

    def evidence(self) -> dict[str, float]:
        """What each number of the input adds to logit(glass) - logit(liquid) per unit, by name; empty if they have no names."""
        return {}

    def particle_values(self, batch: Any) -> dict[str, Tensor]:  # noqa: ARG002 - for networks of particles
        """What the network makes of each particle, by name, shape (n, N) each; empty if it does not look at particles.

        `attribution` is a particle's part of logit(glass) - logit(liquid), `attention` its weight, whose sum over a system is 1.
        """
        return {}

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


def input_of(model: str, recipe: Recipe) -> Input:
    """What a network reads of the samples of a dataset that is made by a recipe; UserError if there is no such network or input."""
    return INPUTS.get(MODELS.get(model).input).of_recipe(recipe)


def build_model(name: str, reads: Input, dropout: float, generator: torch.Generator, **own: Any) -> Network:
    """Make a network with fresh weights.

    Args:
        name: one of MODELS.
        reads: the samples.
        dropout: probability with which dropout zeroes an element, 0 up to 0.95.
        generator: source of the weights, on the CPU.
        own: of the network's `settings`, those that are given.

    Raises:
        UserError: the name is unknown, or the samples or dropout do not suit the network.
        ValueError: the samples are of another input than the network reads.
    """
    network: Any = MODELS.get(name)
    check_range("dropout", dropout, 0, 0.95)
    if network.input != reads.name:
        raise ValueError(f"{name} reads {network.input}, not {reads.name}")
    model: Network = network(reads, dropout, generator, **own)
    return model


def seed_dropout(model: nn.Module, generator: torch.Generator) -> None:
    """Let every dropout layer of the network draw from this generator."""
    for layer in model.modules():
        if isinstance(layer, SeededDropout):
            layer.draw_from(generator)
