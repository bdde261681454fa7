"""XYZ files, plain and extended.

A frame is the number of particles, a comment, and a line a particle. The comment says the rest:

- LAMMPS's `dump xyz` writes `Atoms. Timestep: 1000`; the columns are type, x, y and z, and there is no box.
- Extended XYZ has `key=value`: `Properties` names the columns, `Lattice` the box, `pbc` whether it is periodic. Source: the
  specification at github.com/libAtoms/extxyz.
- atooms writes `step:1000 columns:species,position cell:9.1,9.1`.

A file without a box is read only with a number density, given by the user.
"""

import re
from collections.abc import Iterator
from functools import partial

import numpy as np

from glassliquid.trajectories.frames import (
    COUNT,
    UNTILTED,
    Frame,
    FrameBuilder,
    Location,
    StepFilter,
    build_frame,
    parse_whole_number,
    side_by_density,
)
from glassliquid.trajectories.readers import READERS, Reader
from glassliquid.trajectories.tables import Parsed, Piece, parse_frames, read_pieces
from glassliquid.trajectories.text import TextFile

STEPS = ("timestep", "step", "i", "time", "frame")
"""Keys of the time step; the first that is there counts (CP2K writes `i = 5, time = 2.500`)."""
POSITIONS, VELOCITIES = ("pos", "position", "positions"), ("vel", "velocity", "velocities")
NAMES = {
    "type": ("species", "type", "element", "name", "z"),
    "id": ("id", "index", "particle_id"),
    "size": ("radius", "diameter", "radii", "diameters"),
}
"""What columns are called."""

_PAIR = re.compile(r"""([A-Za-z_][\w-]*)\s*[:=]\s*("(?:[^"\\]|\\.)*"|'[^']*'|\[.*?\](?=\s|$)|\{[^}]*\}|[^\s"']\S*)""")
_BRACKETS = str.maketrans("[]{}", "    ")
_BARE_STEP = re.compile(r"\b(timestep|step|frame)\s+([0-9]\S*)", re.IGNORECASE)


@READERS.register("xyz")
class XyzReader(Reader):
    """Reads XYZ files."""

    description = "XYZ with the time step in the comments"
    endings = (".xyz", ".extxyz")

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Whether its first line is a number of particles, and the third could be a particle, unless the comment is too long."""
        first, *lines = head.split(b"\n", 3)
        return first.strip().isdigit() and (len(lines[1].split()) > 1 if len(lines) > 1 else len(head) > 1_000)

    @staticmethod
    def read(location: Location, is_wanted: StepFilter) -> Iterator[Frame]:
        """The wanted frames."""
        with TextFile(location) as text:
            yield from parse_frames(_tables(text, is_wanted))


def _tables(text: TextFile, is_wanted: StepFilter) -> Iterator[Piece]:
    location = text.location
    builder = FrameBuilder(location)
    while (first := text.line_after_blanks()) is not None:
        location.frame += 1
        count = parse_whole_number(first)
        if count is None:
            location.refuse(f"has {first[:40]!r} where the number of particles should be")
        comment = text.line() or ""
        said = _said(comment)
        step = _step(location, comment, said)
        builder.begin(count)
        if is_wanted(step):
            length = builder.side(*sides) if (sides := _sides(location, said)) else None
            columns, width = _columns(location, said, text.fields_ahead())
            complete = partial(_frame, step, length, list(columns))
            yield from read_pieces(text, tuple(columns.values()), width, count, complete)
        else:
            text.skip(count)


def _said(comment: str) -> dict[str, str]:
    """What a comment says, by keys in small letters; of equal keys the first counts."""
    said: dict[str, str] = {}
    for key, value in _PAIR.findall(comment):
        said.setdefault(key.lower(), value.strip("\"'").translate(_BRACKETS).strip().rstrip(",;"))
    if found := _BARE_STEP.search(comment):
        said.setdefault(found[1].lower(), found[2])
    return said


def _step(location: Location, comment: str, said: dict[str, str]) -> int:
    if location.hints.count_frames:
        return location.step(0)
    key = next((key for key in STEPS if key in said), None)
    if key is None:
        location.refuse(
            f"has no Timestep: in its comment {comment[:60]!r}, and neither step nor time, so its time step is missing",
            remedy=COUNT,
        )
    if (step := parse_whole_number(said[key])) is None:
        location.refuse(
            f"has the {key} {said[key][:40]!r} in its comment, but it must be a whole number of time steps",
            remedy=COUNT,
        )
    return step


def _sides(location: Location, said: dict[str, str]) -> tuple[float, float] | None:
    """The box's sides; None if there is none."""
    if "pbc" in said and not _is_periodic(said["pbc"]):
        location.refuse(f"has a box that is not periodic (pbc is {said['pbc'][:20]!r}), but it must be in x and y")
    key = next((key for key in ("lattice", "cell") if key in said), None)
    if key is None:
        return None
    try:
        numbers = np.array([float(word) for word in re.split(r"[\s,]+", said[key].strip())])
        if key == "cell" and len(numbers) in (2, 3):
            return float(numbers[0]), float(numbers[1])
        vectors = numbers.reshape(3, 3) if len(numbers) != 4 else numbers.reshape(2, 2)
    except ValueError as error:
        location.refuse(f"has a {key.capitalize()} that is not nine numbers ({said[key][:60]!r})", error)
    if not (np.abs(vectors - np.diag(np.diag(vectors))) < UNTILTED).all():
        location.refuse("has a triclinic box, but only square ones can be drawn")
    return float(vectors[0, 0]), float(vectors[1, 1])


