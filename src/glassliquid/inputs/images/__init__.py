"""Images: RGB pixels, which may be turned, mirrored and, where they show the whole periodic box, shifted round their edges."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glassliquid.command_line import option
from glassliquid.datasets.description import Dataset, Recipe
from glassliquid.datasets.draw import LARGEST_IMAGE, SMALLEST_IMAGE
from glassliquid.datasets.snapshots import drawn
from glassliquid.ensembles.split import Split
from glassliquid.files import whole_number
from glassliquid.inputs import INPUTS, Input, Samples
from glassliquid.inputs.images.augment import augment
from glassliquid.inputs.images.decoded import CHANNELS, load_split
from glassliquid.trajectories.trajectory import Configuration

RESIDENT_SHARE = 0.5
"""The images are held on the GPU when they take at most this share of its free memory."""


@INPUTS.register("images")
@dataclass(frozen=True)
class Images(Input):
    """uint8 RGB images of one size."""

    name: ClassVar[str] = "images"

    image_size: int
    """Side [pixels]."""
    periodic: bool = True
    """Whether they may be shifted round their edges."""
    thinning: int = 1
    """A network that asks for it gets only the first of so many rows and columns."""

    @classmethod
    def of_recipe(cls, recipe: Recipe) -> Self:
        """Images as the dataset has them."""
        return cls(recipe.image_size, periodic=recipe.window == 1.0)

    @classmethod
    def of_description(cls, data: Mapping[str, Any]) -> Self:
        """Images of a size that datasets can have."""
        return cls(whole_number(data["image_size"], SMALLEST_IMAGE, LARGEST_IMAGE))

    def description(self) -> dict[str, Any]:
        """The size."""
        return {"image_size": self.image_size}

    def mismatch(self, recipe: Recipe) -> str | None:
        """Another size."""
        if recipe.image_size == self.image_size:
            return None
        return (
            f"it reads images of {self.image_size} pixels, but these have {recipe.image_size}; make the dataset with "
            f"{option('image_size', self.image_size)}"
        )

    def load(self, dataset: Dataset, split: Split, device: torch.device) -> Samples:
        """The decoded images: on a GPU if they fit there, else a memory map of the dataset's cache."""
        found = load_split(dataset, split)
        return replace(found, values=resident(torch.from_numpy(found.values), device))

    def sample_of(self, found: Configuration, recipe: Recipe) -> NDArray[np.uint8]:
        """An image, drawn as the dataset's are."""
        return drawn(found, recipe)

    def stacked(self, samples: Sequence[NDArray[np.uint8]]) -> Tensor:
        """One array of the images."""
        return torch.from_numpy(np.stack(samples))

    def batch(self, values: Tensor, chosen: Tensor | slice, device: torch.device) -> Tensor:
        """uint8 images, shape (n, side, side, 3) with side = size / thinning rounded up."""
        places = chosen.to(values.device) if isinstance(chosen, Tensor) else chosen
        return self.served(values)[places].to(device)

    def augmented(self, values: Tensor, chosen: Tensor, generator: torch.Generator, device: torch.device) -> Tensor:
        """The same of images that are turned, mirrored and shifted."""
        if values.device.type != device.type:  # too large for the device: a batch at a time goes there
            values, chosen = values[chosen].to(device), torch.arange(len(chosen))
        return augment(values, generator, self.periodic, chosen.to(device), self.thinning)

    def example(self) -> NDArray[np.uint8]:
        """Two black images."""
        return np.zeros((2, self.image_size, self.image_size, CHANNELS), dtype=np.uint8)

    def served(self, samples: Tensor) -> Tensor:
        """Whole images, thinned."""
        return samples[:, :: self.thinning, :: self.thinning]

    @property
    def summary(self) -> str:
        """Type and size."""
        return f"uint8 RGB images of {self.image_size} pixels"

    def pictures(self, batch: Tensor) -> NDArray[np.uint8]:
        """The images themselves."""
        return np.asarray(batch.cpu())

    @property
    def augmentation(self) -> str:
        """The symmetries, and the thinning, which is seen too."""
        moves = "turned, mirrored and shifted periodically" if self.periodic else "turned and mirrored"
        return f"{moves} at random" + (f", one row and column in {self.thinning} kept" if self.thinning > 1 else "")


def scaled(batch: Tensor, dtype: torch.dtype) -> Tensor:
    """A batch of images as convolutions take it: uint8 (n, side, side, 3) to 0..1, shape (n, 3, side, side)."""
    # The strides stay those of the images, which is PyTorch's channels-last layout: no copy is made.
    # In place, on the copy that the conversion has made: another pass over new memory would cost as much again.
    return batch.permute(0, 3, 1, 2).to(dtype).div_(255)


def resident(images: Tensor, device: torch.device) -> Tensor:
    """The images on the device if they fit there, else as they are (a memory map of the dataset's cache)."""
    if device.type != "cuda":
        return images if device.type == "cpu" else images.to(device)
    free, _ = torch.cuda.mem_get_info(device)
    return images.to(device) if images.nbytes <= RESIDENT_SHARE * free else images
