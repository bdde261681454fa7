"""What a network makes of each particle, and where that is taken from; that it finds what was planted is in tests/models/test_graph.py."""

from dataclasses import replace

import numpy as np
import torch

from glassliquid.datasets.configurations import split_configurations
from glassliquid.datasets.description import Dataset
from glassliquid.datasets.draw import DrawConfig, draw
from glassliquid.datasets.particles import shown_particles
from glassliquid.ensembles.split import Split
from glassliquid.evaluation.explanation import attribute
from glassliquid.evaluation.particle_values import particle_values
from glassliquid.evaluation.predict import predict_logits
from glassliquid.inputs import Samples
from glassliquid.inputs.descriptors import Descriptors
from glassliquid.inputs.images import Images
from glassliquid.inputs.images.decoded import load_split
from glassliquid.inputs.particles import Particles
from glassliquid.models.network import Network, build_model


def fresh(name: str, reads: Images | Particles | Descriptors) -> Network:
    return build_model(name, reads, 0.0, torch.Generator().manual_seed(0)).eval()


def test_of_images_it_is_the_attribution_of_the_disc_also_beyond_the_edge(dataset: Dataset):
    model, images = fresh("compact", Images(64)), load_split(dataset, Split.TEST)
    configurations = split_configurations(dataset, Split.TEST)
    (found,) = particle_values(model, images, configurations, dataset.recipe).values()
    assert found.shape == (6, 100)
    attribution = attribute(model, np.asarray(images.values))
    shown = shown_particles(configurations[4], dataset.recipe)
    inside = ((shown.points > shown.radii[:, None]) & (shown.points < 64 - shown.radii[:, None])).all(axis=1)
    expected = attribution.over_discs(4, shown.points, shown.radii)
    np.testing.assert_allclose(found[4][inside], expected[inside], rtol=1e-9, atol=1e-12)
    assert (~inside).sum() > 5
    assert not np.allclose(found[4][~inside], expected[~inside])
    # A disc in the corner: a quarter of it is in each corner.
    corners = attribution.over_discs(4, np.zeros((1, 2)), np.array([3.0]), period=64)
    quarters = attribution.over_discs(4, np.array([[0.0, 0], [64, 0], [0, 64], [64, 64]]), np.full(4, 3.0), period=64)
    np.testing.assert_allclose(quarters, corners.repeat(4), rtol=1e-9)


def test_particles_outside_a_window_have_none(dataset: Dataset):
    configurations = split_configurations(dataset, Split.TEST)
    window = replace(dataset.recipe, window=0.5)
    config = DrawConfig(image_size=64, window=0.5)
    pixels = np.stack([draw(each[:, :2], each[:, 2].astype(int), float(each[0, 3]), config) for each in configurations])
    images = Samples(pixels, np.zeros(6, dtype=np.int64), np.arange(6))
    (found,) = particle_values(fresh("compact", Images(64)), images, configurations, window).values()
    for values, configuration in zip(found, configurations, strict=True):
        shown = np.flatnonzero(np.isfinite(values))
        np.testing.assert_array_equal(shown, shown_particles(configuration, window).numbers)


def test_a_network_of_particles_says_it_itself_and_one_of_descriptors_nothing(dataset: Dataset):
    configurations = split_configurations(dataset, Split.TEST)
    model = fresh("graph", Particles())
    test = Particles().load(dataset, Split.TEST, torch.device("cpu"))
    found = particle_values(model, test, configurations, dataset.recipe)
    assert {name: values.shape for name, values in found.items()} == {"attribution": (6, 100), "attention": (6, 100)}
    np.testing.assert_allclose(found["attention"].sum(axis=1), 1, rtol=1e-5)
    logits = predict_logits(model, test.values, torch.device("cpu"))
    np.testing.assert_allclose(found["attribution"].sum(axis=1), logits[:, 0] - logits[:, 1], rtol=1e-3, atol=1e-4)
    structure, features = (
        fresh("structure", Descriptors()),
        Descriptors().load(dataset, Split.TEST, torch.device("cpu")),
    )
    assert particle_values(structure, features, configurations, dataset.recipe) == {}
