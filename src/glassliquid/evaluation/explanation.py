"""What a network looks at: the maps of its first layer, and how much each place of an image weighs in its answer.

The attribution of a cell of the last map A is its share of the evidence m = logit(glass) - logit(liquid),

    a(x) = cells * sum over channels c of  A_c(x) dm/dA_c(x),

gradient times activation, taken element by element. Where everything behind the map is a mean over cells and a linear
layer, as in `compact`, dm/dA_c is the same in all cells and this is the class activation map of Zhou et al. (2016) and
the Grad-CAM of Selvaraju et al. (2017, arXiv:1610.02391) with its sign kept: the mean of a over the map is then m, but
for the output layer's bias. Behind `cnn2018`'s map stands a dense layer with weights for every place, over which
Grad-CAM would average; the product by elements (HiResCAM, Draelos and Carin 2020, arXiv:2011.08891) does not.
Positive means glass, negative liquid.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glassliquid.errors import UserError
from glassliquid.evaluation.scores import GLASS
from glassliquid.inputs.images import Images
from glassliquid.models.network import Network

DISC_POINTS = 64
"""Points over which the attribution of a disc is averaged: about one per pixel for a particle of the demo ensemble."""


@dataclass(frozen=True)
class MapGrid:
    """Where the cells of a layer's map lie in the image."""

    first: float
    """Coordinate of the first cell's centre, from the image's edge [pixels]."""
    spacing: float
    """Distance between the centres of neighbouring cells [pixels]."""