def _is_periodic(flags: str) -> bool:
    """Whether the first two flags, those of x and y, are `T`, `true` or `1`."""
    words = re.findall(r"true|false|[tf01]", flags.lower())
    return len(words) > 1 and all(word[0] in "t1" for word in words[:2])


def _columns(location: Location, said: dict[str, str], fields: int) -> tuple[dict[str, int], int]:
    """The places of the columns type, x, y, and z, id and size where they are; and how many columns there are.

    What `z` is depends on what is beside it: a coordinate beside `x` and `y`, the atomic number beside a species.
    """
    listed = _listed(location, said, fields)
    if listed is None:
        if fields < 3:
            location.refuse(f"has {fields} columns, but the type and two or three coordinates are expected")
        return {name: place for place, name in enumerate(("type", "x", "y", "z")[:fields])}, fields
    columns: dict[str, int] = {}
    place = 0
    names_there = {name for name, _ in listed}
    has_axes, has_species = {"x", "y"} <= names_there, bool(names_there.intersection(NAMES["type"][:-1]))
    for name, count in listed:
        if name in POSITIONS and count in (2, 3):
            new = dict(zip("xyz", range(place, place + count), strict=False))
        elif has_axes and name in "xyz" and count == 1:
            new = {name: place}
        elif has_species and name == "z":
            new = {}
        else:
            new = {kind: place for kind, names in NAMES.items() if name in names and count == 1}
        if new.keys() & columns.keys():
            location.refuse(f"names the column {name} or another one of its meaning twice")
        columns |= new
        place += count
    if "type" not in columns and "columns" in said and "id" in columns:
        columns["type"] = columns.pop("id")  # atooms calls the species so
    if missing := [what for what in ("type", "x") if what not in columns]:
        wanted = {"type": "species", "x": "pos with 2 or 3 numbers"}[missing[0]]
        location.refuse(f"names no column {wanted} (its columns are {' '.join(name for name, _ in listed)[:80]})")
    # Words come first in a table.
    return {"type": columns.pop("type"), **columns}, place


def _listed(location: Location, said: dict[str, str], fields: int) -> list[tuple[str, int]] | None:
    """The columns that a comment names, and how many numbers each has; None if it names none."""
    if "properties" in said:
        words = said["properties"].lower().split(":")
        triples = list(zip(words[::3], words[1::3], words[2::3], strict=False))
        if len(words) % 3 or not all(count in "123456789" for _, _, count in triples):
            location.refuse(f"has Properties that are not name:kind:count ({said['properties'][:60]!r})")
        return [(name, int(count)) for name, _, count in triples]
    if "columns" in said:
        names = said["columns"].lower().split(",")
        vectors = sum(name in POSITIONS + VELOCITIES for name in names)
        each = (fields - len(names)) // vectors + 1 if vectors else 1
        return [(name, each if name in POSITIONS + VELOCITIES else 1) for name in names]
    return None


def _frame(step: int, length: float | None, names: list[str], location: Location, columns: Parsed) -> Frame:
    found = dict(zip(names, columns, strict=True))
    positions = np.column_stack([found["x"], found["y"]])
    if length is None:
        length = side_by_density(location, positions)
    z, ids, sizes = found.get("z"), found.get("id"), found.get("size")
    return build_frame(location, step, found["type"], positions, length, z=z, ids=ids, sizes=sizes)
