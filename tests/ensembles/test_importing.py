"""Other people's trajectories as ensembles: simulations found by number, snapshots by time step, one system in all."""

import json

import gsd.hoomd
import pytest

from glassliquid.ensembles import importing
from glassliquid.ensembles.ensemble import open_ensemble, plan_ensemble
from glassliquid.ensembles.found_files import find_trajectories
from glassliquid.ensembles.importing import ImportPlan, import_ensemble, plan_import
from glassliquid.errors import UserError
from glassliquid.trajectories.trajectory import read_configurations
from tests.conftest import PROTOCOL, contents, ignore_progress
from tests.trajectories.foreign import System, assert_same_places, write_dump


def bring_in(source, folder, pool, **plan):
    planned = plan_import(folder, ImportPlan(input=source, **{"seed": 1, "cooling_steps": 1_000, **plan}))
    return import_ensemble(planned, pool, ignore_progress)


def test_an_import_is_an_ensemble(tmp_path, pool):
    systems = [System(seed=seed) for seed in range(5)]
    for number, system in zip((3, 7, 8, 11, 200), systems, strict=True):
        write_dump(tmp_path / "cooling" / f"{number:05d}" / "traj.atom", system)
    made = bring_in(tmp_path / "cooling", tmp_path / "ensembles" / "theirs", pool)
    assert open_ensemble(made.folder) == made
    assert made.protocol.particles == 40
    # Steps 50 and 150 are marks as well: 1,000 steps in 200 parts are 5 each.
    assert made.protocol.snapshots == (0, 10, 20, 30, 40, 80, 120, 160, 200)
    assert [each.file for each in made.simulations] == [f"{n:05d}/traj.atom" for n in (3, 7, 8, 11, 200)]
    assert (made.origin.species, made.origin.particles_a, made.origin.length) == (("1", "2"), 24, pytest.approx(6.5))
    # The split is the one that a simulated ensemble of this size and seed has.
    simulated = plan_ensemble(tmp_path / "any", "demo", PROTOCOL, 5, 1)
    assert [each.split for each in made.simulations] == [each.split for each in simulated.simulations]
    assert made.digest != simulated.digest
    # A simulation is known by its seed; those of other files must not be taken for it, nor the same file for another one.
    again = plan_import(tmp_path / "ensembles" / "other", ImportPlan(input=tmp_path / "cooling", seed=2)).ensemble
    assert [each.seed for each in again.simulations] == [each.seed for each in made.simulations]
    assert len({each.seed for each in made.simulations}) == 5
    for simulation, system in zip(made.simulations, systems, strict=True):
        found = read_configurations(made.path(simulation))
        assert [each.snapshot for each in found] == list(made.protocol.snapshots)
        for number, each in enumerate(found):
            assert_same_places(each.positions, system.expected(number), 6.5)
        with gsd.hoomd.open(str(made.path(simulation)), "r") as file:
            assert [frame.configuration.step for frame in file] == list(system.steps)
    assert json.loads((made.folder / "ensemble.json").read_text())["origin"]["length"] == pytest.approx(6.5)


def test_time_steps_between_the_marks_are_passed_over(tmp_path, pool):
    for number in range(3):
        write_dump(
            tmp_path / "in" / f"{number}" / "traj.atom", System(steps=(100, 700, 899, 900, 2_000, 20_100), seed=number)
        )
    made = bring_in(tmp_path / "in", tmp_path / "a", pool, cooling_steps=None, first_step=100)
    assert made.protocol.cooling_steps == 20_000
    assert made.protocol.snapshots == (0, 6, 8, 19, 200)
    chosen = bring_in(tmp_path / "in", tmp_path / "b", pool, cooling_steps=20_000, first_step=100, snapshots=(8, 200))
    assert chosen.protocol.snapshots == (8, 200)
    found = read_configurations(chosen.path(chosen.simulations[0]))
    assert_same_places(found[0].positions, System(steps=(100, 700, 899, 900, 2_000, 20_100), seed=0).expected(3), 6.5)


def test_an_interrupted_import_continues_and_a_damaged_file_leaves_nothing(tmp_path, pool):
    source = tmp_path / "in"
    for number in range(1, 5):
        write_dump(source / f"{number}" / "traj.atom", System(seed=number))
    whole = contents(bring_in(source, tmp_path / "whole" / "theirs", pool).folder)
    broken = source / "3" / "traj.atom"
    text = broken.read_text()
    broken.write_text(text[: text.rindex("ITEM: ATOMS") + 60])
    for _ in range(2):  # the second time the others are there already
        with pytest.raises(UserError, match=r"3/traj\.atom .*: repair the file or take its simulation out"):
            bring_in(source, tmp_path / "again" / "theirs", pool)
    there = contents(tmp_path / "again" / "theirs")
    assert "sim-00003.gsd" not in there
    assert not list((tmp_path / "again" / "theirs").glob(".sim-00003*"))
    assert {name: whole[name] for name in there} == there
    broken.write_text(text)
    assert contents(bring_in(source, tmp_path / "again" / "theirs", pool).folder) == whole


