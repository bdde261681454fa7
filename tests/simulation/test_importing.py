"""Other people's trajectories as ensembles: every format gives the same particles, every damage is named."""

import gzip
import json
import re
import tracemalloc

import gsd.hoomd
import numpy as np
import pytest

from glassliquid.errors import UserError
from glassliquid.simulation import importing, tables, text
from glassliquid.simulation.ensemble import open_ensemble, plan_ensemble
from glassliquid.simulation.importing import ImportPlan, find_trajectories, import_ensemble, plan_import
from glassliquid.simulation.readers import read_frames
from glassliquid.simulation.trajectory import read_configurations
from tests.conftest import PROTOCOL, contents, ignore_progress
from tests.simulation.foreign import System, dump_lines, write_dump, write_gsd, write_lines, write_xyz, xyz_lines

DENSE = System(low=0.0, side=(40 / 1.2) ** 0.5)
"""Of the mixture's own density, which a file without a box stands for."""


def bring_in(source, folder, pool, **plan):
    planned = plan_import(folder, ImportPlan(input=source, **{"seed": 1, "cooling_steps": 1_000, **plan}))
    return import_ensemble(planned, source, pool, ignore_progress)


def all_frames(path):
    return list(read_frames(path, lambda step: True))


def assert_same_places(found, expected, side, tolerance=1e-6):
    difference = found - expected
    difference -= side * np.round(difference / side)
    assert np.abs(difference).max() < tolerance * side


