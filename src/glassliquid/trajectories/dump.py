"""LAMMPS text dumps (`dump atom`, `dump custom`): read frame by frame, and written.

Source: LAMMPS manual, `dump` command. A frame is `ITEM: TIMESTEP`, `ITEM: NUMBER OF ATOMS`, `ITEM: BOX BOUNDS` with
the boundaries' flags and two numbers a dimension, and `ITEM: ATOMS` with the columns' names and a line a particle.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import IO

import numpy as np
from numpy.typing import NDArray

from glassliquid.trajectories.frames import (
    SAME_LENGTH,
    Frame,
    Place,
    Wanted,
    arrange,
    check_flat,
    check_next,
    square_side,
)
from glassliquid.trajectories.tables import Columns, Parsed, Unfinished, finish
from glassliquid.trajectories.text import Text
from glassliquid.trajectories.trajectory import Configuration

COORDINATES = (("x", "y", "z"), ("xu", "yu", "zu"), ("xs", "ys", "zs"), ("xsu", "ysu", "zsu"))
"""Names of the columns with positions: wrapped, unwrapped, and both in units of the box."""
SCALED = ("xs", "xsu")
HEIGHT = 0.1
"""Half the height of the box that exported frames have; LAMMPS wants one in two dimensions as well."""


@dataclass
class _Header:
    step: int
    particles: int
    bounds: NDArray[np.float64]
    columns: list[str]


def read(place: Place, wanted: Wanted) -> Iterator[Frame]:
    """The wanted frames of a dump; see `readers.read_frames`."""
    with Text(place) as text:
        yield from finish(_unfinished(text, wanted))


def write(file: IO[str], frames: Iterable[tuple[int, Configuration]]) -> None:
    """Write frames, pairs of time step and configuration, with columns id, type (1 for A, 2 for B), x, y and z.

    z is 0, and there because some readers insist on it. Nine significant digits give the single precision of trajectory files
    back exactly.
    """
    for step, configuration in frames:
        count, half = len(configuration.types), configuration.length / 2
        file.write(
            f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{count}\nITEM: BOX BOUNDS pp pp pp\n"
            f"{-half!r} {half!r}\n{-half!r} {half!r}\n{-HEIGHT} {HEIGHT}\nITEM: ATOMS id type x y z\n"
        )
        rows = np.empty((count, 4), dtype=object)
        rows[:, 0], rows[:, 1] = range(1, count + 1), (configuration.types + 1).tolist()
        rows[:, 2:] = configuration.positions.astype(np.float64)
        file.write(("%d %d %.9g %.9g 0\n" * count) % tuple(rows.ravel()))


def _unfinished(text: Text, wanted: Wanted) -> Iterator[Unfinished]:
    place = text.place
    last_step: int | None = None
    particles: int | None = None
    length: float | None = None
    while (header := _read_header(text)) is not None:
        check_next(place, header.step, last_step, header.particles, particles)
        last_step, particles = header.step, header.particles
        low, high = header.bounds[:2, 0], header.bounds[:2, 1]
        side = square_side(place, (high[0] - low[0], high[1] - low[1]))
        if length is not None and abs(side - length) > SAME_LENGTH * length:
            place.refuse(f"has a box of side {side:g} where the first frame has {length:g}")
        length = side if length is None else length
        if wanted(header.step):
            columns = _columns(place, header.columns)
            table = text.table(header.particles, Columns(tuple(map(header.columns.index, columns))))
            yield table, partial(_complete, table.place, header, side, columns)
        else:
            text.skip(header.particles)


def _read_header(text: Text) -> _Header | None:
    """A frame's lines before its particles; None at the end of the file."""
    place = text.place
    step: int | None = None
    particles: int | None = None
    bounds: NDArray[np.float64] | None = None
    place.frame += 1
    while True:
        item = text.line()
        if item is None and step is None and particles is None and bounds is None:
            return None
        if item == "ITEM: TIMESTEP":
            step = text.number("the time step")
        elif item == "ITEM: NUMBER OF ATOMS":
            particles = text.number("the number of particles")
        elif item is not None and item.startswith("ITEM: BOX BOUNDS"):
            bounds = _read_bounds(text, item.split()[3:])
        elif item is not None and item.startswith(("ITEM: UNITS", "ITEM: TIME")):
            text.line()
        elif item is not None and item.startswith("ITEM: ATOMS"):
            break
        elif item is None:
            place.refuse("ends in the middle of a frame's header")
        else:
            place.refuse(f"has {item[:40]!r} where a line that starts with ITEM: should be")
    if step is None:
        place.refuse("has no ITEM: TIMESTEP, so its time step is missing")
    if particles is None or bounds is None:
        place.refuse(f"has no ITEM: {'NUMBER OF ATOMS' if particles is None else 'BOX BOUNDS'}")
    return _Header(step, particles, bounds, item.split()[2:])


def _read_bounds(text: Text, flags: list[str]) -> NDArray[np.float64]:
    place = text.place
    if set(flags) & {"xy", "xz", "yz", "abc"}:
        place.refuse("has a triclinic box, and only square ones can be drawn")
    if any(flag != "pp" for flag in flags[:2]):
        place.refuse(f"has a box that is not periodic (boundaries {' '.join(flags)}), and it must be pp in x and y")
    bounds = []
    for _ in range(3):
        words = (text.line() or "").split()
        try:
            bounds.append((float(words[0]), float(words[1])))
        except (ValueError, IndexError) as error:
            place.refuse(f"has {' '.join(words)[:40]!r} where a bound of the box should be", error)
    return np.array(bounds)


def _columns(place: Place, columns: list[str]) -> list[str]:
    """The columns that are needed: the type, two or three coordinates, and the id where there is one."""
    names = next((each for each in COORDINATES if each[0] in columns and each[1] in columns), None)
    if names is None:
        place.refuse(f"has no columns x y, xu yu or xs ys (its columns are {' '.join(columns) or 'not named'})")
    if "type" not in columns:
        place.refuse(f"has no column type (its columns are {' '.join(columns)})")
    return [name for name in ("type", *names, "id") if name in columns]


def _complete(place: Place, header: _Header, length: float, names: list[str], columns: Parsed) -> Frame:
    column = dict(zip(names, columns, strict=True))
    is_scaled = names[1] in SCALED
    centre = np.full(2, 0.5) if is_scaled else header.bounds[:2].mean(axis=1)
    positions = np.column_stack([columns[1] - centre[0], columns[2] - centre[1]])
    if is_scaled:
        positions *= length
    height = next((values for name, values in column.items() if name.startswith("z")), None)
    if height is not None:
        check_flat(place, height * (header.bounds[2, 1] - header.bounds[2, 0] if is_scaled else 1.0), length)
    return arrange(place, header.step, column["type"], column.get("id"), positions, length)
