"""LAMMPS text dumps (`dump atom`, `dump custom`).

Source: LAMMPS manual, `dump` command. A frame is `ITEM: TIMESTEP`, `ITEM: NUMBER OF ATOMS`, `ITEM: BOX BOUNDS` with
the boundaries' flags and two numbers a dimension, and `ITEM: ATOMS` with the columns' names and a line a particle.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from glassliquid.trajectories.frames import UNTILTED, Frame, FrameBuilder, Location, StepFilter, build_frame
from glassliquid.trajectories.readers import READERS, Reader
from glassliquid.trajectories.tables import Parsed, Piece, parse_frames, read_pieces
from glassliquid.trajectories.text import TextFile

COORDINATES = (("x", "y", "z"), ("xu", "yu", "zu"), ("xs", "ys", "zs"), ("xsu", "ysu", "zsu"))
"""Names of the columns with positions: wrapped, unwrapped, and both in units of the box."""
SCALED = ("xs", "xsu")
TYPES, SIZES = ("type", "element", "typelabel"), ("radius", "diameter")


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
    endings = (".atom", ".dump", ".lammpstrj", ".lammpsdump")

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
        builder.begin(header.particles)
        side = builder.side(*(header.bounds[:2, 1] - header.bounds[:2, 0]).tolist())
        if is_wanted(header.step):
            names = _columns(location, header.columns)
            columns = tuple(map(header.columns.index, names))
            complete = partial(_frame, header, side, names)
            yield from read_pieces(text, columns, len(header.columns), header.particles, complete)
        else:
            text.skip(header.particles)


def _read_header(text: TextFile) -> _Header | None:
    """A frame's lines before its particles; None at the end of the file."""
    location = text.location
    location.frame += 1
    item = text.line_after_blanks()
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
        elif item == "ITEM: UNITS":
            if (units := text.line()) != "lj" and location.hints.sigma is None:
                location.refuse(
                    f"is in units {units!r}",
                    remedy="pass sigma_AA, the diameter of the large particles in these units, as sigma",
                )
        elif item == "ITEM: TIME":
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
    tilted = flags[:3] == ["xy", "xz", "yz"]
    flags = flags[3:] if tilted else flags
    if "abc" in flags:
        location.refuse("has a triclinic box, and only square ones can be drawn")
    if any(flag != "pp" for flag in flags[:2]):
        location.refuse(f"has a box that is not periodic (boundaries {' '.join(flags)}), and it must be pp in x and y")
    bounds = []
    for _ in range(3):
        words = (text.line() or "").split()
        try:
            low, high, tilt = float(words[0]), float(words[1]), float(words[2]) if tilted else 0.0
        except (ValueError, IndexError) as error:
            location.refuse(f"has {' '.join(words)[:40]!r} where a bound of the box should be", error)
        if not abs(tilt) < UNTILTED:
            location.refuse("has a triclinic box, and only square ones can be drawn")
        bounds.append((low, high))
    return np.array(bounds)


def _columns(location: Location, columns: list[str]) -> list[str]:
    """The columns that are needed: the type, two or three coordinates, and the id and the sizes where there are any."""
    names = next((each for each in COORDINATES if each[0] in columns and each[1] in columns), None)
    if names is None:
        location.refuse(f"has no columns x y, xu yu or xs ys (its columns are {' '.join(columns) or 'not named'})")
    kind = next((each for each in TYPES if each in columns), None)
    if kind is None:
        location.refuse(f"has no column type or element (its columns are {' '.join(columns)})")
    wanted = [kind, *names, "id", *SIZES]
    if twice := next((name for name in wanted if columns.count(name) > 1), None):
        location.refuse(f"has the column {twice} twice")
    return [name for name in wanted if name in columns]


def _frame(header: _Header, length: float, names: list[str], location: Location, columns: Parsed) -> Frame:
    types, x, y = columns[:3]
    more = dict(zip(names[3:], columns[3:], strict=True))
    z = next((more[name] for name in ("z", "zu", "zs", "zsu") if name in more), None)
    if names[1] in SCALED:
        positions = np.column_stack([x - 0.5, y - 0.5]) * length
        z = z if z is None else z * (header.bounds[2, 1] - header.bounds[2, 0])
    else:
        centre = header.bounds[:2].mean(axis=1)
        positions = np.column_stack([x - centre[0], y - centre[1]])
    sizes = next((more[name] for name in SIZES if name in more), None)
    return build_frame(location, header.step, types, positions, length, z=z, ids=more.get("id"), sizes=sizes)
