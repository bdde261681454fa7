"""Ensembles: what their description holds, what is refused, and their inherent structures."""

import json
import shutil
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from glassliquid.ensembles.ensemble import (
    check_stored,
    open_ensemble,
    plan_ensemble,
)
from glassliquid.ensembles.inherent import make_inherent
from glassliquid.ensembles.making import make_ensemble
from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError
from glassliquid.files import storage_fault
from glassliquid.physics.engines import best_engine
from glassliquid.physics.protocol import PRESETS, Protocol
from glassliquid.trajectories.trajectory import read_configurations
from tests.conftest import PROTOCOL, SEED, SIMULATIONS, contents, ignore_progress

RELEASED = Path(__file__).parent / "released"
"""Ensembles as earlier versions have made them."""
TINY = Protocol(particles=32, equilibration_steps=0, cooling_steps=200, snapshots=(5, 200))


def make(folder, pool, protocol=PROTOCOL, simulations=SIMULATIONS, seed=SEED, engine="lammps", report=ignore_progress):
    return make_ensemble(plan_ensemble(folder, "demo", protocol, simulations, seed, engine), pool, report)


def make_tiny(folder, pool, **changes):
    return make(folder, pool, **{"protocol": TINY, "simulations": 3, **changes})


def test_every_simulation_has_its_file_and_its_entry(ensemble):
    assert ensemble.missing() == []
    names = [f"sim-{number:05d}.gsd" for number in range(1, SIMULATIONS + 1)]
    assert sorted(contents(ensemble.folder)) == ["ensemble.json", *names]
    described = json.loads((ensemble.folder / "ensemble.json").read_text())
    assert described["version"] == 2
    assert described["protocol"] == {**asdict(PROTOCOL), "snapshots": list(PROTOCOL.snapshots)}
    assert described["engine"] == best_engine()
    assert described["seed"] == SEED
    assert {best_engine(), "gsd", "numpy"} <= set(described["versions"])
    assert [entry["number"] for entry in described["simulations"]] == list(range(1, SIMULATIONS + 1))


def test_the_split_is_recorded_70_15_15(ensemble):
    described = json.loads((ensemble.folder / "ensemble.json").read_text())
    assert Counter(entry["split"] for entry in described["simulations"]) == {"train": 14, "validation": 3, "test": 3}


def test_opening_gives_back_what_was_made(ensemble):
    assert open_ensemble(ensemble.folder) == ensemble


@pytest.mark.parametrize("seed", range(8))
def test_no_two_simulations_share_a_seed(tmp_path, seed):
    """As many as the reference preset has; two equal ones could be in training and in testing."""
    planned = plan_ensemble(tmp_path / "large", "reference", TINY, PRESETS["reference"].simulations, seed)
    assert len({simulation.seed for simulation in planned.simulations}) == len(planned.simulations)


def test_no_two_simulations_show_the_same_configuration(ensemble):
    starts = {
        read_configurations(ensemble.path(simulation), [0])[0].positions.tobytes()
        for simulation in ensemble.simulations
    }
    assert len(starts) == SIMULATIONS


def test_the_split_depends_on_the_seed_only(tmp_path):
    def splits(seed, protocol=TINY):
        planned = plan_ensemble(tmp_path / "planned", "demo", protocol, 40, seed)
        return [simulation.split for simulation in planned.simulations]

    assert splits(1) == splits(1, PROTOCOL)
    assert splits(1) != splits(2)
    assert set(splits(1)) == set(Split)


def test_progress_counts_up_to_the_whole(tmp_path, pool):
    told = []
    make_tiny(tmp_path / "small", pool, report=lambda done, total: told.append((done, total)))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    told.clear()
    make_tiny(tmp_path / "small", pool, report=lambda done, total: told.append((done, total)))
    assert told == [(3, 3)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"protocol": replace(TINY, particles=64)}, "particles is 32 there and 64 here"),
        ({"protocol": replace(TINY, cooling_steps=400)}, "cooling_steps is 200 there and 400 here"),
        ({"protocol": replace(TINY, equilibration_steps=9)}, "equilibration_steps is 0 there and 9 here"),
        ({"protocol": replace(TINY, snapshots=(5, 100))}, "snapshots is 5, 200 there and 5, 100 here"),
        ({"simulations": 4}, "simulations is 3 there and 4 here"),
        ({"seed": 2}, "seed is 1 there and 2 here"),
        ({"engine": "toy"}, "engine is lammps there and toy here"),
    ],
)
def test_protocols_are_not_mixed(tmp_path, pool, changes, message):
    folder = tmp_path / "small"
    make_tiny(folder, pool)
    before = contents(folder)
    with pytest.raises(UserError, match=rf"'small' was made differently \({message}\).*-P ensemble=NAME"):
        make_tiny(folder, pool, **changes)
    assert contents(folder) == before


