"""LAMMPS text dumps (`dump atom`, `dump custom`).

Source: LAMMPS manual, `dump` command. A frame is `ITEM: TIMESTEP`, `ITEM: NUMBER OF ATOMS`, `ITEM: BOX BOUNDS` with
the boundaries' flags and two numbers a dimension, and `ITEM: ATOMS` with the columns' names and a line a particle.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NoReturn

from glassliquid.trajectories.frames import Frame, FrameBuilder, Location, StepFilter
from glassliquid.trajectories.lammps import Header, check_boundaries, check_tilt, check_units, particles_of
from glassliquid.trajectories.readers import READERS, Reader
from glassliquid.trajectories.tables import Piece, parse_frames
from glassliquid.trajectories.text import TextFile

USUAL_LINES = 7
"""Behind the time step: the number of particles, the box and the columns."""


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
    builder = FrameBuilder(text.location)
    header = None
    while (header := _read_header(text, header)) is not None:
        yield from particles_of(text, builder, header, is_wanted)


def _read_header(text: TextFile, before: Header | None) -> Header | None:
    """A frame's lines before its particles; None at the end of the file.

    What is behind the time step is mostly that of the frame before, and then need not be understood again.
    """
    location = text.location
    behind, line = b"", 0
    location.frame += 1
    item = text.line_after_blanks()
    if item is None:
        return None
    step = particles = bounds = None
    while item is not None and not item.startswith("ITEM: ATOMS"):
        if item == "ITEM: TIMESTEP":
            step = text.number("the time step")
            behind, line = text.ahead(USUAL_LINES), location.line
            if behind and before is not None and behind == before.behind:
                text.skip(USUAL_LINES)
                return replace(before, step=location.step(step))
        elif item == "ITEM: NUMBER OF ATOMS":
            particles = text.number("the number of particles")
        elif item.startswith("ITEM: BOX BOUNDS"):
            bounds = _read_bounds(text, item.split()[3:])
        elif item == "ITEM: UNITS":
            check_units(location, text.line() or "")
        elif item == "ITEM: TIME":
            text.line()
        else:
            _refuse_item(location, item)
        item = text.line()
    if item is None:
        location.refuse("ends in the middle of a frame's header")
    if step is None:
        location.refuse("has no ITEM: TIMESTEP, so its time step is missing")
    if particles is None or bounds is None:
        location.refuse(f"has no ITEM: {'NUMBER OF ATOMS' if particles is None else 'BOX BOUNDS'}")
    is_usual = location.line == line + USUAL_LINES
    return Header(location.step(step), particles, bounds, item.split()[2:], behind if is_usual else None)


def _refuse_item(location: Location, item: str) -> NoReturn:
    if item.startswith("ITEM: "):
        location.refuse(
            f"has {item[:40]!r}, so it is a dump of something other than particles", remedy="take it out of the folder"
        )
    location.refuse(f"has {item[:40]!r} where a line that starts with ITEM: should be")


def _read_bounds(text: TextFile, flags: list[str]) -> list[tuple[float, float]]:
    location = text.location
    tilted = flags[:3] == ["xy", "xz", "yz"]
    flags = flags[3:] if tilted else flags
    check_boundaries(location, flags)
    bounds = []
    for _ in range(3):
        words = (text.line() or "").split()
        try:
            low, high, tilt = float(words[0]), float(words[1]), float(words[2]) if tilted else 0.0
        except (ValueError, IndexError) as error:
            location.refuse(f"has {' '.join(words)[:40]!r} where a bound of the box should be", error)
        check_tilt(location, tilt)
        bounds.append((low, high))
    return bounds
