"""Trajectory files: what is written is read back, by us and by the programs that people use."""

from dataclasses import replace

import gsd.fl
import gsd.hoomd
import numpy as np
import pytest

from glassliquid.errors import UserError
from glassliquid.physics.engine import Cooling
from glassliquid.physics.protocol import Protocol
from glassliquid.trajectories import trajectory
from tests.conftest import contents

PROTOCOL = Protocol(particles=40, equilibration_steps=0, cooling_steps=1_000, snapshots=(0, 7, 200))
LENGTH = (40 / 1.2) ** 0.5


@pytest.fixture
def cooling():
    """Invented numbers: no simulation is needed to test a file."""
    generator = np.random.default_rng(5)
    positions = generator.uniform(-LENGTH / 2, LENGTH / 2, (3, 40, 2))
    positions[0, 0] = -LENGTH / 2  # the lower edge belongs to the box
    positions[0, 1] = np.nextafter(LENGTH / 2, 0)  # single precision rounds this up, onto the upper edge
    return Cooling(positions, *generator.normal(size=(3, 201)))


@pytest.fixture
def path(tmp_path, cooling):
    path = tmp_path / "sim-00001.gsd"
    trajectory.write_cooling(path, PROTOCOL, cooling)
    return path


def test_round_trip(path, cooling):
    found = trajectory.read_configurations(path)
    assert [each.snapshot for each in found] == [0, 7, 200]
    for each, positions in zip(found, cooling.positions, strict=True):
        difference = each.positions - positions
        difference -= LENGTH * np.round(difference / LENGTH)
        assert np.abs(difference).max() <= np.spacing(np.float32(LENGTH / 2))  # single precision
        assert each.length == pytest.approx(LENGTH, rel=1e-7)
        assert each.types.tolist() == [0] * 26 + [1] * 14
        assert each.log == {
            "snapshot": each.snapshot,
            "temperature": cooling.temperature[each.snapshot],
            "potential_energy": cooling.potential_energy[each.snapshot],
            "pressure": cooling.pressure[each.snapshot],
        }


def test_positions_stay_inside_the_half_open_box(path):
    for each in trajectory.read_configurations(path):
        half = np.float32(LENGTH / 2)
        assert np.all(each.positions >= -half)
        assert np.all(each.positions < half)


def test_cooling_curve_round_trip(path, cooling):
    curve = trajectory.read_cooling_curve(path)
    for name in ("temperature", "potential_energy", "pressure"):
        assert np.array_equal(getattr(curve, name), getattr(cooling, name))


def test_snapshots_come_in_the_order_asked_for(path):
    assert [each.snapshot for each in trajectory.read_configurations(path, [200, 0])] == [200, 0]


def test_inherent_structures_round_trip(tmp_path, path):
    structures = [replace(each, log={"inherent_energy": -3.5}) for each in trajectory.read_configurations(path)]
    target = tmp_path / "inherent" / "sim-00001.gsd"
    trajectory.write_configurations(target, PROTOCOL, structures)
    found = trajectory.read_configurations(target)
    assert [each.log["inherent_energy"] for each in found] == [-3.5] * 3
    for one, other in zip(found, structures, strict=True):
        assert np.array_equal(one.positions, other.positions)
        assert one.snapshot == other.snapshot


def test_gsd_opens_it_with_box_types_and_step(path):
    with gsd.hoomd.open(str(path), "r") as file:
        assert [frame.configuration.step for frame in file] == [0, 7 * 5, 1_000]
        for frame in file:
            assert frame.configuration.dimensions == 2
            assert frame.configuration.box[:2] == pytest.approx([LENGTH, LENGTH], rel=1e-6)
            assert not frame.configuration.box[3:].any()
            assert frame.particles.types == ["A", "B"]
            assert np.bincount(frame.particles.typeid).tolist() == [26, 14]
            assert not frame.particles.position[:, 2].any()
            # sigma AA and BB, at which other programs draw the particles.
            assert frame.particles.diameter[[0, -1]] == pytest.approx([1.0, 0.88], rel=1e-6)