FORMATS = {
    "x y": ("traj.atom", write_dump, {}),
    "x y z and more": ("traj.atom", write_dump, {"columns": "id type vx x y z"}),
    "type first, sorted": ("traj.dump", write_dump, {"columns": "type id x y", "shuffle": False}),
    "unwrapped": ("traj.lammpstrj", write_dump, {"columns": "id type xu yu zu"}),
    "scaled": ("traj.atom", write_dump, {"columns": "id type xs ys zs"}),
    "with words": ("traj.atom", write_dump, {"columns": "id type element x y"}),
    "gzip": ("traj.atom.gz", write_dump, {}),
    "no id": ("traj.atom", write_dump, {"columns": "type x y", "shuffle": False}),
    "xyz with a lattice": ("traj.xyz", write_xyz, {"lattice": True}),
    "xyz of words": ("traj.xyz.gz", write_xyz, {"lattice": True, "names": ("A", "Bee")}),
    "gsd": ("traj.gsd", write_gsd, {}),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_particles_where_they_were(tmp_path, kind):
    name, write, options = FORMATS[kind]
    system = System(low=-3.25) if "xyz" in kind else System()  # xyz has no origin: it is the middle of the box
    path = tmp_path / "1" / name
    write(path, system, **options)
    frames = all_frames(path)
    assert [frame.step for frame in frames] == list(system.steps)
    for number, frame in enumerate(frames):
        assert frame.length == pytest.approx(6.5, rel=1e-7)
        assert frame.types.tolist() == [0] * 24 + [1] * 16
        assert_same_places(frame.positions, system.expected(number), 6.5)
        assert (np.abs(frame.positions) <= 3.25).all()


BLANKS = {
    "two": lambda line: line.replace(" ", "  "),
    "two before the last": lambda line: "  ".join(line.rsplit(" ", 1)),
    "at the start": lambda line: f" {line}",
    "at the end": lambda line: f"{line} ",
    "at the end of some": lambda line: f"{line} " if "5" in line else line,
    "tab": lambda line: "\t".join(line.rsplit(" ", 1)),
    "carriage return": lambda line: f"{line}\r",
}


@pytest.mark.parametrize("kind", BLANKS)
def test_blanks_of_any_kind_separate_the_columns(tmp_path, kind):
    """A reader that takes every blank for a column would find the numbers of other columns, and say nothing."""
    plain, odd = tmp_path / "plain.atom", tmp_path / "odd.atom"
    rows = "id vx type x element y"
    lines = [line.rstrip() for frame in range(9) for line in dump_lines(System(), frame, columns=rows)]
    write_lines(plain, lines)
    write_lines(odd, [line if line.startswith("ITEM") or line.count(" ") < 2 else BLANKS[kind](line) for line in lines])
    assert odd.read_bytes() != plain.read_bytes()
    for one, other in zip(all_frames(plain), all_frames(odd), strict=True):
        assert one.positions.tobytes() == other.positions.tobytes()


CUTS = [(1 << 18, 1), (100, 150), (64, 1 << 18), (3_000, 4_000), (1, 1 << 18)]
"""Bytes read and parsed at once: less than a line, a few lines, a frame and a half (a frame of 40 particles has 900)."""


@pytest.mark.parametrize(("write", "name"), [(write_dump, "traj.atom"), (write_xyz, "traj.xyz")])
def test_both_parsers_and_any_cut_of_a_table_give_the_same_bits(tmp_path, monkeypatch, write, name):
    path = tmp_path / name
    write(path, DENSE)
    expected = [frame.positions.tobytes() for frame in all_frames(path)]
    for block, at_once in CUTS:
        monkeypatch.setattr(text, "BLOCK", block)
        monkeypatch.setattr(tables, "TEXT_AT_ONCE", at_once)
        assert [frame.positions.tobytes() for frame in all_frames(path)] == expected
    monkeypatch.setattr(tables, "parse_plain", lambda *_: None)
    assert [frame.positions.tobytes() for frame in all_frames(path)] == expected


@pytest.mark.parametrize(("block", "at_once"), CUTS)
def test_the_line_is_right_behind_a_cut_of_the_table(tmp_path, monkeypatch, block, at_once):
    monkeypatch.setattr(text, "BLOCK", block)
    monkeypatch.setattr(tables, "TEXT_AT_ONCE", at_once)
    path = tmp_path / "traj.atom"
    lines = [line for frame in range(9) for line in dump_lines(System(), frame)]
    write_lines(path, with_line(130, "3 1 0.5 oops")(list(lines)))
    with pytest.raises(UserError, match=r"\(frame 3, line 130\) cannot be read"):
        all_frames(path)
    write_lines(path, lines[:-20])
    with pytest.raises(UserError, match=r"\(frame 9, line 421\) ends after 20 of the frame's 40 lines"):
        all_frames(path)


def test_an_xyz_file_without_a_box_has_the_density_of_the_mixture(tmp_path):
    path = tmp_path / "traj.xyz"
    write_xyz(path, DENSE)
    assert [frame.length for frame in all_frames(path)] == pytest.approx([(40 / 1.2) ** 0.5] * 9)
    write_xyz(path, System())
    with pytest.raises(UserError, match=r'traj\.xyz \(frame 1, line 2\) has no box, and its positions .*add Lattice="'):
        all_frames(path)


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
    again = plan_import(tmp_path / "ensembles" / "other", ImportPlan(input=tmp_path / "cooling", seed=2))
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


FRAME = 49
"""Lines of a dump's frame of 40 particles: frame 3 starts at line 99."""


def with_line(number, text):
    def change(lines):
        lines[number - 1] = text
        return lines

    return change


DAMAGES = {
    "missing column": (
        lambda lines: [line.replace("id type x y", "id type x") for line in lines],
        r"\(frame 1, line 9\) has no columns x y, xu yu or xs ys \(its columns are id type x\)",
    ),
    "missing type": (
        lambda lines: [line.replace("id type x y", "id vx x y") for line in lines],
        r"\(frame 1, line 9\) has no column type",
    ),
    "short line": (with_line(110, "3 1 0.5"), r"\(frame 3, line 110\) cannot be read \(there are only 3 columns\)"),
    "word": (
        with_line(110, "3 1 0.5 oops"),
        r"\(frame 3, line 110\) cannot be read \(could not convert string 'oops' to float64",
    ),
    "nan": (with_line(110, "3 1 0.5 nan"), r"\(frame 3, line 107\) has a coordinate that is not a finite number"),
    "changing number": (
        lambda lines: [*with_line(102, "39")(lines)[:139], *lines[140:]],
        r"\(frame 3, line 107\) has 39 particles where the first frame has 40",
    ),
    "no time step": (
        lambda lines: [*lines[:98], *lines[100:]],
        r"\(frame 3, line 105\) has no ITEM: TIMESTEP, so its time step is missing",
    ),
    "time step of words": (with_line(100, "soon"), r"\(frame 3, line 100\) has 'soon' where the time step should be"),
    "time step again": (
        with_line(100, "50"),
        r"\(frame 3, line 107\) has time step 50 after 50, and time steps must increase",
    ),
    "three types": (
        with_line(110, "3 3 4.5 4.5"),
        r"\(frame 3, line 107\) has 3 particle types \(1, 2, 3\), and the mixture has two",
    ),
    "triclinic": (with_line(103, "ITEM: BOX BOUNDS xy xz yz pp pp pp"), r"\(frame 3, line 103\) has a triclinic box"),
    "not periodic": (
        with_line(103, "ITEM: BOX BOUNDS pp ff pp"),
        r"\(frame 3, line 103\) has a box that is not periodic \(boundaries pp ff pp\)",
    ),
    "not square": (with_line(105, "3.0 9.6"), r"\(frame 3, line 107\) has a box of 6\.5 x 6\.6, and only square boxes"),
    "another box": (
        lambda lines: with_line(104, "3.0 9.6")(with_line(105, "3.0 9.6")(lines)),
        r"\(frame 3, line 107\) has a box of side 6\.6 where the first frame has 6\.5",
    ),
    "box of words": (
        with_line(105, "wide open"),
        r"\(frame 3, line 105\) has 'wide open' where a bound of the box should be",
    ),
    "half a frame": (lambda lines: lines[:-20], r"\(frame 9, line 421\) ends after 20 of the frame's 40 lines"),
    "half a header": (
        lambda lines: [*lines, "ITEM: TIMESTEP", "2000"],
        r"\(frame 10, line 443\) ends in the middle of a frame's header",
    ),
    "half a frame between": (
        lambda lines: [*lines[:120], *lines[147:]],
        r"\(frame 3, line 121\) cannot be read \(could not convert string '(ITEM:|TIMESTEP)'",
    ),
    "a million times a million": (
        with_line(102, "1000000000000"),
        r"\(frame 3, line 107\) has 1000000000000 particles",
    ),
    "no particles": (
        lambda lines: [line if line != "40" else "0" for line in lines],
        r"\(frame 1, line 9\) has 0 particles",
    ),
    "another program's": (
        lambda lines: ["Dear diary,", *lines],
        r"\(frame 1, line 1\) has 'Dear diary,' where a line that starts with ITEM:",
    ),
    "empty": (lambda lines: [""], r"\(frame 1, line 1\) has '' where a line that starts with ITEM:"),
}


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_dump_is_named_with_frame_and_line(tmp_path, damage, compressed):
    change, message = DAMAGES[damage]
    system = System()
    lines = [line for frame in range(9) for line in dump_lines(system, frame)]
    assert len(lines) == 9 * FRAME
    path = tmp_path / f"traj.atom{'.gz' if compressed else ''}"
    write_lines(path, change(lines))
    with pytest.raises(UserError, match=rf"^{re.escape(str(path))} {message}") as ended:
        all_frames(path)
    assert len(str(ended.value)) < 500


XYZ_DAMAGES = {
    "no time step": (
        with_line(2 * 42 + 2, "Atoms. Very late"),
        r"\(frame 3, line 86\) has no Timestep: in its comment 'Atoms\. Very late'",
    ),
    "three types": (with_line(90, "Xe 0.1 0.2 0"), r"\(frame 3, line 86\) has 3 particle types \(1, 2, Xe\)"),
    "changing number": (with_line(85, "39"), r"\(frame 3, line 86\) has 39 particles where the first frame has 40"),
    "no number": (with_line(85, "many"), r"\(frame 3, line 85\) has 'many' where the number of particles should be"),
    "short line": (with_line(90, "1 0.5"), r"\(frame 3, line 90\) cannot be read"),
    "half a frame": (lambda lines: lines[:-20], r"\(frame 9, line 358\) ends after 20 of the frame's 40 lines"),
    "three dimensions": (
        with_line(90, "1 0.1 0.2 3"),
        r"\(frame 3, line 86\) is three-dimensional: z runs from 0 to 3",
    ),
    "triclinic": (
        with_line(86, 'Lattice="6 0 0 1 6 0 0 0 1" Timestep: 100'),
        r"\(frame 3, line 86\) has a triclinic box",
    ),
    "half a lattice": (
        with_line(86, 'Lattice="6 0 0" Timestep: 100'),
        r"\(frame 3, line 86\) has a Lattice that is not nine numbers",
    ),
}


@pytest.mark.parametrize("damage", XYZ_DAMAGES)
def test_a_damaged_xyz_file_is_named_with_frame_and_line(tmp_path, damage):
    change, message = XYZ_DAMAGES[damage]
    path = tmp_path / "traj.xyz"
    write_lines(path, change([line for frame in range(9) for line in xyz_lines(System(), frame, lattice=True)]))
    with pytest.raises(UserError, match=rf"^{re.escape(str(path))} {message}"):
        all_frames(path)


def test_a_file_that_ends_in_the_middle_of_a_line_is_named(tmp_path):
    """The last number of such a file may be half a number, with nothing else to show it."""
    path = tmp_path / "traj.atom"
    write_dump(path, System())
    path.write_text(path.read_text()[:-5])
    with pytest.raises(UserError, match=r"traj\.atom ends in the middle of a line"):
        all_frames(path)


def test_damaged_gzip_and_gsd_files_are_named(tmp_path):
    squeezed, binary = tmp_path / "traj.atom.gz", tmp_path / "traj.gsd"
    write_dump(squeezed, System())
    squeezed.write_bytes(squeezed.read_bytes()[:-200])
    write_gsd(binary, System())
    binary.write_bytes(binary.read_bytes()[:500])
    for path in (squeezed, binary):
        with pytest.raises(UserError, match=rf"^{re.escape(str(path))} .*(cannot be read|is no GSD file)"):
            all_frames(path)
    squeezed.write_text("not compressed at all")
    with pytest.raises(UserError, match=r"cannot be read \(Not a gzipped file"):
        all_frames(squeezed)
    with pytest.raises(UserError, match=r"traj\.atom is missing"):
        all_frames(tmp_path / "traj.atom")


def test_gsd_files_of_other_systems_are_named(tmp_path):
    path = tmp_path / "traj.gsd"
    write_gsd(path, System(), tilt=0.3)
    with pytest.raises(UserError, match=r"traj\.gsd \(frame 1\) has a triclinic box"):
        all_frames(path)
    system = System()
    system.types[0] = 3
    write_gsd(path, system, kinds=("A", "B", "C"))
    with pytest.raises(UserError, match=r"\(frame 1\) has 3 particle types \(A, B, C\)"):
        all_frames(path)


def test_a_dump_of_one_long_line_is_refused_before_it_fills_the_memory(tmp_path):
    path = tmp_path / "traj.atom.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(64):
            file.write(bytes(1 << 20))
    tracemalloc.start()
    with pytest.raises(UserError, match="has a line of more than 10,000 characters"):
        all_frames(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20


def test_memory_does_not_grow_with_the_file(tmp_path):
    path = tmp_path / "traj.atom"
    peaks = []
    # The first reading also pays for what Python and numpy set up once.
    for frames in (40, 1_500, 4_000):
        write_dump(path, System(steps=tuple(range(frames))))
        tracemalloc.start()
        assert sum(1 for _ in read_frames(path, lambda step: True)) == frames
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # A file of almost three times the size takes as much, but for what awaits Python's collector: a dozen blocks in their several forms.
    assert peaks[2] < 1.2 * peaks[1]
    assert peaks[2] < 12 * text.BLOCK


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
    found = [path.relative_to(tmp_path).as_posix() for path in find_trajectories(tmp_path)]
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
    with pytest.raises(UserError, match="which is no folder"):
        find_trajectories(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"cooling_steps": 1_001}, r"cooling_steps is 1001 \(as given\), .* multiple of 200"),
        ({"cooling_steps": None, "first_step": 100}, r"cooling_steps is 900 \(the last time step in .*traj\.atom\)"),
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
    with pytest.raises(UserError, match="simulations is 1, and each of the splits"):
        plan_import(tmp_path / "theirs", ImportPlan(input=tmp_path / "in", seed=1))
    assert importing.PRESET == "imported"
