"""Known configurations in every style that programs write, options mixed: what is accepted equals what was written.

A file that is read wrong would train a network on other particles than its owner's, with nothing to show it.
"""

import bz2
import gzip
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow
from hypothesis import given
from hypothesis import strategies as st

from glassliquid.trajectories.frames import Hints
from glassliquid.trajectories.readers import read_frames
from tests.hostile.budget import inputs
from tests.hostile.conftest import restored
from tests.hostile.guard import Sandbox

MOST_MIB = 64
PACKED = {
    "none": lambda text: text,
    "gzip": lambda text: gzip.compress(text, 1),
    "bzip2": bz2.compress,
    "zstd": lambda text: pyarrow.compress(text, "zstd", asbytes=True),
}
BLANKS = {"one": " ", "two": "  ", "tab": "\t"}
EXTRAS = ("vx", "vy", "mol", "q", "ix", "c_1[2]")
NAMES = (("1", "2"), ("2", "10"), ("A", "B"), ("Large", "Small"), ("large_particles_of_A", "large_particles_of_B"))


@dataclass
class Truth:
    """What was written."""

    steps: list[int]
    positions: np.ndarray
    """From the middle of the box, shape (frames, N, 2)."""
    is_small: np.ndarray
    side: float
    digits: int
    has_to_be_refused: bool
    hints: Hints
    text: bytes = b""


def number(value: float, digits: int) -> str:
    return f"{value:.{digits}g}"


