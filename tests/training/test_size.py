"""How large networks are, against what their layers say."""

import pytest
import torch

from glassliquid.inputs.descriptors import Descriptors
from glassliquid.inputs.images import Images
from glassliquid.models.network import build_model
from glassliquid.physics.structure import FEATURES
from glassliquid.training.size import megabytes, size_of

CPU = torch.device("cpu")


def images(side: int) -> torch.Tensor:
    return torch.zeros((3, side, side, 3), dtype=torch.uint8)


def test_a_linear_model_multiplies_once_for_each_weight():
    model = build_model("structure", Descriptors(), 0.5, torch.Generator())
    size = size_of(model, torch.zeros((3, len(FEATURES))), CPU)
    assert size.multiply_adds == 2 * len(FEATURES)
    assert size.parameters == 2 * len(FEATURES) + 2
    # Four numbers of four bytes for each.
    assert size.state_bytes == 16 * size.parameters


def test_cnn2018_multiplies_as_its_kernels_say():
    side = 40
    model = build_model("cnn2018", Images(side), 0.5, torch.Generator())
    first, second = (side - 9) ** 2 * 6 * (10 * 10 * 3), (side - 13) ** 2 * 16 * (5 * 5 * 6)
    dense = (side - 13) ** 2 * 16 * 80 + 80 * 2
    assert size_of(model, images(side), CPU).multiply_adds == first + second + dense


@pytest.mark.parametrize("training", [True, False])
def test_measuring_changes_nothing(training: bool):
    model = build_model("compact", Images(32), 0.5, torch.Generator().manual_seed(1)).train(training)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    size_of(model, images(32), CPU)
    assert model.training is training
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(("number", "words"), [(153_376, "0.153 MB"), (27_525_120, "27.5 MB"), (2.5e9, "2.5 GB")])
def test_memory_in_words(number: float, words: str):
    assert megabytes(number) == words
