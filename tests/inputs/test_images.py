"""Images as an input: batches are what the network asked for, and nothing is copied that need not be."""

import numpy as np
import pytest
import torch

from glassliquid.inputs import INPUTS, described_input
from glassliquid.inputs.images import Images, resident

CPU = torch.device("cpu")


@pytest.fixture
def pixels() -> torch.Tensor:
    return torch.randint(0, 256, (6, 9, 9, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_on_a_cpu_the_images_are_not_copied(pixels: torch.Tensor):
    assert resident(pixels, CPU) is pixels
    assert Images(9).batch(pixels, slice(2, 4), CPU).data_ptr() == pixels[2].data_ptr()


def test_a_batch_has_the_chosen_images_thinned(pixels: torch.Tensor):
    chosen = torch.tensor([5, 0, 5])
    assert torch.equal(Images(9).batch(pixels, chosen, CPU), pixels[chosen])
    assert torch.equal(Images(9, thinning=2).batch(pixels, chosen, CPU), pixels[chosen][:, ::2, ::2])


def test_augmented_batches_are_thinned_symmetries(pixels: torch.Tensor):
    chosen = torch.tensor([1, 3])
    whole, thinned = (
        Images(9, periodic=True, thinning=step).augmented(pixels, chosen, torch.Generator().manual_seed(3), CPU)
        for step in (1, 2)
    )
    assert torch.equal(whole[:, ::2, ::2], thinned)
    for image, place in zip(whole, chosen, strict=True):
        assert torch.equal(image.flatten(0, 1).unique(dim=0), pixels[place].flatten(0, 1).unique(dim=0))


def test_a_description_is_read_back():
    assert described_input({"input": "images", **Images(64).description()}) == Images(64)
    assert described_input({"image_size": 64}) == Images(64)  # checkpoints from before there was a second input
    assert "images" in INPUTS.names()


@pytest.mark.parametrize("data", [{"input": "sounds", "image_size": 64}, {"input": ["images"]}, {}, {"image_size": 3}])
def test_damaged_descriptions_are_errors(data: dict[str, object]):
    with pytest.raises((KeyError, ValueError), match=r"sounds|images|image_size|3 stands where"):
        described_input(data)


def test_a_served_model_is_passed_whole_images(pixels: torch.Tensor):
    reads = Images(9, thinning=3)
    assert reads.example().shape == (2, 9, 9, 3)
    assert reads.example().dtype == np.uint8
    assert torch.equal(reads.served(pixels), reads.batch(pixels, slice(None), CPU))
