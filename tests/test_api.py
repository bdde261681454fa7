"""The functions for notebooks, against what the program itself uses."""

from pathlib import Path

import numpy as np
import pytest

import glassliquid as gl
from glassliquid.datasets.description import Dataset, Label
from glassliquid.ensembles.ensemble import Ensemble
from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError
from glassliquid.inputs.images.decoded import load_split
from glassliquid.physics.potential import energy_and_forces


def test_the_names_are_there_and_no_others():
    assert all(callable(getattr(gl, name)) for name in gl.__all__)
    with pytest.raises(AttributeError, match="no attribute 'load_ensembles'"):
        gl.load_ensembles  # noqa: B018


def test_a_snapshot_is_the_one_of_the_cooling(ensemble: Ensemble, data_dir: Path):
    found = gl.load_ensemble(ensemble.name, data_dir)
    snapshot, curve = gl.read_snapshot(found, 2, 60), gl.cooling_curve(found, 2)
    assert snapshot.log["potential_energy"] == curve.potential_energy[60]
    energy, _ = energy_and_forces(snapshot.positions, snapshot.types, snapshot.length)
    # Positions are stored in single precision.
    assert gl.features(snapshot)["potential energy per particle"] == pytest.approx(energy, rel=1e-5)


def test_the_pair_correlation_counts_the_pairs(ensemble: Ensemble):
    """The integral of g_AB over rings gives the pairs that are counted one by one."""
    found = gl.read_snapshot(ensemble, 1, 200)
    r, g = gl.pair_correlation(found)
    width = r[1] - r[0]
    a, b = (found.positions[found.types == species].astype(float) for species in (0, 1))
    apart = a[:, None] - b[None]
    distances = np.hypot(*np.moveaxis(apart - found.length * np.round(apart / found.length), 2, 0))
    low, high = r[0] - width / 2, r[-1] + width / 2
    counted = ((distances >= low) & (distances < high)).sum()
    integrated = (g[1] * 2 * np.pi * r * width).sum() * len(a) * len(b) / found.length**2
    assert integrated == pytest.approx(counted)


def test_the_inherent_structure_lies_below_and_carries_no_force(ensemble: Ensemble):
    found = gl.read_snapshot(ensemble, 1, 60)
    minimum, energy = gl.inherent_structure(found)
    above, _ = energy_and_forces(found.positions, found.types, found.length)
    below, forces = energy_and_forces(minimum.positions, minimum.types, minimum.length)
    assert energy == pytest.approx(below) and energy < above
    assert np.linalg.norm(forces) < 1e-6  # the minimiser ends below 1e-8 of its own sum


def test_configurations_are_those_that_were_drawn(dataset: Dataset, data_dir: Path):
    found, labels = gl.configurations_of(gl.load_dataset(dataset.name, data_dir), "test")
    images = load_split(dataset, Split.TEST)
    assert labels == [(Label.GLASS, Label.LIQUID)[index] for index in images.labels]
    for configuration, image in zip(found, images.values, strict=True):
        np.testing.assert_array_equal(gl.draw(configuration, image_size=64), image)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda ensemble, _: gl.read_snapshot(ensemble, 999, 5), "no simulation 999: choose one from 1 to 20"),
        (lambda ensemble, _: gl.read_snapshot(ensemble, 1, 7), "7"),
        (lambda _, dataset: gl.configurations_of(dataset, "tests"), "tests"),
    ],
)
def test_what_is_not_there_is_told(ensemble: Ensemble, dataset: Dataset, call, message: str):
    with pytest.raises(UserError, match=message):
        call(ensemble, dataset)
