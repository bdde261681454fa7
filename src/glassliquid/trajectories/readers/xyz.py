"""XYZ files with the time step in the comment, as LAMMPS's `dump xyz` writes them.

A frame is the number of particles, a comment such as `Atoms. Timestep: 1000`, and a line `type x y z` a particle. The
format has no box of its own: it is taken from `Lattice="..."` in the comment (extended XYZ) where that is given, and
otherwise from the number density of the mixture.
"""

import re
from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from glassliquid.physics.potential import box_length
from glassliquid.trajectories.frames import (
    Frame,
    FrameBuilder,
    Location,
    StepFilter,
    build_frame,
    parse_whole_number,
)
from glassliquid.trajectories.readers import READERS, Reader
from glassliquid.trajectories.tables import Parsed, Piece, parse_frames, read_pieces
from glassliquid.trajectories.text import TextFile

COLUMNS = (0, 1, 2, 3)
"""Type, x, y and z."""

_STEP = re.compile(r"\btimestep[:=]?\s*(\d+)", re.IGNORECASE)
_LATTICE = re.compile(r'\blattice\s*=\s*"([^"]*)"', re.IGNORECASE)


@READERS.register("xyz")
class XyzReader(Reader):
    """Reads XYZ files."""

    description = "XYZ with Timestep: in the comments"
    endings = (".xyz",)

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Whether its first line is a number of particles."""
        return head.split(b"\n")[0].strip().isdigit()

    @staticmethod
    def read(location: Location, is_wanted: StepFilter) -> Iterator[Frame]:
        """The wanted frames."""
        with TextFile(location) as text:
            yield from parse_frames(_tables(text, is_wanted))


def _tables(text: TextFile, is_wanted: StepFilter) -> Iterator[Piece]:
    location = text.location
    builder = FrameBuilder(location)
    while (first := text.line()) is not None:
        location.frame += 1
        count = parse_whole_number(first)
        if count is None:
            location.refuse(f"has {first[:40]!r} where the number of particles should be")
        comment = text.line() or ""
        found = _STEP.search(comment)
        if found is None:
            location.refuse(f"has no Timestep: in its comment {comment[:60]!r}, so its time step is missing")
        if (step := parse_whole_number(found[1])) is None:
            location.refuse(f"has the time step {found[1][:40]} in its comment")
        builder.begin(step, count)
        if is_wanted(step):
            lattice = _LATTICE.search(comment)
            length = None if lattice is None else builder.side(*_lattice_sides(location, lattice[1]))
            yield from read_pieces(text, COLUMNS, count, partial(_frame, step, length))
        else:
            text.skip(count)


def _frame(step: int, length: float | None, location: Location, columns: Parsed) -> Frame:
    types, x, y, z = columns
    positions = np.column_stack([x, y])
    return build_frame(location, step, types, positions, length or _side_by_density(location, positions), z=z)


def _lattice_sides(location: Location, text: str) -> tuple[float, float]:
    try:
        vectors = np.array([float(word) for word in text.split()]).reshape(3, 3)
    except ValueError as error:
        location.refuse(f"has a Lattice that is not nine numbers ({text[:60]!r})", error)
    if (vectors != np.diag(np.diag(vectors))).any():
        location.refuse("has a triclinic box, and only square ones can be drawn")
    return float(vectors[0, 0]), float(vectors[1, 1])


def _side_by_density(location: Location, positions: NDArray[np.float64]) -> float:
    """The side that N particles have at the mixture's density, if the positions agree with it."""
    length = box_length(len(positions))
    extent = float(np.ptp(positions, axis=0).max()) if np.isfinite(positions).all() else 0.0
    # A box that is full has no gap of several particles at its edges.
    if not length - 3 < extent < length * 1.001:
        location.refuse(
            f"has no box, and its positions extend over {extent:.4g} where a box of density 1.2 has a side of {length:.4g}: add "
            'Lattice="..." to the comments, or use a dump'
        )
    return length
