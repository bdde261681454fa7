"""Particles as an input: species, neighbours and distances of a dataset's rows, of snapshots and of what is served."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from glassliquid.datasets.build import make_dataset
from glassliquid.datasets.configurations import load_configurations
from glassliquid.datasets.description import Dataset
from glassliquid.ensembles.ensemble import Ensemble, open_ensemble
from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError
from glassliquid.inputs import INPUTS, described_input
from glassliquid.inputs.descriptors import Descriptors
from glassliquid.inputs.images import Images
from glassliquid.inputs.particles import NEIGHBOURS, Particles
from tests.conftest import ignore_progress

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def configurations(dataset: Dataset) -> np.ndarray:
    """Those of the training split."""
    places = dataset.split_range(Split.TRAIN)
    return load_configurations(dataset)[places.start : places.stop]


def test_neighbours_are_the_nearest_in_the_periodic_box(dataset, configurations):
    train = Particles().load(dataset, Split.TRAIN, CPU)
    types, neighbours, distances = Particles().batch(train.values, slice(None), CPU)
    assert neighbours.shape == distances.shape == (28, 100, NEIGHBOURS)
    for place in (0, 13, 27):  # a glass and a liquid among them
        x, side = configurations[place][:, :2].astype(np.float64), configurations[place][0, 3]
        copies = [x + side * np.array(image) for image in np.ndindex(3, 3)]
        all_distances = np.linalg.norm(np.array(copies)[:, None] - side - x[:, None], axis=3).min(axis=0)
        order = all_distances.argsort(axis=1)[:, 1 : NEIGHBOURS + 1]
        assert np.array_equal(neighbours[place], order)
        np.testing.assert_allclose(distances[place], np.take_along_axis(all_distances, order, axis=1), rtol=1e-5)
        assert np.array_equal(types[place], configurations[place][:, 2])


def test_what_is_served_is_what_training_reads(dataset, configurations):
    train = Particles().load(dataset, Split.TRAIN, CPU)
    served = Particles().served(torch.from_numpy(configurations.copy()))
    for found, expected in zip(served, Particles().batch(train.values, slice(None), CPU), strict=True):
        assert found.dtype == expected.dtype
        torch.testing.assert_close(found, expected)


def check_snapshots(dataset: Dataset, ensemble: Ensemble) -> torch.Tensor:
    """That three glasses of the test split are what snapshots give; returns all of its values."""
    reads, test = Particles(), Particles().load(dataset, Split.TEST, CPU)
    members = [ensemble.simulations[number - 1] for number in test.simulations[:3]]
    glasses = reads.stacked(list(reads.from_snapshots(ensemble, members, [dataset.recipe.glass], dataset.recipe)))
    assert torch.equal(glasses, test.values[:3])
    return test.values


def test_snapshots_and_inherent_structures_are_what_the_datasets_rows_are(dataset, ensemble, recipe, pool, tmp_path):
    thermal = check_snapshots(dataset, ensemble)
    own = open_ensemble(shutil.copytree(ensemble.folder, tmp_path / "ensembles" / ensemble.name))
    inherent = replace(recipe, inherent=True)
    minimised = make_dataset(tmp_path / "datasets" / "minimised", own, inherent, pool, ignore_progress)
    assert not torch.equal(check_snapshots(minimised, own), thermal)


def test_batches_are_chosen_and_not_augmented(dataset):
    values, chosen = Particles().load(dataset, Split.TRAIN, CPU).values, torch.tensor([5, 0, 5])
    plain, augmented = (
        Particles().batch(values, chosen, CPU),
        Particles().augmented(values, chosen, torch.Generator(), CPU),
    )
    for one, other in zip(plain, augmented, strict=True):
        assert torch.equal(one, other)
        assert torch.equal(one[0], one[2])
    assert torch.equal(plain.distances[1], values[0, :, -NEIGHBOURS:])


def test_a_description_is_read_back():
    reads = Particles(neighbours=12)
    assert described_input({"input": "particles", **reads.description()}) == reads
    assert "particles" in INPUTS.names()
    for damaged in ({"input": "particles"}, {"input": "particles", "neighbours": 10**9}):
        with pytest.raises((KeyError, ValueError), match=r"neighbours|stands where"):
            described_input(damaged)


@pytest.mark.parametrize("reads", [Particles, Descriptors])
def test_a_window_is_not_compared_with_the_particles_of_the_whole_box(recipe, reads):
    window = replace(recipe, window=0.5)
    with pytest.raises(
        UserError, match=r"images show a window of 0\.5 .*window=1\.0, or choose a network that reads images"
    ):
        reads.of_recipe(window)
    assert "the particles are those of the whole box" in str(reads.of_recipe(recipe).mismatch(window))
    assert Images.of_recipe(window).mismatch(window) is None


def test_imported_images_have_no_particles(dataset, recipe):
    images = replace(recipe, source="images")
    assert Particles().mismatch(recipe) is None
    assert "it reads particles, but imported images have no particles" in str(Particles().mismatch(images))
    assert Images(64).mismatch(images) is None
    with pytest.raises(
        UserError, match="No network that reads particles can be used on data_liquid5: imported images have no"
    ):
        Particles().load(replace(dataset, recipe=images), Split.TRAIN, CPU)