@st.composite
def variants(draw: Any) -> Truth:
    """A file of two or three frames of a few particles, in a style of its own."""
    pick = lambda *values: draw(st.sampled_from(values))  # noqa: E731
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(4, 12))
    steps = [step * pick(1, 1_000, 50_000) for step in (pick(0, 3), 5, 9)][: draw(st.integers(2, 3))]
    steps = sorted(set(steps))
    is_small = generator.permutation(np.arange(count) < count // 3)
    side, digits = float(pick(3.0, 4.5, 6.25)), pick(6, 9, 16)
    positions = generator.uniform(-side / 2, side / 2, (len(steps), count, 2))
    units, repeat, tail = (
        pick("", "", "lj", "metal"),
        pick("", "", "same", "overlap", "other"),
        pick("\n", "\n", "\n\n", ""),
    )
    sizes = pick(None, None, "radius", "diameter")
    names = pick(*NAMES)[:: pick(1, -1) if sizes else 1]  # sizes decide, and not the names
    truth = Truth(steps, positions, is_small, side, digits, False, Hints(unterminated=pick(False, True)))
    frames = list(range(len(steps)))
    order = {"same": [*frames[:1], *frames], "overlap": [*frames, *frames[1:]]}.get(repeat, frames)
    table = {
        "sizes": sizes,
        "names": names,
        "blank": BLANKS[pick("one", "one", "two", "tab")],
        "end": pick("", "", " "),
    }
    write = pick(dump_frame, xyz_frame, yaml_frame)
    style = write.style(draw)  # type: ignore[attr-defined]
    if write is xyz_frame and style["comment"] == "plain":
        # There is no name for a column of sizes, and so names decide.
        table |= {"sizes": None, "names": next(pair for pair in NAMES if set(pair) == set(names))}
    if write is xyz_frame and not style["lattice"] and style["has_density"] and side == 3.0:
        truth.hints = Hints(unterminated=truth.hints.unterminated, density=count / side**2)
    lines = [line for frame in order for line in write(truth, frame, table, style, generator)]
    if repeat == "other":
        moved = Truth(steps, positions + side / 3, is_small, side, digits, False, truth.hints)
        lines += write(moved, len(steps) - 1, table, style, generator)
    if write is dump_frame and units:
        lines = ["ITEM: UNITS", units, *lines]
    truth.has_to_be_refused = (
        (write is dump_frame and (units == "metal" or style["tilt"] == "0.5" or style["flags"] != "pp pp pp"))
        or (
            write is yaml_frame
            and (style["units"] == "metal" or style["tilt"] == "0.5" or style["boundary"] != "pppppp")
        )
        or (write is xyz_frame and (style["pbc"] in NOT_PERIODIC or not (style["lattice"] or truth.hints.density)))
        or repeat == "other"
        or (tail == "" and not truth.hints.unterminated)
    )
    line_end = pick("\n", "\n", "\r\n")
    start = pick("", "", "", "\ufeff", line_end, f"\ufeff {line_end}")
    truth.text = PACKED[pick(*PACKED)]((start + line_end.join(lines) + tail.replace("\n", line_end)).encode())
    return truth


def rows(truth: Truth, columns: dict[str, list[str]], table: dict[str, Any], order: np.ndarray) -> list[str]:
    return [table["blank"].join(column[k] for column in columns.values()) + table["end"] for k in order]


def common(truth: Truth, table: dict[str, Any], generator: np.random.Generator, extras: list[str]) -> dict[str, Any]:
    """Columns that any format may have."""
    count = len(truth.is_small)
    columns = {name: [number(value, 4) for value in generator.normal(size=count)] for name in extras}
    if table["sizes"]:
        columns[table["sizes"]] = ["0.44" if small else "0.5" for small in truth.is_small]
    return columns


def dump_style(draw: Any) -> dict[str, Any]:
    return {
        "kind": draw(st.sampled_from(("", "u", "s", "su"))),
        "order": draw(st.permutations(range(12))),
        "extras": draw(st.lists(st.sampled_from(EXTRAS), unique=True, max_size=3)),
        "has_id": draw(st.booleans()),
        "has_z": draw(st.booleans()),
        "type": draw(st.sampled_from(("type", "type", "element"))),
        "tilt": draw(st.sampled_from(("", "", "", "0.0", "0.5"))),
        "flags": draw(st.sampled_from(("pp pp pp", "pp pp pp", "pp pp pp", "pp ff pp"))),
        "low": draw(st.sampled_from((0.0, -1.5, 7.25))),
        "step": draw(st.sampled_from(("{}", "{}", "{}.0"))),
        "between": draw(st.sampled_from(((), (), ("",)))),
    }


def dump_frame(
    truth: Truth, frame: int, table: dict[str, Any], style: dict[str, Any], generator: np.random.Generator
) -> list[str]:
    """Lines of a LAMMPS dump."""
    count, side, low, digits = len(truth.is_small), truth.side, style["low"], truth.digits
    places = truth.positions[frame] + side / 2
    if style["kind"] in ("u", "su"):
        places = places + side * generator.integers(-3, 4, places.shape)
    places = places / side if style["kind"] in ("s", "su") else places + low
    columns = common(truth, table, generator, style["extras"])
    columns[style["type"]] = [table["names"][int(small)] for small in truth.is_small]
    for axis, name in enumerate("xy"):
        columns[name + style["kind"]] = [number(value, digits) for value in places[:, axis]]
    if style["has_z"]:
        columns["z" + style["kind"]] = ["0"] * count
    if style["has_id"]:
        columns["id"] = [str(k + 1) for k in range(count)]
    keys = [list(columns)[place] for place in style["order"] if place < len(columns)]
    tilt = f" {style['tilt']}" if style["tilt"] else ""
    bounds = f"{low!r} {low + side!r}{tilt}"
    head = ["ITEM: TIMESTEP", style["step"].format(truth.steps[frame]), "ITEM: NUMBER OF ATOMS", str(count)]
    head += [f"ITEM: BOX BOUNDS {'xy xz yz ' if tilt else ''}{style['flags']}", bounds, bounds]
    head += [f"-0.5 0.5{' 0' if tilt else ''}", f"ITEM: ATOMS {' '.join(keys)}"]
    order = generator.permutation(count) if style["has_id"] else np.arange(count)
    found = rows(truth, {key: columns[key] for key in keys}, table, order)
    return [*(style["between"] if frame else ()), *head, *found]


STEPS = ("Timestep={}", "step={}", "Time={}", "Time={}.0", "Timestep: {}", "i = {}, time = {}.5", "Step {}", "frame={}")
STEPS += ("time step = {}", "Step: {}.0", "TIME={}, E=-3.5", "step:{}")
PERIODIC, NOT_PERIODIC = ("T T F", "TTF", "1 1 0", "[True, True, False]", "T,T,T"), ("F F F", "TFT", "F T T", "1 0 1")
BOXES = (
    'Lattice="{0!r} 0 0 0 {0!r} 0 0 0 1"',
    'Lattice="{0!r} 0 0 {0!r}"',
    "Lattice=[[{0!r}, 0, 0], [0, {0!r}, 0], [0, 0, 1]]",
    "cell={0!r},{0!r}",
    'cell="{0!r} {0!r} 1.0"',
)


def xyz_style(draw: Any) -> dict[str, Any]:
    return {
        "order": draw(st.permutations(range(12))),
        "extras": draw(st.lists(st.sampled_from(("charge", "energy", "mass")), unique=True, max_size=2)),
        "dimensions": draw(st.sampled_from((2, 3))),
        "velocities": draw(st.booleans()),
        "id": draw(st.sampled_from((None, None, "id"))),
        "species": draw(st.sampled_from(("species", "species", "type"))),
        "comment": draw(st.sampled_from(("extended", "extended", "atooms", "plain"))),
        "lattice": draw(st.sampled_from((True, True, True, False))),
        "box": draw(st.sampled_from(BOXES)),
        "has_density": draw(st.booleans()),
        "pbc": draw(st.sampled_from(("", "", *PERIODIC, *NOT_PERIODIC))),
        "step": draw(st.sampled_from(STEPS)),
    }


def xyz_frame(
    truth: Truth, frame: int, table: dict[str, Any], style: dict[str, Any], generator: np.random.Generator
) -> list[str]:
    """Lines of XYZ: extended, as atooms writes it, or with nothing that names the columns."""
    count, side, places = len(truth.is_small), truth.side, truth.positions[frame]
    has_names, dimensions = style["comment"] != "plain", style["dimensions"]
    single = common(truth, table, generator, style["extras"] if has_names else [])
    single[style["species"]] = [table["names"][int(small)] for small in truth.is_small]
    if style["id"] and has_names:
        single["id"] = [str(k + 1) for k in range(count)]
    blank = table["blank"]
    columns = dict(single)
    flat = ["0"] * (dimensions - 2)
    columns["pos"] = [blank.join([number(x, truth.digits), number(y, truth.digits), *flat]) for x, y in places]
    velocities = {"extended": ("velo", 3), "atooms": ("vel", dimensions)}.get(style["comment"])
    if style["velocities"] and velocities:
        name, numbers = velocities
        columns[name] = [
            blank.join(f"{value:.3f}" for value in each) for each in generator.normal(size=(count, numbers))
        ]
    keys = [list(columns)[place] for place in style["order"] if place < len(columns)]
    if not has_names:
        keys = [style["species"], "pos"]
    kinds = {"pos": f"R:{dimensions}", "velo": "R:3", style["species"]: "S:1", "id": "I:1"}
    names = {
        "extended": "Properties=" + ":".join(f"{key}:{kinds.get(key, 'R:1')}" for key in keys),
        "atooms": f"columns:{','.join(keys)}",
    }.get(style["comment"], "")
    box = style["box"].format(side) if style["lattice"] else ""
    pbc = f'pbc="{style["pbc"]}"' if style["pbc"] else ""
    comment = " ".join(part for part in (box, names, pbc, style["step"].replace("{}", str(truth.steps[frame]))) if part)
    order = generator.permutation(count) if "id" in keys else np.arange(count)
    return [str(count), comment, *rows(truth, {key: columns[key] for key in keys}, table, order)]


def yaml_style(draw: Any) -> dict[str, Any]:
    return dump_style(draw) | {
        "units": draw(st.sampled_from(("", "", "lj", "metal"))),
        "boundary": draw(st.sampled_from(("pppppp", "pppppp", "pppppp", "ppffpp"))),
        "time": draw(st.booleans()),
        "thermo": draw(st.booleans()),
        "row": draw(st.sampled_from(("  - [ {}, ]", "  - [ {}, ]", "- [{}]", "    - [{} ]"))),
        "comma": draw(st.sampled_from((" , ", " , ", ",", ", "))),
        "between": (),
    }


def yaml_frame(
    truth: Truth, frame: int, table: dict[str, Any], style: dict[str, Any], generator: np.random.Generator
) -> list[str]:
    """Lines of a LAMMPS YAML dump: the numbers of a text dump's frame as lists."""
    lines = [line for line in dump_frame(truth, frame, table, style, generator) if line]
    bounds = [line.split() for line in lines[5:8]]
    lists = [style["row"].format(style["comma"].join(line.split())) for line in lines[9:]]
    head = [
        "---",
        "creator: LAMMPS",
        f"timestep: {lines[1]}",
        *([f"units: {style['units']}"] if style["units"] else []),
    ]
    head += [f"time: {0.005 * truth.steps[frame]:g}"] * style["time"] + [f"natoms: {lines[3]}"]
    head += [f"boundary: [ {', '.join(style['boundary'])}, ]"]
    head += ["thermo:", "  - keywords: [ Step, Temp, ]", "  - data: [ 0, 1.5, ]"] * style["thermo"]
    head += ["box:", *(f"  - [ {', '.join(each[:2])} ]" for each in bounds)]
    head += [f"  - [ {style['tilt']}, 0, 0 ]"] if style["tilt"] else []
    return [*head, f"keywords: [ {', '.join(lines[8].split()[2:])},  ]", "data:", *lists, "..."]


dump_frame.style, xyz_frame.style, yaml_frame.style = dump_style, xyz_style, yaml_style  # type: ignore[attr-defined]


def use(path: Any, truth: Truth) -> None:
    """Read all of it; what is accepted is what was written."""
    frames = list(read_frames([path], lambda step: True, truth.hints))
    assert not truth.has_to_be_refused, "a file was accepted that cannot be read right"
    assert [frame.step for frame in frames] == truth.steps
    tolerance = 40 * 10.0 ** (1 - truth.digits) + 1e-9  # unwrapped positions have a digit more before the point
    for frame, places in zip(frames, truth.positions, strict=True):
        expected = np.concatenate([places[~truth.is_small], places[truth.is_small]])
        difference = frame.positions - expected
        difference -= truth.side * np.round(difference / truth.side)
        assert np.abs(difference).max() < tolerance
        assert abs(frame.length - truth.side) < 1e-9
        assert frame.types.tolist() == sorted(truth.is_small.astype(int).tolist())


@given(data=st.data())
@inputs(quick=200, long=5000)
def test_what_is_accepted_is_what_was_written(sandbox: Sandbox, data: st.DataObject):
    truth = data.draw(variants())
    path = sandbox.data / "traj.txt"
    restored(path, truth.text)
    refused = sandbox.attempt("trajectories in all styles", lambda: use(path, truth), MOST_MIB)
    assert truth.has_to_be_refused or refused is None, f"a good file was refused: {refused}"
