"""Descriptors as an input: the features of a dataset's rows, computed once."""

import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from glassliquid.datasets import features as datasets_features
from glassliquid.datasets.description import Dataset, open_dataset
from glassliquid.datasets.features import features_of
from glassliquid.ensembles.split import Split
from glassliquid.ensembles.workers import LocalPool
from glassliquid.errors import UserError
from glassliquid.inputs import INPUTS, descriptors
from glassliquid.inputs.descriptors import Descriptors
from glassliquid.physics.structure import FEATURES, VERSION, features
from glassliquid.trajectories.trajectory import read_configurations

CPU = torch.device("cpu")


@pytest.fixture
def copy(dataset, ensemble, tmp_path) -> Dataset:
    """A dataset and its ensemble, which the test may damage; nothing is cached."""
    shutil.copytree(ensemble.folder, tmp_path / "ensembles" / ensemble.name)
    hidden = shutil.ignore_patterns(".*")
    return open_dataset(shutil.copytree(dataset.folder, tmp_path / "datasets" / dataset.name, ignore=hidden))


def test_rows_are_the_features_of_their_configurations(dataset, ensemble):
    for split in Split:
        found = Descriptors().load(dataset, split, CPU)
        records = [record for record in dataset.records if record.split is split]
        assert found.values.shape == (len(records), len(FEATURES))
        assert found.values.dtype == torch.float32
        for row, label, number, record in zip(found.values, found.labels, found.simulations, records, strict=True):
            assert (label, number) == (record.label == "liquid", record.simulation)
            path = ensemble.path(ensemble.simulations[record.simulation - 1])
            (shown,) = read_configurations(path, [record.snapshot])
            assert np.array_equal(row.numpy(), features(shown.positions, shown.types, shown.length))


def test_snapshots_have_the_features_of_the_datasets_rows(dataset, ensemble, recipe):
    reads, found = Descriptors(), Descriptors().load(dataset, Split.TEST, CPU)
    members = [ensemble.simulations[number - 1] for number in found.simulations]
    snapshots = [recipe.glass if label == 0 else recipe.liquid for label in found.labels]
    samples = [
        sample
        for member, snapshot in zip(members, snapshots, strict=True)
        for sample in reads.from_snapshots(ensemble, [member], [snapshot], recipe)
    ]
    assert torch.equal(reads.stacked(samples), found.values)


def test_a_pool_computes_the_same_features_in_the_same_order(ensemble, recipe, monkeypatch):
    members, snapshots = ensemble.simulations, [recipe.liquid, recipe.glass]
    reads = Descriptors()
    here = list(reads.from_snapshots(ensemble, members, snapshots, recipe))
    monkeypatch.setattr(datasets_features, "FEW", 1)
    monkeypatch.setattr(datasets_features, "PART", 3)
    with LocalPool(2) as pool:
        there = list(reads.from_snapshots(ensemble, members, snapshots, recipe, pool))
    assert len(here) == 2 * len(members)
    assert np.array_equal(here, there)


def test_features_are_computed_once_and_again_when_a_trajectory_is_replaced(copy, ensemble, monkeypatch):
    before = Descriptors().load(copy, Split.TRAIN, CPU).values.clone()
    assert (copy.folder / f".structure{VERSION}-{copy.digest}.npy").is_file()
    computed = []
    monkeypatch.setattr(descriptors, "features_of", lambda found: computed.append(found) or features_of(found))
    assert torch.equal(Descriptors().load(copy, Split.TRAIN, CPU).values, before)
    assert computed == []
    os.utime(copy.folder.parents[1] / "ensembles" / ensemble.name / "sim-00001.gsd", ns=(1, 1))
    assert torch.equal(Descriptors().load(copy, Split.TRAIN, CPU).values, before)
    assert len(computed) == len(copy.records)


def test_an_ensemble_that_is_gone_is_named(copy, ensemble):
    folder = copy.folder.parents[1] / "ensembles"
    shutil.rmtree(folder / ensemble.name)
    with pytest.raises(UserError, match=f"There is no ensemble 'small' in {folder}"):
        Descriptors().load(copy, Split.TRAIN, CPU)


def test_images_without_particles_are_refused(recipe):
    with pytest.raises(UserError, match=r"have no particles; .* or choose a network that reads images"):
        Descriptors.of_recipe(replace(recipe, source="images"))
    assert "have no particles" in (Descriptors().mismatch(replace(recipe, source="images")) or "")
    assert Descriptors().mismatch(recipe) is None


def test_another_list_of_features_is_refused():
    assert INPUTS.get("descriptors").of_description({"features": VERSION}) == Descriptors()
    with pytest.raises(ValueError, match="it reads list 0 of the features, but this program computes list 1"):
        Descriptors.of_description({"features": 0})


def test_batches_are_the_chosen_rows_augmented_or_not():
    reads, values = Descriptors(), torch.arange(6.0).reshape(3, 2)
    chosen = torch.tensor([2, 0, 2])
    assert torch.equal(reads.batch(values, chosen, CPU), values[chosen])
    assert torch.equal(reads.augmented(values, chosen, torch.Generator(), CPU), values[chosen])
    assert reads.example().shape == (2, len(FEATURES))
    assert reads.pictures(values) is None