@dataclass(frozen=True)
class Attribution:
    """What each place of some images adds to a network's evidence for glass."""

    cells: NDArray[np.float64]
    """a(x) of the cells of the last map [logits], shape (n, cells, cells)."""
    grid: MapGrid
    """Where the cells are in the image."""

    def at(self, index: int, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Attribution of one image at some points, linear between the centres of cells.

        It stays constant up to one spacing beyond the outermost centres and is zero farther out, where no cell looks
        at the middle of what it sees.

        Args:
            index: which image.
            points: x to the right and y down [pixels], shape (k, 2).

        Returns:
            [logits], shape (k,).
        """
        from scipy.ndimage import map_coordinates

        places = (np.asarray(points, dtype=np.float64)[:, ::-1] - self.grid.first) / self.grid.spacing
        values: NDArray[np.float64] = map_coordinates(self.cells[index], places.T, order=1, mode="nearest")
        last = np.array(self.cells[index].shape) - 1
        covered = np.all((places >= -1) & (places <= last + 1), axis=1)
        return np.where(covered, values, 0.0)

    def over_discs(
        self,
        index: int,
        centres: NDArray[np.floating],
        radii: NDArray[np.floating],
        period: float | None = None,
    ) -> NDArray[np.float64]:
        """Mean attribution over discs, such as particles, in one image.

        Args:
            index: which image.
            centres: x to the right and y down [pixels], shape (k, 2).
            radii: [pixels], shape (k,).
            period: side of an image whose opposite edges meet [pixels]: a disc over the edge continues at the other side.

        Returns:
            [logits], shape (k,).
        """
        # Points evenly over the unit disc: equal areas by radius, golden angles apart.
        number = np.arange(DISC_POINTS) + 0.5
        angle, radius = number * np.pi * (3 - np.sqrt(5)), np.sqrt(number / DISC_POINTS)
        spots = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        points = centres[:, None] + radii[:, None, None] * spots
        if period is not None:
            points %= period
        values = self.at(index, points.reshape(-1, 2)).reshape(len(centres), DISC_POINTS)
        return np.asarray(values.mean(axis=1))

    def over_image(self, index: int, image_size: int) -> NDArray[np.float64]:
        """Attribution of one image at its pixels' centres, shape (image_size, image_size)."""
        centres = np.arange(image_size) + 0.5
        columns, rows = np.meshgrid(centres, centres)
        return self.at(index, np.stack([columns.ravel(), rows.ravel()], axis=1)).reshape(image_size, image_size)


def attribute(model: Network, images: NDArray[np.uint8]) -> Attribution:
    """The attribution of images to a network's answer, by the formula above.

    Args:
        model: in evaluation mode, on the CPU.
        images: shape (n, size, size, 3); all are held at once.

    Raises:
        UserError: the network has no convolution.
    """
    from captum.attr import LayerGradientXActivation

    def evidence(batch: Tensor) -> Tensor:
        logits: Tensor = model(batch)
        return logits[:, GLASS] - logits[:, 1 - GLASS]

    explainer = LayerGradientXActivation(evidence, last_map(model))
    with warnings.catch_warnings():  # that whole numbers, as pixels are, have no gradient; the map has
        warnings.simplefilter("ignore")
        product: Any = explainer.attribute(_batch(model, images))
    shares = product.detach().double().sum(dim=1)
    return Attribution((shares * shares[0].numel()).numpy(), map_grid(model))


def first_maps(model: Network, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the first convolution makes of images, before any activation, shape (n, channels, side, side).

    Raises:
        UserError: the network has no convolution.
    """
    maps: list[Tensor] = []
    hook = convolutions(model)[0].register_forward_hook(lambda _layer, _input, output: maps.append(output.clone()))
    with torch.inference_mode():
        model(_batch(model, images))
    hook.remove()
    found: NDArray[np.float32] = maps[0].float().numpy()
    return found


def first_filters(model: Network) -> NDArray[np.float32]:
    """The weights of the first convolution, shape (channels, 3, kernel, kernel); UserError if there is none."""
    weights: NDArray[np.float32] = convolutions(model)[0].weight.detach().float().numpy()
    return weights


def map_grid(model: Network) -> MapGrid:
    """Where the cells of the last map lie, from kernels, strides and paddings of the convolutions one after another.

    Each layer shifts the first centre by ((kernel - 1) / 2 - padding) and multiplies the spacing by its stride, both in
    units of the spacing before it. Source: Araujo, Norris, Sim, Distill (2019), doi:10.23915/distill.00021.
    """
    first, spacing = 0.5, 1.0
    for layer in convolutions(model):
        (kernel, _), (stride, _), padding = layer.kernel_size, layer.stride, layer.padding
        first += ((kernel - 1) / 2 - int(padding[0])) * spacing
        spacing *= stride
    # Of every `thinning` pixels the network sees the first.
    thinning = images_of(model).thinning
    return MapGrid((first - 0.5) * thinning + 0.5, spacing * thinning)


def convolutions(model: nn.Module) -> list[nn.Conv2d]:
    """The convolutions in their order; UserError if there are none."""
    found = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    if not found:
        raise UserError(
            f"The network {type(model).__name__} has no convolutions, so there are no maps to show: choose a model of "
            "another kind, such as compact or cnn2018."
        )
    return found


def images_of(model: Network) -> Images:
    """What a network that looks at images reads; UserError for another one."""
    if not isinstance(model.reads, Images):
        raise UserError(
            f"The network reads {model.reads.summary}, and only networks that read images can be explained: choose another model."
        )
    return model.reads


def _batch(model: Network, images: NDArray[np.uint8]) -> Tensor:
    """Images as the network takes them."""
    return images_of(model).batch(torch.from_numpy(np.ascontiguousarray(images)), slice(None), torch.device("cpu"))


def most_certain(p_glass: NDArray[np.floating], labels: NDArray[np.integer], label: int, count: int) -> list[int]:
    """Places of the rightly classified images of a class that the network is surest of, the surest first."""
    p_label = p_glass if label == GLASS else 1 - p_glass
    right = np.flatnonzero((labels == label) & (p_label > 0.5))
    return [int(place) for place in right[np.argsort(-p_label[right], kind="stable")][:count]]


def most_wrong(p_glass: NDArray[np.floating], labels: NDArray[np.integer], count: int) -> list[int]:
    """Places of the images whose own class gets the lowest probability, the worst first, wrongly classified or not."""
    p_own = np.where(labels == GLASS, p_glass, 1 - p_glass)
    return [int(place) for place in np.argsort(p_own, kind="stable")[:count]]


def last_map(model: nn.Module) -> nn.Module:
    """The layer whose output is the last map: the last convolution, or the normalisation behind it.

    An activation that follows does not matter: x relu'(x) = relu(x).
    """
    convolutions(model)
    return [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.BatchNorm2d)][-1]
