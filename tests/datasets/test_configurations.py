"""The particles of a dataset's rows: read once from the ensemble, cached beside the dataset."""

import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

from glassliquid.datasets import configurations
from glassliquid.datasets.configurations import load_configurations
from glassliquid.datasets.description import open_dataset
from glassliquid.errors import UserError
from glassliquid.trajectories.trajectory import read_configurations


@pytest.fixture
def copy(dataset, ensemble, tmp_path):
    """A dataset and its ensemble, which the test may damage; nothing is cached."""
    shutil.copytree(ensemble.folder, tmp_path / "ensembles" / ensemble.name)
    hidden = shutil.ignore_patterns(".*")
    return open_dataset(shutil.copytree(dataset.folder, tmp_path / "datasets" / dataset.name, ignore=hidden))


@pytest.fixture
def trajectory(copy, ensemble):
    """The file of its third row."""
    return copy.folder.parents[1] / "ensembles" / ensemble.name / f"sim-{copy.records[2].simulation:05d}.gsd"


def test_rows_are_the_particles_of_the_trajectories(copy, ensemble):
    found = load_configurations(copy)
    assert found.shape == (40, 100, 4)
    assert found.dtype == np.float32
    for row, record in zip(found, copy.records, strict=True):
        (expected,) = read_configurations(ensemble.path(ensemble.simulations[record.simulation - 1]), [record.snapshot])
        assert np.array_equal(row[:, :2], expected.positions)
        assert np.array_equal(row[:, 2], expected.types)
        assert row[:, 3] == pytest.approx(np.sqrt(100 / 1.2))


def test_trajectories_are_read_once_and_again_when_one_is_replaced(copy, trajectory, monkeypatch):
    expected, read = load_configurations(copy).copy(), []

    def counted(path, *arguments, **options):
        read.append(path)
        return read_configurations(path, *arguments, **options)

    monkeypatch.setattr(configurations, "read_configurations", counted)
    cached = load_configurations(copy)
    assert np.array_equal(cached, expected)
    assert isinstance(cached, np.memmap)
    assert read == []
    os.utime(trajectory, ns=(1, 1))
    assert np.array_equal(load_configurations(copy), expected)
    assert len(read) == 40


def test_what_is_missing_is_named(copy, trajectory):
    load_configurations(copy)  # a cache does not hide it
    trajectory.unlink()
    with pytest.raises(UserError, match=rf"{trajectory} cannot be used \(it is missing\): run make_data again"):
        load_configurations(copy)
    shutil.rmtree(trajectory.parent)
    with pytest.raises(UserError, match=f"There is no ensemble 'small' in {trajectory.parents[1]}"):
        load_configurations(copy)


def test_particles_of_something_else_are_refused(copy, dataset):
    images = replace(copy, recipe=replace(copy.recipe, source="images"))
    with pytest.raises(UserError, match="imported images have no particles"):
        load_configurations(images)
    stranger = replace(copy, records=(replace(copy.records[0], simulation=21),))
    with pytest.raises(UserError, match=r"belongs to simulation 21, but the ensemble 'small' has 1 to 20"):
        load_configurations(stranger)