def test_an_import_is_not_continued_as_another(tmp_path, pool):
    for number in range(3):
        write_dump(tmp_path / "in" / f"{number}" / "traj.atom", System(seed=number))
    bring_in(tmp_path / "in", tmp_path / "theirs", pool)
    for changes, message in (
        ({"seed": 2}, "seed is 1 there and 2 here"),
        ({"snapshots": (0, 200)}, "snapshots is 0, 10, .* there and 0, 200 here"),
    ):
        with pytest.raises(UserError, match=f"'theirs' was made differently .*{message}"):
            bring_in(tmp_path / "in", tmp_path / "theirs", pool, **changes)
    (tmp_path / "in" / "1").rename(tmp_path / "in" / "5")
    with pytest.raises(UserError, match=r"the file of simulation 2 is 1/traj\.atom there and 2/traj\.atom here"):
        bring_in(tmp_path / "in", tmp_path / "theirs", pool)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (System(particles=41, seed=9), r"has types|has particles 41 at time step 0 where the first simulation has 40"),
        (
            System(particles_b=10, seed=9),
            r"has particles of the first type 30 at time step 0 where the first .* has 24",
        ),
        (System(side=7.0, seed=9), r"has a box of side 7 at time step 0 where the first simulation has 6\.5"),
        (System(steps=(0, 50, 100, 1000), seed=9), r"lacks snapshot 30 \(time step 150\) and 4 more"),
    ],
)
def test_simulations_of_another_system_do_not_mix(tmp_path, pool, other, message):
    for number in range(1, 4):
        write_dump(tmp_path / "in" / f"{number}" / "traj.atom", System(seed=number) if number < 3 else other)
    with pytest.raises(UserError, match=rf"in/3/traj\.atom {message}"):
        bring_in(tmp_path / "in", tmp_path / "theirs", pool)
    assert not (tmp_path / "theirs" / "sim-00003.gsd").exists()


def test_files_are_found_by_number(tmp_path):
    for name in (
        "10/traj.atom",
        "9/traj.atom.gz",
        "9/traj.xyz",
        "9/log.lammps",
        "run 11/out.atom",
        ".hidden/12/traj.atom",
        "notes.txt",
        "sim-00002.gsd",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = [path.relative_to(tmp_path).as_posix() for (path,) in find_trajectories(tmp_path)]
    assert found == ["sim-00002.gsd", "9/traj.atom.gz", "10/traj.atom", "run 11/out.atom"]
    (tmp_path / "sim-10.gsd").touch()
    with pytest.raises(UserError, match=r"sim-10\.gsd are both simulation 10|10/traj\.atom.* are both simulation 10"):
        find_trajectories(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [(None, "has no trajectories"), ("traj.atom", "has no number in its name"), ("a/traj.atom", "has no number")],
)
def test_folders_without_simulations_are_named(tmp_path, name, message):
    if name:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=message):
        find_trajectories(tmp_path)
    with pytest.raises(UserError, match="which is not a folder"):
        find_trajectories(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"cooling_steps": 1_001}, r"cooling_steps is 1001 \(as given\), .* multiple of 200"),
        (
            {"cooling_steps": None, "first_step": 1_000},
            r"has a single frame, at time step 1000, but a cooling has several",
        ),
        ({"snapshots": (0, 5)}, r"traj\.atom has no snapshot 5 \(it has 0, 10, 20, .*\): choose snapshots from these"),
        ({"first_step": 2_000}, "has no frame at time step 2000 or later"),
        ({"cooling_steps": 200_000, "first_step": 1}, r"has no frame at a multiple of 1000 time steps from 1 on"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_plans_that_do_not_fit_the_files_are_one_sentence(tmp_path, plan, message):
    for number in range(3):
        write_dump(tmp_path / "in" / f"{number}" / "traj.atom", System())
    with pytest.raises(UserError, match=message):
        plan_import(
            tmp_path / "theirs", ImportPlan(input=tmp_path / "in", **{"seed": 1, "cooling_steps": 1_000, **plan})
        )


def test_fewer_simulations_than_splits_are_refused(tmp_path):
    write_dump(tmp_path / "in" / "1" / "traj.atom", System())
    with pytest.raises(UserError, match=r"in has 1 simulation \(1/traj\.atom\), but each of the splits"):
        plan_import(tmp_path / "theirs", ImportPlan(input=tmp_path / "in", seed=1))
    assert importing.PRESET == "imported"