def test_an_empty_folder_becomes_an_ensemble(tmp_path, pool):
    folder = tmp_path / "small"
    folder.mkdir()
    assert make_tiny(folder, pool).missing() == []


@pytest.mark.parametrize("name", ["notes.txt", "sim-00001.gsd"])
def test_a_foreign_folder_is_left_alone(tmp_path, pool, name):
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / name).write_text("somebody's work")
    with pytest.raises(UserError, match=rf"no ensemble\.json \(found {name}\), so it is not an ensemble: move them"):
        make_tiny(folder, pool)
    assert contents(folder) == {name: b"somebody's work"}


def test_a_file_in_place_of_the_folder_is_a_fault_of_the_storage(tmp_path, pool):
    (tmp_path / "small").write_text("somebody's work")
    with pytest.raises(OSError, match="small") as refused:
        make_tiny(tmp_path / "small", pool)
    assert "a file is where a folder should be" in (storage_fault(refused.value) or "")


def damaged(change):
    """The description with one thing changed."""

    def damage(text):
        value = json.loads(text)
        change(value)
        return json.dumps(value)

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], r"ensemble\.json is damaged"),
        (lambda text: "", r"ensemble\.json is damaged"),
        (lambda text: "[]", r"ensemble\.json does not describe an ensemble"),
        (lambda text: "{}", r"ensemble\.json are damaged"),
        (lambda text: "[" * 100_000, r"ensemble\.json is damaged"),
        (lambda text: "\udcff", r"ensemble\.json is damaged"),
        (
            damaged(lambda value: value.update(version=3)),
            "are of version 3, but this program reads only up to 2: use the newer",
        ),
        (
            damaged(lambda value: value.update(format=2)),
            "have 'format', which this version of glassliquid does not know",
        ),
        (damaged(lambda value: value.pop("seed")), r"ensemble\.json are damaged \(seed is missing.*make it again"),
        (damaged(lambda value: value.update(seed=-1)), r"are damaged \(seed is -1"),
        (damaged(lambda value: value.update(seed=1.5)), r"are damaged \(seed is 1\.5: pass a whole number"),
        (damaged(lambda value: value.update(simulations=[])), r"are damaged \(simulations is"),
        (damaged(lambda value: value.update(simulations=None)), r"are damaged \(simulations is"),
        (damaged(lambda value: value.update(engine=None)), r"either an engine or an origin"),
        (damaged(lambda value: value.update(engine="../toy")), r"are damaged \(engine is '\.\./toy'"),
        (damaged(lambda value: value["simulations"][0].update(split="all")), r"are damaged \(simulations\.0\.split"),
        (damaged(lambda value: value["simulations"][0].update(seed=2**64)), r"are damaged \(simulations\.0\.seed"),
        (damaged(lambda value: value["simulations"][0].update(file=7)), r"are damaged \(simulations\.0\.file"),
        (damaged(lambda value: value["simulations"][0].update(more=7)), r"are damaged \(simulations\.0\.more"),
        (
            damaged(lambda value: value["simulations"].reverse()),
            r"is damaged \(its simulations are not numbered from 1",
        ),
        (damaged(lambda value: value["protocol"].pop("particles")), r"are damaged \(protocol\.particles is missing"),
        (
            damaged(lambda value: value["protocol"].update(particles="many")),
            r"are damaged \(protocol\.particles is 'many'",
        ),
    ],
)
def test_a_damaged_description_is_refused_and_kept(tmp_path, pool, damage, message):
    folder = tmp_path / "small"
    make_tiny(folder, pool)
    path = folder / "ensemble.json"
    path.write_bytes(damage(path.read_text()).encode("utf-8", "surrogateescape"))
    before = contents(folder)
    with pytest.raises(UserError, match=message):
        make_tiny(folder, pool)
    with pytest.raises(UserError, match=message):
        open_ensemble(folder)
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("name", "digest", "engine"), [("simulated", "7b4a9b19fa070993", "lammps"), ("imported", "bdea5e6ebf045400", None)]
)
def test_ensembles_of_version_1_are_read_as_they_were(name, digest, engine):
    """They name no engine, and datasets and checkpoints refer to them by these digests."""
    found = open_ensemble(RELEASED / name)
    assert (found.digest, found.engine, found.seed, found.protocol.snapshots) == (digest, engine, 7, (5, 200))
    assert found.versions["gsd"] == "5.0.1"


