"""Frames of other people's trajectories: every format gives the same particles, every damage is named."""

import gzip
import re
import tracemalloc

import gsd.hoomd
import numpy as np
import pytest

from glassliquid.errors import UserError
from glassliquid.trajectories import tables, text
from glassliquid.trajectories.frames import Hints
from glassliquid.trajectories.readers import read_frames
from tests.trajectories.foreign import (
    System,
    assert_same_places,
    dump_lines,
    write_dump,
    write_gsd,
    write_lines,
    write_xyz,
    xyz_lines,
)

DENSE = System(low=0.0, side=(40 / 1.2) ** 0.5)
"""Of the mixture's own density, which a file without a box stands for."""


def all_frames(path, **hints):
    return list(read_frames([path], lambda step: True, Hints(**hints)))


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


@pytest.mark.parametrize("kind", ["x y", "gzip", "xyz with a lattice", "gsd"])
@pytest.mark.parametrize("name", ["1.atom", "1.gsd", "1.xyz.gz", "1.txt", "1"])
def test_what_a_file_holds_decides_and_not_its_name(tmp_path, kind, name):
    true_name, write, options = FORMATS[kind]
    write(tmp_path / true_name, System(), **options)
    path = (tmp_path / true_name).rename(tmp_path / name)
    assert [frame.step for frame in all_frames(path)] == list(System().steps)


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


COMPENSATED = {
    "an empty field": ("5 0.1 1 4.5 large 4.5", "5  1 4.5 large 4.5"),
    "a blank for a field at the end": ("5 0.1 1 4.5 4.5 Ar ", "5 0.1 1 4.5 4.5 Ar 9"),
    "a tab within a field": ("5 0.1 1 4.5 large 4.5", "5 0.1\t7 1 4.5 large 4.5"),
    "another blank within a field": ("5 0.1 1 4.5 large 4.5", "5 0.1\v7 1 4.5 large 4.5"),
}
"""A line in the style of its file, and one that has as many blanks, and another number of fields."""


@pytest.mark.parametrize("kind", COMPENSATED)
def test_blanks_do_not_stand_for_a_field_that_is_missing(tmp_path, kind):
    """Also where the wrong fields are in columns that are not read, such as velocities."""
    right, wrong = COMPENSATED[kind]
    path = tmp_path / "traj.atom"
    end = " " if right.endswith(" ") else ""
    columns = "id vx type x y element" if end else "id vx type x element y"
    lines = [f"{line.rstrip()}{end}" for frame in range(9) for line in dump_lines(System(), frame, columns=columns)]
    place = next(place for place, line in enumerate(lines) if line.startswith("5 ") and line.count(" ") > 4)
    for line in (right, wrong):
        write_lines(path, with_line(place + 1, line)(list(lines)))
        if line == right:
            assert len(all_frames(path)) == 9
        else:
            with pytest.raises(UserError, match=rf"line {place + 1}\) cannot be read .*columns, but 6 are expected"):
                all_frames(path)


CUTS = [(1 << 18, 1), (100, 150), (64, 1 << 18), (3_000, 4_000), (1, 1 << 18)]
"""Bytes read and parsed at once: less than a line, a few lines, a frame and a half (a frame of 40 particles has 900)."""


@pytest.mark.parametrize(("write", "name"), [(write_dump, "traj.atom"), (write_xyz, "traj.xyz")])
def test_both_parsers_and_any_cut_of_a_table_give_the_same_bits(tmp_path, monkeypatch, write, name):
    path = tmp_path / name
    write(path, DENSE)
    expected = [frame.positions.tobytes() for frame in all_frames(path, density=1.2)]
    for block, at_once in CUTS:
        monkeypatch.setattr(text, "BLOCK", block)
        monkeypatch.setattr(tables, "TEXT_AT_ONCE", at_once)
        assert [frame.positions.tobytes() for frame in all_frames(path, density=1.2)] == expected
    monkeypatch.setattr(tables, "parse_plain", lambda *_: None)
    assert [frame.positions.tobytes() for frame in all_frames(path, density=1.2)] == expected


@pytest.mark.parametrize(("block", "at_once"), CUTS)
def test_the_line_is_right_behind_a_cut_of_the_table(tmp_path, monkeypatch, block, at_once):
    monkeypatch.setattr(text, "BLOCK", block)
    monkeypatch.setattr(tables, "TEXT_AT_ONCE", at_once)
    path = tmp_path / "traj.atom"
    lines = [line for frame in range(9) for line in dump_lines(System(), frame)]
    write_lines(path, with_line(130, "3 1 0.5 oops")(list(lines)))
    with pytest.raises(UserError, match=r"\(frame 3, line 130\) cannot be read"):
        all_frames(path)
    write_lines(path, with_line(7 * FRAME + 8, "-0.5 wide")(list(lines)))  # what is mostly as in the frame before
    with pytest.raises(UserError, match=r"\(frame 8, line 351\) has '-0\.5 wide' where a bound of the box should be"):
        all_frames(path)
    write_lines(path, lines[:-20])
    with pytest.raises(UserError, match=r"\(frame 9, line 421\) ends after 20 of the frame's 40 lines"):
        all_frames(path)


