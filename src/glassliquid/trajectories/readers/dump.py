"""LAMMPS text dumps (`dump atom`, `dump custom`).

Source: LAMMPS manual, `dump` command. A frame is `ITEM: TIMESTEP`, `ITEM: NUMBER OF ATOMS`, `ITEM: BOX BOUNDS` with
the boundaries' flags and two numbers a dimension, and `ITEM: ATOMS` with the columns' names and a line a particle.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from glassliquid.trajectories.frames import Frame, FrameBuilder, Location, StepFilter, build_frame
from glassliquid.trajectories.readers import READERS, Reader
from glassliquid.trajectories.tables import Parsed, Piece, parse_frames, read_pieces
from glassliquid.trajectories.text import TextFile

COORDINATES = (("x", "y", "z"), ("xu", "yu", "zu"), ("xs", "ys", "zs"), ("xsu", "ysu", "zsu"))
"""Names of the columns with positions: wrapped, unwrapped, and both in units of the box."""
SCALED = ("xs", "xsu")


@dataclass
class _Header:
    """A frame's lines before its particles."""

    step: int
    particles: int
    bounds: NDArray[np.float64]
    """Of the box, low and high, shape (3, 2)."""
    columns: list[str]


@READERS.register("dump")
class DumpReader(Reader):
    """Reads LAMMPS text dumps."""

    description = "LAMMPS text dump"
    endings = (".atom", ".dump", ".lammpstrj")

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Whether it begins with an item."""
        return head.startswith(b"ITEM:")

    @staticmethod
    def read(location: Location, is_wanted: StepFilter) -> Iterator[Frame]:
        """The wanted frames."""
        with TextFile(location) as text:
            yield from parse_frames(_tables(text, is_wanted))


def _tables(text: TextFile, is_wanted: StepFilter) -> Iterator[Piece]:
    location = text.location
    builder = FrameBuilder(location)
    while (header := _read_header(text)) is not None:
        builder.begin(header.step, header.particles)
        side = builder.side(*(header.bounds[:2, 1] - header.bounds[:2, 0]).tolist())
        if is_wanted(header.step):
            names = _columns(location, header.columns)
            columns = tuple(map(header.columns.index, names))
            yield from read_pieces(text, columns, header.particles, partial(_frame, header, side, names))
        else:
            text.skip(header.particles)


def _read_header(text: TextFile) -> _Header | None:
    """A frame's lines before its particles; None at the end of the file."""
    location = text.location
    location.frame += 1
    item = text.line()
    if item is None:
        return None
    step = particles = bounds = None
    while item is not None and not item.startswith("ITEM: ATOMS"):
        if item == "ITEM: TIMESTEP":
            step = text.number("the time step")
        elif item == "ITEM: NUMBER OF ATOMS":
            particles = text.number("the number of particles")
        elif item.startswith("ITEM: BOX BOUNDS"):
            bounds = _read_bounds(text, item.split()[3:])
        elif item.startswith(("ITEM: UNITS", "ITEM: TIME")):
            text.line()
        else:
            location.refuse(f"has {item[:40]!r} where a line that starts with ITEM: should be")
        item = text.line()
    if item is None:
        location.refuse("ends in the middle of a frame's header")
    if step is None:
        location.refuse("has no ITEM: TIMESTEP, so its time step is missing")
    if particles is None or bounds is None:
        location.refuse(f"has no ITEM: {'NUMBER OF ATOMS' if particles is None else 'BOX BOUNDS'}")
    return _Header(step, particles, bounds, item.split()[2:])


def _read_bounds(text: TextFile, flags: list[str]) -> NDArray[np.float64]:
    location = text.location
    if set(flags) & {"xy", "xz", "yz", "abc"}:
        location.refuse("has a triclinic box, and only square ones can be drawn")
    if any(flag != "pp" for flag in flags[:2]):
        location.refuse(f"has a box that is not periodic (boundaries {' '.join(flags)}), and it must be pp in x and y")
    bounds = []
    for _ in range(3):
        words = (text.line() or "").split()
        try:
            bounds.append((float(words[0]), float(words[1])))
        except (ValueError, IndexError) as error:
            location.refuse(f"has {' '.join(words)[:40]!r} where a bound of the box should be", error)
    return np.array(bounds)


def _columns(location: Location, columns: list[str]) -> list[str]:
    """The columns that are needed: the type, two or three coordinates, and the id where there is one."""
    names = next((each for each in COORDINATES if each[0] in columns and each[1] in columns), None)
    if names is None:
        location.refuse(f"has no columns x y, xu yu or xs ys (its columns are {' '.join(columns) or 'not named'})")
    if "type" not in columns:
        location.refuse(f"has no column type (its columns are {' '.join(columns)})")
    return [name for name in ("type", *names, "id") if name in columns]


def _frame(header: _Header, length: float, names: list[str], location: Location, columns: Parsed) -> Frame:
    types, x, y, *rest = columns
    more = dict(zip(names[3:], rest, strict=True))
    ids, z = more.pop("id", None), next(iter(more.values()), None)
    if names[1] in SCALED:
        positions = np.column_stack([x - 0.5, y - 0.5]) * length
        z = z if z is None else z * (header.bounds[2, 1] - header.bounds[2, 0])
    else:
        centre = header.bounds[:2].mean(axis=1)
        positions = np.column_stack([x - centre[0], y - centre[1]])
    return build_frame(location, header.step, types, positions, length, z=z, ids=ids)
