import numpy as np
import pytest
import torch
from torch import nn

from glassliquid.errors import UserError
from glassliquid.evaluation.predict import BATCH, predict_logits
from glassliquid.inputs.images import Images
from glassliquid.models.network import SeededDropout, build_model, seed_dropout
from glassliquid.models.networks import MODELS
from glassliquid.models.served import GlassProbability

IMAGE_NETWORKS = [name for name in MODELS.names() if MODELS.get(name).input == "images"]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int, size: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, size, size, 3), dtype=torch.uint8, generator=generator())


def test_cnn2018_has_the_weights_of_the_log():
    """10*10*3*6 + 5*5*6*16 + (237*237*16)*80 + 80*2 weights at 250 pixels, 71.9 million, and 104 biases."""
    with torch.device("meta"):
        layers = [nn.Conv2d(3, 6, 10), nn.Conv2d(6, 16, 5), nn.Linear(16 * 237 * 237, 80), nn.Linear(80, 2)]
    expected = sum(parameter.numel() for layer in layers for parameter in layer.parameters())
    assert round(expected / 1e6, 1) == 71.9
    model = build_model("cnn2018", Images(250), 0.5, generator())
    assert sum(parameter.numel() for parameter in model.parameters()) == expected


def test_cnn2018_starts_from_the_truncated_normal():
    model = build_model("cnn2018", Images(64), 0.5, generator())
    for weight in model.weight_tensors():
        assert weight.abs().max() <= 0.2
    # A normal cut at two deviations has 0.8796 of its deviation left.
    assert float(model.hidden.weight.detach().std()) == pytest.approx(0.08796, rel=0.01)
    biases = torch.cat([bias.detach() for name, bias in model.named_parameters() if name.endswith("bias")])
    assert biases.tolist() == pytest.approx([0.1] * len(biases))


@pytest.mark.parametrize("name", IMAGE_NETWORKS)
@pytest.mark.parametrize("size", [16, 33, 128, 250])
def test_every_network_takes_uint8_images_of_any_size(name: str, size: int):
    model = build_model(name, Images(size), 0.5, generator()).eval()
    logits = model(images(3, size))
    assert logits.shape == (3, 2)
    assert logits.dtype == torch.float32


@pytest.mark.parametrize("name", IMAGE_NETWORKS)
def test_weights_come_from_the_generator_alone(name: str):
    states = [build_model(name, Images(32), 0.5, generator(seed)).state_dict() for seed in (1, 1, 2)]
    same = [all(torch.equal(states[0][key], other[key]) for key in states[0]) for other in states[1:]]
    assert same == [True, False]


@pytest.mark.parametrize("name", IMAGE_NETWORKS)
def test_exported_networks_give_the_same_logits_for_any_number_of_images(name: str):
    model = build_model(name, Images(32), 0.5, generator()).eval()
    batch = torch.export.Dim("batch", min=1)
    exported = torch.export.export(model, (images(2, 32),), dynamic_shapes=({0: batch},)).module()
    for count in (1, 2, 7):
        torch.testing.assert_close(exported(images(count, 32)), model(images(count, 32)))


def test_the_batch_does_not_change_the_logits():
    model = build_model("compact", Images(32), 0.5, generator()).eval()
    data = images(BATCH + 5, 32)
    one_by_one = np.concatenate([predict_logits(model, data[k : k + 1], torch.device("cpu")) for k in range(len(data))])
    # Kernels for other batch sizes add in another order: single precision's rounding.
    np.testing.assert_allclose(predict_logits(model, data, torch.device("cpu")), one_by_one, atol=1e-5)


def test_dropout_keeps_the_mean_and_is_off_in_evaluation():
    layer = SeededDropout(0.4)
    x = torch.ones(200_000)
    with pytest.raises(RuntimeError, match="draw_from"):
        layer(x)
    layer.draw_from(generator())
    dropped = layer(x)
    # The fraction kept has a standard error of sqrt(0.24 / 200,000) = 0.0011: five of them.
    assert float((dropped != 0).float().mean()) == pytest.approx(0.6, abs=0.0055)
    assert float(dropped.max()) == pytest.approx(1 / 0.6)
    assert layer.eval()(x) is x


def test_dropout_is_seeded():
    outputs = []
    for seed in (1, 1, 2):
        model = build_model("compact", Images(32), 0.5, generator())
        seed_dropout(model, generator(seed))
        outputs.append(model.train()(images(8, 32)))
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])


def test_unsuitable_networks_are_refused():
    with pytest.raises(UserError, match="choose one of cnn2018, compact, graph, structure"):
        build_model("resnet", Images(32), 0.5, generator())
    with pytest.raises(UserError, match="cnn2018 needs 14 pixels or more"):
        build_model("cnn2018", Images(12), 0.5, generator())
    with pytest.raises(UserError, match="dropout is 1"):
        build_model("compact", Images(32), 1, generator())


@pytest.mark.parametrize("name", ["compact", "cnn2018"])
def test_the_served_network_answers_with_the_probability_of_glass(name: str):
    network, asked = build_model(name, Images(64), 0.5, generator()).eval(), images(5, 64)
    with torch.inference_mode():
        logits, p_glass = network(asked).double(), GlassProbability(network, glass=0)(asked)
    assert p_glass.shape == (5,)
    assert p_glass.dtype == torch.float32
    expected = 1 / (1 + torch.exp(logits[:, 1] - logits[:, 0]))
    torch.testing.assert_close(p_glass.double(), expected, rtol=1e-5, atol=1e-7)