def test_an_ensemble_of_version_1_goes_on(pool, tmp_path):
    """What is missing is made, and its description stays as it was."""
    folder = tmp_path / "simulated"
    shutil.copytree(RELEASED / "simulated", folder)
    before = contents(folder)
    (folder / "sim-00002.gsd").unlink()
    planned = plan_ensemble(folder, "demo", replace(TINY, equilibration_steps=3_000), 3, 7, None)
    assert planned.engine == "lammps"
    assert make_ensemble(planned, pool, ignore_progress).missing() == []
    assert contents(folder).keys() == before.keys()
    assert contents(folder)["ensemble.json"] == before["ensemble.json"]


def test_only_another_engine_than_lammps_changes_the_digest(tmp_path):
    digests = {name: plan_ensemble(tmp_path / "small", "demo", TINY, 3, 1, name).digest for name in ("lammps", "toy")}
    assert digests["lammps"] != digests["toy"]


def test_a_missing_ensemble_lists_those_that_are_there(ensemble):
    with pytest.raises(
        UserError,
        match=r"There is no ensemble 'large' in .* \(there: .*small.*\): make it, and a dataset of it, with mlflow run .*-P ensemble=large -P data_dir=/",
    ):
        open_ensemble(ensemble.folder.with_name("large"))


@pytest.mark.parametrize("name", [".hidden", "a b", "-x", "x" * 101, "\u00e9"])
def test_names_that_are_no_file_names_are_refused(tmp_path, name):
    with pytest.raises(UserError, match=r"ensemble is .*: use up to 100 letters"):
        plan_ensemble(tmp_path / name, "demo", TINY, 3, 1)


@pytest.mark.parametrize(("simulations", "seed", "message"), [(2, 1, "simulations is 2"), (3, -1, "seed is -1")])
def test_impossible_sizes_and_seeds_are_refused(tmp_path, simulations, seed, message):
    with pytest.raises(UserError, match=message):
        plan_ensemble(tmp_path / "small", "demo", TINY, simulations, seed)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (-1, r"liquid is -1, but snapshot indices run from 0"),
        (201, r"liquid is 201, but snapshot indices run from 0"),
        (
            7,
            r"liquid is 7, which the ensemble 'small' does not store \(nearest: 0, 5, 60, 100\): choose one of 0, 5, 60",
        ),
    ],
)
def test_a_snapshot_that_is_not_stored_is_refused(ensemble, index, message):
    with pytest.raises(UserError, match=message):
        check_stored(ensemble, "liquid", index)


def test_inherent_structures_are_added_to_those_that_are_there(ensemble, copied, pool):
    copy = open_ensemble(copied(ensemble.folder))
    first = copy.inherent_path(copy.simulations[0])
    make_inherent(copy, [200], pool, ignore_progress)
    assert [each.snapshot for each in read_configurations(first)] == [200]
    make_inherent(copy, [5, 200], pool, ignore_progress)
    assert [each.snapshot for each in read_configurations(first)] == [5, 200]
    written = first.stat().st_mtime_ns
    make_inherent(copy, [5], pool, ignore_progress)
    assert first.stat().st_mtime_ns == written
    assert contents(ensemble.folder).items() <= contents(copy.folder).items()


def test_e_is_is_recorded_and_lies_below_the_snapshots_energy(ensemble, copied, pool):
    copy = open_ensemble(copied(ensemble.folder))
    make_inherent(copy, [5, 200], pool, ignore_progress)
    for simulation in copy.simulations:
        snapshots = read_configurations(copy.path(simulation), [5, 200])
        minima = read_configurations(copy.inherent_path(simulation), [5, 200])
        for snapshot, minimum in zip(snapshots, minima, strict=True):
            assert minimum.log["inherent_energy"] < snapshot.log["potential_energy"]
            assert not np.array_equal(minimum.positions, snapshot.positions)
            assert minimum.length == snapshot.length