def test_the_density_of_a_file_without_a_box_is_asked_for(tmp_path):
    path = tmp_path / "traj.xyz"
    write_xyz(path, DENSE)
    with pytest.raises(
        UserError, match=r"traj\.xyz \(frame 1, line 2\) has no box: pass the number of particles .* as density"
    ):
        all_frames(path)
    found = all_frames(path, density=1.2)
    assert [frame.length for frame in found] == pytest.approx([(40 / 1.2) ** 0.5] * 9)
    for density in (0.5, 2.4):
        with pytest.raises(
            UserError, match=r"no box, and its positions extend over 5\.\d+ where a box .*: check density"
        ):
            all_frames(path, density=density)


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
    "short line": (
        with_line(110, "3 1 0.5"),
        r"\(frame 3, line 110\) cannot be read \(there are only 3 columns, but 4 are expected\)",
    ),
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
        r"\(frame 3, line 107\) has time step 50 a second time, with other positions",
    ),
    "three types": (
        with_line(110, "3 3 4.5 4.5"),
        r"\(frame 3, line 107\) has 3 particle types \(1, 2, 3\), but the mixture has two",
    ),
    "triclinic": (
        lambda lines: with_line(103, "ITEM: BOX BOUNDS xy xz yz pp pp pp")(with_line(104, "3.0 9.5 0.5")(lines)),
        r"\(frame 3, line 104\) has a triclinic box",
    ),
    "not periodic": (
        with_line(103, "ITEM: BOX BOUNDS pp ff pp"),
        r"\(frame 3, line 103\) has a box that is not periodic \(boundaries pp ff pp\)",
    ),
    "not square": (with_line(105, "3.0 9.6"), r"\(frame 3, line 107\) has a box of 6\.5 x 6\.6, but only square boxes"),
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
        r"\(frame 3, line 121\) cannot be read \(there are only 2 columns, but 4 are expected\)",
    ),
    "a million times a million": (
        with_line(102, "1000000000000"),
        r"\(frame 3, line 107\) has 1000000000000 particles",
    ),
    "no particles": (
        lambda lines: [line if line != "40" else "0" for line in lines],
        r"\(frame 1, line 9\) has 0 particles",
    ),
    "a note between": (
        lambda lines: [*lines[:98], "Dear diary,", *lines[98:]],
        r"\(frame 3, line 99\) has 'Dear diary,' where a line that starts with ITEM:",
    ),
    "another program's": (
        lambda lines: ["Dear diary,", *lines],
        r"begins with 'Dear diary,', and these formats are read: dump \(LAMMPS text dump\), gsd \(GSD, .*\), xyz \(.*\)",
    ),
    "empty": (lambda lines: [""], r"begins with '', and these formats are read: dump"),
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
    with pytest.raises(UserError, match=r"traj\.atom \(frame 9, line 441\) ends in the middle of a line"):
        all_frames(path)


def test_damaged_gzip_and_gsd_files_are_named(tmp_path):
    squeezed, binary = tmp_path / "traj.atom.gz", tmp_path / "traj.gsd"
    write_dump(squeezed, System())
    squeezed.write_bytes(squeezed.read_bytes()[:-200])
    write_gsd(binary, System())
    binary.write_bytes(binary.read_bytes()[:500])
    for path in (squeezed, binary):
        with pytest.raises(UserError, match=rf"^{re.escape(str(path))} .*cannot be read"):
            all_frames(path)
    squeezed.write_text("not compressed at all")
    with pytest.raises(UserError, match=r"begins with 'not compressed at all', and these formats are read"):
        all_frames(squeezed)
    squeezed.write_bytes(b"")
    with pytest.raises(UserError, match=r"is empty, and these formats are read"):
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


def test_diameters_in_a_gsd_file_tell_which_species_is_large(tmp_path):
    system, path = System(), tmp_path / "traj.gsd"
    with gsd.hoomd.open(str(path), "w") as file:
        frame = gsd.hoomd.Frame()
        frame.configuration.box = [system.side, system.side, 1, 0, 0, 0]
        frame.particles.N, frame.particles.types, frame.particles.typeid = 40, ["A", "B"], system.types - 1
        frame.particles.position = np.column_stack([system.positions[0] - 6.25, np.zeros(40)])
        frame.particles.diameter = np.where(system.types == 2, 1.4, 1.0)
        file.append(frame)
    (found,) = all_frames(path)
    assert found.species == ("B", "A")
    assert found.types.tolist() == [0] * 16 + [1] * 24
    places = system.positions[0] - 6.25
    assert_same_places(found.positions, np.concatenate([places[system.types == 2], places[system.types == 1]]), 6.5)


def test_a_dump_of_one_long_line_is_refused_before_it_fills_the_memory(tmp_path):
    path = tmp_path / "traj.atom.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"ITEM: TIMESTEP\n")
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
        assert sum(1 for _ in read_frames([path], lambda step: True)) == frames
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # A file of almost three times the size takes as much, but for what awaits Python's collector: what is parsed at once in its several forms.
    assert peaks[2] < 1.2 * peaks[1]
    assert peaks[2] < 10 * tables.TEXT_AT_ONCE
