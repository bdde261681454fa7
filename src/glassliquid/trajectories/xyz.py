"""XYZ files with the time step in the comment, as LAMMPS's `dump xyz` writes them.

A frame is the number of particles, a comment such as `Atoms. Timestep: 1000`, and a line `type x y z` a particle. The
format has no box of its own: it is taken from `Lattice="..."` in the comment (extended XYZ) where that is given, and
otherwise from the number density of the mixture.
"""

import re
from collections.abc import Iterator
from functools import partial

import numpy as np

from glassliquid.physics.potential import box_length
from glassliquid.trajectories.frames import (
    Frame,
    Place,
    Wanted,
    arrange,
    check_flat,
    check_next,
    parse_whole_number,
    square_side,
)
from glassliquid.trajectories.tables import Columns, Parsed, Unfinished, finish
from glassliquid.trajectories.text import Text

COLUMNS = Columns((0, 1, 2, 3), named=True)
"""Type, x, y and z."""

_STEP = re.compile(r"\btimestep[:=]?\s*(\d+)", re.IGNORECASE)
_LATTICE = re.compile(r'\blattice\s*=\s*"([^"]*)"', re.IGNORECASE)


def read(place: Place, wanted: Wanted) -> Iterator[Frame]:
    """The wanted frames of an XYZ file; see `readers.read_frames`."""
    with Text(place) as text:
        yield from finish(_unfinished(text, wanted))


def _unfinished(text: Text, wanted: Wanted) -> Iterator[Unfinished]:
    place = text.place
    last: int | None = None
    particles: int | None = None
    while (first := text.line()) is not None:
        place.frame += 1
        count = parse_whole_number(first)
        if count is None:
            place.refuse(f"has {first[:40]!r} where the number of particles should be")
        comment = text.line() or ""
        found = _STEP.search(comment)
        if found is None:
            place.refuse(f"has no Timestep: in its comment {comment[:60]!r}, so its time step is missing")
        if (step := parse_whole_number(found[1])) is None:
            place.refuse(f"has the time step {found[1][:40]} in its comment")
        check_next(place, step, last, count, particles)
        last, particles = step, count
        if wanted(step):
            table = text.table(particles, COLUMNS)
            yield table, partial(_complete, table.place, step, comment)
        else:
            text.skip(particles)


def _complete(place: Place, step: int, comment: str, columns: Parsed) -> Frame:
    names, x, y, z = columns
    positions = np.column_stack([x, y])
    lattice = _LATTICE.search(comment)
    length = _lattice_side(place, lattice[1]) if lattice else _side_by_density(place, positions)
    check_flat(place, z, length)
    return arrange(place, step, names, None, positions, length)


def _lattice_side(place: Place, text: str) -> float:
    try:
        vectors = np.array([float(word) for word in text.split()]).reshape(3, 3)
    except ValueError as error:
        place.refuse(f"has a Lattice that is not nine numbers ({text[:60]!r})", error)
    if (vectors != np.diag(np.diag(vectors))).any():
        place.refuse("has a triclinic box, and only square ones can be drawn")
    return square_side(place, (float(vectors[0, 0]), float(vectors[1, 1])))


def _side_by_density(place: Place, positions: np.ndarray) -> float:
    """The side that N particles have at the mixture's density, if the positions agree with it."""
    length = box_length(len(positions))
    extent = float(np.ptp(positions, axis=0).max()) if np.isfinite(positions).all() else 0.0
    # A box that is full has no gap of several particles at its edges.
    if not length - 3 < extent < length * 1.001:
        place.refuse(
            f"has no box, and its positions extend over {extent:.4g} where a box of density 1.2 has a side of {length:.4g}: add "
            'Lattice="..." to the comments, or use a dump'
        )
    return length
