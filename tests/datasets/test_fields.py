"""The physical fields of a dataset's particles, from its trajectories and their inherent structures."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from glassliquid.datasets import fields
from glassliquid.datasets.configurations import split_configurations
from glassliquid.datasets.description import Dataset, open_dataset
from glassliquid.ensembles.ensemble import Ensemble, open_ensemble
from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError
from glassliquid.physics.fields import FIELDS
from glassliquid.trajectories.trajectory import read_configurations

PLACES = {field.column: place for place, field in enumerate(FIELDS)}


@pytest.fixture
def own(dataset: Dataset, ensemble: Ensemble, copied: Callable[[Path], Path]) -> Dataset:
    """A copy of the shared dataset and of its ensemble."""
    copied(ensemble.folder)
    return open_dataset(copied(dataset.folder))


def test_they_are_of_the_snapshot_and_its_inherent_structure(own: Dataset, monkeypatch: pytest.MonkeyPatch):
    found = fields.load_fields(own, Split.TEST)
    records = [own.records[place] for place in own.split_range(Split.TEST)]
    assert found.shape == (len(records), 100, len(FIELDS))
    ensemble = open_ensemble(own.folder.parents[1] / "ensembles" / "small")
    for values, record in zip(found, records, strict=True):
        simulation = ensemble.simulations[record.simulation - 1]
        (snapshot,) = read_configurations(ensemble.path(simulation), [record.snapshot])
        (minimum,) = read_configurations(ensemble.inherent_path(simulation), [record.snapshot])
        # Positions are stored in single precision, which the steep core magnifies.
        assert values[:, PLACES["energy"]].mean() == pytest.approx(snapshot.log["potential_energy"], abs=2e-4)
        assert values[:, PLACES["inherent_energy"]].mean() == pytest.approx(minimum.log["inherent_energy"], abs=2e-4)
        assert values[:, PLACES["moved"]].max() > 0
    labels = np.array([record.label for record in records])
    moved = values_of(found, "moved")
    # A liquid at T = 1.95 is farther from its minimum than a glass at 0.05.
    assert moved[labels == "liquid"].mean() > moved[labels == "glass"].mean()
    # Minimised were the simulations of the split alone, once.
    kept = {path.stem for path in (ensemble.folder / "inherent").glob("*.gsd")}
    assert kept == {f"sim-{record.simulation:05d}" for record in records}
    monkeypatch.setattr(fields, "make_inherent", None)
    monkeypatch.setattr(fields, "particle_fields", None)
    np.testing.assert_array_equal(fields.load_fields(own, Split.TEST), found)


def values_of(found: np.ndarray, column: str) -> np.ndarray:
    return np.asarray(found[..., PLACES[column]])


def test_a_dataset_of_inherent_structures_has_the_same(own: Dataset):
    drawn = replace(own, recipe=replace(own.recipe, inherent=True))
    np.testing.assert_array_equal(fields.load_fields(drawn, Split.TEST), fields.load_fields(own, Split.TEST))
    # Its particles are those of the inherent structures.
    before, after = (split_configurations(each, Split.TEST)[..., :2] for each in (own, drawn))
    moved = np.linalg.norm(after - before, axis=-1)
    near = moved < 1  # not through the boundary
    expected = values_of(fields.load_fields(own, Split.TEST), "moved")
    np.testing.assert_allclose(moved[near], expected[near], atol=1e-5)


def test_a_trajectory_that_is_gone_is_named(own: Dataset):
    number = own.records[own.split_range(Split.TEST).start].simulation
    (own.folder.parents[1] / "ensembles" / "small" / f"sim-{number:05d}.gsd").unlink()
    for load in (fields.load_fields, split_configurations):
        with pytest.raises(UserError, match=rf"sim-{number:05d}\.gsd .*missing"):
            load(own, Split.TEST)
