"""A frame of somebody's trajectory: what the readers of all formats make of what they find, and what they refuse.

Whatever the format, a frame comes out as a time step and a configuration in our own convention: species A first, then B,
each in the order of the particles' ids; positions from the middle of the box.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from glassliquid.errors import UserError, listed
from glassliquid.physics.protocol import LARGEST_PARTICLES
from glassliquid.trajectories.trajectory import DENSEST, LONGEST_SIDE, SHORTEST_SIDE

MOST_DIGITS = 18
"""Of a whole number; every longer one is taken for damage."""

FLAT = 1e-3
"""A system is two-dimensional if its z coordinates spread over less than this fraction of the box's side."""

SAME_LENGTH = 1e-5
"""Lengths that differ by less than this fraction are equal: files have them with six digits or more."""


@dataclass(frozen=True)
class Frame:
    """One frame of somebody's trajectory."""

    step: int
    """Time step."""
    species: tuple[str, ...]
    """The file's names of A and of B, or of A alone."""
    types: NDArray[np.uint32]
    """0 for A, 1 for B, ascending, shape (N,)."""
    positions: NDArray[np.float64]
    """Coordinates in [-L/2, L/2), shape (N, 2)."""
    length: float
    """Side of the square box L."""


Wanted = Callable[[int], bool]
"""Tells by its time step whether a frame is needed; others are skipped, which is ten times as fast."""


class Place:
    """Where in a file the reader is, for its complaints."""

    def __init__(self, path: Path) -> None:
        """Start before the first frame."""
        self.path, self.frame, self.line = path, 0, 0

    def copy(self) -> "Place":
        """This place, which stays when the reader goes on."""
        return copy.copy(self)

    def refuse(self, what: str, error: Exception | None = None) -> NoReturn:
        """Raise UserError: which file, frame and line, and what is wrong there."""
        where = [f"frame {self.frame}"] if self.frame else []
        where += [f"line {self.line}"] if self.line else []
        raise UserError(
            f"{self.path}{f' ({listed(where)})' if where else ''} {what}: repair the file or take its simulation out of the "
            "folder, then run the same command again."
        ) from error


def parse_whole_number(text: str) -> int | None:
    """A whole number; None if it is none, or has more digits than any here."""
    digits = text.removeprefix("-")
    return int(text) if digits.isdecimal() and len(digits) <= MOST_DIGITS else None


def arrange(
    place: Place,
    step: int,
    names: NDArray[Any],
    ids: NDArray[Any] | None,
    positions: NDArray[np.floating],
    length: float,
) -> Frame:
    """Bring a frame's particles into our order and into the box.

    Args:
        place: where the frame is, for complaints.
        step: its time step.
        names: what the file calls each particle's type, numbers or words, shape (N,).
        ids: what it calls each particle; None if its order is all there is.
        positions: coordinates from the middle of the box, not yet wrapped, shape (N, 2).
        length: side of the box.
    """
    if len(names) > DENSEST * length**2:
        place.refuse(f"has {len(names)} particles in a box of side {length:g}, and lengths are in units of sigma_AA")
    if not np.isfinite(positions).all():
        place.refuse("has a coordinate that is not a finite number")
    is_first = names == names[0]
    species = [names[0], *names[~is_first][:1]]
    if len(species) == 2 and not np.array_equal(names == species[1], ~is_first):
        found = np.unique(names)
        place.refuse(f"has {len(found)} particle types ({listed(map(_called, found[:5]))}), and the mixture has two")
    if len(species) == 2 and species[1] < species[0]:
        species.reverse()
        is_first = ~is_first
    by_id = np.arange(len(names)) if ids is None else _order(place, ids)
    in_order = is_first.take(by_id)
    order = np.concatenate([by_id.compress(in_order), by_id.compress(~in_order)])
    positions = positions.take(order, axis=0)  # a third of the time of positions[order]
    positions -= length * np.floor(positions / length + 0.5)
    # So far from the box, a coordinate has no digits left that would tell its place in it.
    if np.abs(positions).max() > (0.5 + SAME_LENGTH) * length:
        place.refuse("has a coordinate that is too far from the box")
    types = np.zeros(len(names), dtype=np.uint32)
    types[np.count_nonzero(is_first) :] = 1
    return Frame(step, tuple(map(_called, species)), types, positions.astype(np.float64, copy=False), length)


def _order(place: Place, ids: NDArray[Any]) -> NDArray[np.intp]:
    """The places of the particles in the order of their ids."""
    if not (np.abs(ids) < 2**53).all() or (ids % 1).any():
        place.refuse("has a particle whose id is not a whole number")
    places = ids.astype(np.intp) - 1
    # Mostly they are 1 to N, and then putting each into its place is five times as fast as sorting.
    if places.min() == 0 and places.max() == len(ids) - 1 and (np.bincount(places) == 1).all():
        order = np.empty(len(ids), dtype=np.intp)
        order[places] = np.arange(len(ids))
        return order
    order = np.argsort(ids, kind="stable")
    if (np.diff(ids[order]) == 0).any():
        place.refuse("has two particles of the same id")
    return order


def _called(name: Any) -> str:
    """A type as the file has it: a number without decimals, or a word."""
    return (
        name.decode("ascii", "replace")
        if isinstance(name, bytes)
        else f"{name:g}"
        if isinstance(name, float)
        else str(name)
    )


def check_next(place: Place, step: int, last: int | None, particles: int, first_particles: int | None) -> None:
    """Refuse a frame whose time step does not come after the last one's, or that has another number of particles."""
    if last is not None and step <= last:
        place.refuse(f"has time step {step} after {last}, and time steps must increase")
    if not 0 < particles <= LARGEST_PARTICLES:
        place.refuse(f"has {particles} particles")
    if first_particles is not None and particles != first_particles:
        place.refuse(f"has {particles} particles where the first frame has {first_particles}")


def square_side(place: Place, sides: tuple[float, float]) -> float:
    """The side of the box, which has to be a square."""
    if not (min(sides) >= SHORTEST_SIDE and max(sides) <= LONGEST_SIDE):
        place.refuse(f"has a box of {sides[0]:g} x {sides[1]:g}")
    if abs(sides[0] - sides[1]) > SAME_LENGTH * max(sides):
        place.refuse(f"has a box of {sides[0]:g} x {sides[1]:g}, and only square boxes can be drawn")
    return sides[0]


def check_flat(place: Place, z: NDArray[np.floating], length: float) -> None:
    """Refuse a three-dimensional system, whose projection would be neither liquid nor glass."""
    if not np.ptp(z) <= FLAT * length:  # a coordinate that is no number makes this false as well
        place.refuse(f"is three-dimensional: z runs from {z.min():g} to {z.max():g}")
