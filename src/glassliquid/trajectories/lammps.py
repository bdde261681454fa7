"""What LAMMPS's text dumps and its YAML dumps have in common: the columns, the box and the unit of length.

Source: LAMMPS manual, `dump` and `dump_modify` commands.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from glassliquid.trajectories.frames import UNTILTED, Frame, FrameBuilder, Location, StepFilter, build_frame
from glassliquid.trajectories.tables import Parsed, Piece, read_pieces
from glassliquid.trajectories.text import TextFile

COORDINATES = (("x", "y", "z"), ("xu", "yu", "zu"), ("xs", "ys", "zs"), ("xsu", "ysu", "zsu"))
"""Names of the columns with positions: wrapped, unwrapped, and both in units of the box."""
SCALED, UNWRAPPED = ("xs", "xsu"), ("xu", "xsu")
TYPES, SIZES = ("type", "element", "typelabel"), ("radius", "diameter")


@dataclass
class Header:
    """A frame's lines before its particles."""

    step: int
    particles: int
    bounds: list[tuple[float, float]]
    """Of the box, low and high in x, y and z."""
    columns: list[str]
    behind: bytes | None = None
    """The lines behind the time step, if they are nothing but the number of particles, the box and the columns."""


def particles_of(text: TextFile, builder: FrameBuilder, header: Header, is_wanted: StepFilter) -> Iterator[Piece]:
    """The lines of a frame's particles, which come next in the file, for `tables.parse_frames`; nothing if it is not wanted."""
    builder.begin(header.particles)
    side = builder.side(*(high - low for low, high in header.bounds[:2]))
    if is_wanted(header.step):
        names = _columns(text.location, header.columns)
        columns = tuple(map(header.columns.index, names))
        complete = partial(_frame, header, side, names)
        yield from read_pieces(text, columns, len(header.columns), header.particles, complete)
    else:
        text.skip(header.particles)


def check_units(location: Location, units: str) -> None:
    """Refuse lengths that are not in units of sigma, unless the user says how long sigma_AA is."""
    if units != "lj" and location.hints.sigma is None:
        location.refuse(
            f"is in units {units[:40]!r}",
            remedy="pass sigma_AA, the diameter of the large particles in these units, as sigma",
        )


def check_boundaries(location: Location, flags: Iterable[str]) -> None:
    """Refuse a box that is not periodic in x and y, by the boundaries' flags (`pp`), or that has vectors of any direction."""
    flags = list(flags)
    if "abc" in flags:
        location.refuse("has a triclinic box, but only square ones can be drawn")
    if any(flag != "pp" for flag in flags[:2]):
        location.refuse(
            f"has a box that is not periodic (boundaries {' '.join(flags)[:40]}), but it must be pp in x and y"
        )


def check_tilt(location: Location, tilt: float) -> None:
    """Refuse a tilted box."""
    if not abs(tilt) < UNTILTED:
        location.refuse("has a triclinic box, but only square ones can be drawn")


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


def _frame(header: Header, length: float, names: list[str], location: Location, columns: Parsed) -> Frame:
    types, x, y = columns[:3]
    more = dict(zip(names[3:], columns[3:], strict=True))
    z = next((more[name] for name in ("z", "zu", "zs", "zsu") if name in more), None)
    if names[1] in SCALED:
        positions = np.column_stack([x - 0.5, y - 0.5]) * length
        z = z if z is None else z * (header.bounds[2][1] - header.bounds[2][0])
    else:
        centre_x, centre_y = ((low + high) / 2 for low, high in header.bounds[:2])
        positions = np.column_stack([x - centre_x, y - centre_y])
    sizes = next((more[name] for name in SIZES if name in more), None)
    return build_frame(
        location,
        header.step,
        types,
        positions,
        length,
        z=z,
        ids=more.get("id"),
        sizes=sizes,
        is_unwrapped=names[1] in UNWRAPPED,
    )