def test_freud_reads_it_as_a_two_dimensional_system(path):
    freud = pytest.importorskip("freud")
    with gsd.hoomd.open(str(path), "r") as file:
        query = freud.AABBQuery.from_system(file[1])
    assert query.box.is2D
    assert query.box.L[:2] == pytest.approx([LENGTH, LENGTH], rel=1e-6)
    assert len(query.points) == 40


def test_same_content_same_bytes(tmp_path, path, cooling):
    again = tmp_path / "again.gsd"
    trajectory.write_cooling(again, PROTOCOL, cooling)
    assert again.read_bytes() == path.read_bytes()


readers = pytest.mark.parametrize(
    "read", [trajectory.read_configurations, trajectory.read_cooling_curve], ids=["configurations", "curve"]
)


@readers
@pytest.mark.parametrize("share", [0, 0.01, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_damaged(path, read, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(UserError, match=r"sim-00001\.gsd is damaged \(.*\): delete it and run make_data again"):
        read(path)


@readers
def test_a_file_of_another_kind_is_damaged(path, read):
    path.write_text("This is no trajectory.\n" * 100)
    with pytest.raises(UserError, match=r"sim-00001\.gsd is damaged \(.*\): delete it"):
        read(path)


@readers
def test_a_gsd_file_of_another_program_is_damaged(tmp_path, read):
    path = tmp_path / "other.gsd"
    frame = gsd.hoomd.Frame()
    frame.particles.N = 3
    frame.particles.position = np.zeros((3, 3))
    with gsd.hoomd.open(str(path), "w") as file:
        file.append(frame)
    with pytest.raises(UserError, match=r"other\.gsd is damaged \(.*\): delete it"):
        read(path)


@pytest.mark.parametrize(
    ("name", "values"),
    [("particles/typeid", np.full(40, 0.5, np.float32)), ("particles/typeid", np.full(40, -1, np.int32)),
     ("particles/position", np.zeros((40, 3), np.int32)), ("particles/N", np.array([20.5], np.float32))],
    ids=["types with fractions", "negative types", "whole positions", "a number of particles with a fraction"],
)  # fmt: skip
def test_an_array_of_other_numbers_is_damaged(tmp_path, path, name, values):
    """Their values alone would pass: 0.5 and -1 are below 2, and a half is cut off."""
    other = tmp_path / "other.gsd"
    with (
        gsd.fl.open(str(path), "r") as whole,
        gsd.fl.open(str(other), "w", application="test", schema="hoomd", schema_version=[1, 4]) as file,
    ):
        for frame in range(whole.nframes):
            for each in whole.find_matching_chunk_names(""):
                if whole.chunk_exists(frame, each):
                    content = whole.read_chunk(frame, each)
                    file.write_chunk(each, values[: len(content)] if each == name else content)
            file.end_frame()
    with pytest.raises(UserError, match=rf"is damaged \({name} holds \w+ numbers\): delete it"):
        trajectory.read_configurations(other)


@readers
def test_a_gsd_file_without_frames_holds_nothing(tmp_path, read):
    path = tmp_path / "empty.gsd"
    gsd.hoomd.open(str(path), "w").close()
    with pytest.raises(UserError, match=r"empty\.gsd (is damaged|does not hold snapshot)"):
        read(path, [5]) if read is trajectory.read_configurations else read(path)


@readers
def test_a_missing_file_is_named(tmp_path, read):
    with pytest.raises(UserError, match=r"sim-00009\.gsd is missing: run make_data again"):
        read(tmp_path / "sim-00009.gsd")


def test_a_snapshot_that_is_not_stored_is_named_with_those_that_are(path):
    with pytest.raises(UserError, match=r"does not hold snapshot 5, 9 \(it holds 0, 7, 200\): choose one of these"):
        trajectory.read_configurations(path, [5, 7, 9])


def test_a_failed_write_leaves_the_old_file_and_nothing_else(path, cooling):
    before = contents(path.parent)
    broken = replace(cooling, positions=cooling.positions[:, :30])  # too few particles for the types
    with pytest.raises(ValueError, match=r"shape|reshape|broadcast"):
        trajectory.write_cooling(path, PROTOCOL, broken)
    assert contents(path.parent) == before
    assert not list(path.parent.glob(".*"))
