"""A frame of another program's trajectory: what the readers of all formats make of what they find, and what they refuse.

Whatever the format, a frame comes out as a time step and a configuration in our own convention: species A first, then B,
each in the order of the particles' ids; positions from the middle of the box.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
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

UNTILTED = 1e-9
"""A box is square if its tilts are less, which arithmetic leaves behind."""

SKIN = 0.5
"""How far a particle may be outside of the box [sigma_AA]: LAMMPS wraps when it rebuilds its neighbour lists."""

COUNT = "pass count_frames=true if its frames are evenly spaced from the start of the cooling to its end"
REPAIR = "repair the file or take its simulation out of the folder"

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?")

StepFilter = Callable[[int], bool]
"""Says by its time step whether a frame is wanted; others are skipped, which is ten times as fast."""


@dataclass(frozen=True, kw_only=True)
class Hints:
    """What the user says of files that do not say it themselves."""

    density: float | None = None
    """Number density [1 / sigma_AA^2], for files without a box."""
    sigma: float | None = None
    """sigma_AA in the files' unit of length; None: they are in units of it, as far as they tell."""
    unterminated: bool = False
    """Whether a last line without its end is whole."""
    count_frames: bool = False
    """Whether frames are counted from 0, whatever time steps the file tells."""
    arrays: tuple[tuple[str, str], ...] = ()
    """Names of the arrays of a file that holds nothing but arrays: pairs of what it is and what the file calls it."""


@dataclass(frozen=True)
class Frame:
    """One frame of a trajectory."""

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
    location: "Location"
    """Where it was read."""
    largest_id: int = 0
    """Of the particles' ids; 0 if they have none."""
    told: NDArray[np.floating] | None = None
    """Coordinates before wrapping, in the file's order, shape (N, 2); None if the file declares them as unwrapped."""


class Location:
    """Where in a file a reader is, for error messages, and what it is told about the file."""

    def __init__(self, path: Path, hints: Hints | None = None) -> None:
        """Start before the first frame."""
        self.path, self.frame, self.line = path, 0, 0
        self.hints = hints or Hints()

    def copy(self) -> "Location":
        """This location, which stays when the reader continues."""
        other = Location(self.path, self.hints)
        other.frame, other.line = self.frame, self.line
        return other

    def step(self, told: int) -> int:
        """The time step of the frame where it is: what the file tells, or its place in the file if frames are counted."""
        return self.frame - 1 if self.hints.count_frames else told

    def refuse(self, what: str, error: Exception | None = None, remedy: str = REPAIR) -> NoReturn:
        """Raise UserError: which file, frame and line, what is wrong there, and what to do."""
        where = [f"frame {self.frame}"] if self.frame else []
        where += [f"line {self.line}"] if self.line else []
        raise UserError(
            f"{self.path}{f' ({listed(where)})' if where else ''} {what}: {remedy}, then run the command again."
        ) from error


class FrameBuilder:
    """Makes the frames of one file, and checks each against those before it."""

    def __init__(self, location: Location) -> None:
        """Begin before the first frame of the file."""
        self._location = location
        self._particles: int | None = None
        self._length: float | None = None

    def begin(self, particles: int) -> None:
        """Refuse a frame that has another number of particles than those before it."""
        if not 0 < particles <= LARGEST_PARTICLES:
            self._location.refuse(f"has {particles} particles")
        if self._particles not in (None, particles):
            self._location.refuse(f"has {particles} particles where the first frame has {self._particles}")
        self._particles = particles

    def side(self, x: float, y: float) -> float:
        """The side of a box of these lengths, which has to be a square, and that of the first frame."""
        if not (min(x, y) >= SHORTEST_SIDE and max(x, y) <= LONGEST_SIDE):
            self._location.refuse(f"has a box of {x:g} x {y:g}")
        if abs(x - y) > SAME_LENGTH * max(x, y):
            self._location.refuse(f"has a box of {x:g} x {y:g}, but only square boxes can be drawn")
        if self._length is not None and abs(x - self._length) > SAME_LENGTH * self._length:
            self._location.refuse(f"has a box of side {x:g} where the first frame has {self._length:g}")
        self._length = self._length or x
        return x


def build_frame(
    location: Location,
    step: int,
    names: NDArray[Any],
    positions: NDArray[np.floating],
    length: float,
    z: NDArray[np.floating] | None = None,
    ids: NDArray[Any] | None = None,
    sizes: NDArray[np.floating] | None = None,
    is_unwrapped: bool = False,
) -> Frame:
    """Check a frame's particles and bring them into our order and into the box.

    Args:
        location: where the frame is, for error messages.
        step: its time step.
        names: what the file calls each particle's type, bytes, shape (N,).
        positions: coordinates from the middle of the box, not yet wrapped, shape (N, 2).
        length: side of the box.
        z: the third coordinates, shape (N,); None if the file has none.
        ids: numbers of the particles, shape (N,); None if their order is all there is.
        sizes: radii or diameters, shape (N,); they tell which species is the large one, where they differ.
        is_unwrapped: whether the file says that particles which have left the box are not wrapped into it.
    """
    if (sigma := location.hints.sigma) is not None:
        positions, length, z = positions / sigma, length / sigma, None if z is None else z / sigma
    # A coordinate that is no number fails this as well.
    if z is not None and not np.ptp(z) <= FLAT * length:
        location.refuse(f"is three-dimensional: z runs from {z.min():g} to {z.max():g}")
    if len(names) > DENSEST * length**2:
        location.refuse(
            f"has {len(names)} particles in a box of side {length:g}, but lengths must be in units of sigma_AA"
        )
    if not np.isfinite(positions).all():
        location.refuse("has a coordinate that is not a finite number")
    # One letter is compared as a number, in a third of the time.
    codes = names.view(np.uint8) if names.dtype.itemsize == 1 else names
    is_first = codes == codes[0]
    other = int(is_first.argmin())  # the first place of another type, or 0
    species = [names[0], names[other]] if other else [names[0]]
    if np.count_nonzero(is_first) + (np.count_nonzero(codes == codes[other]) if other else 0) < len(names):
        found = sorted(set(names.tolist()), key=_rank)
        location.refuse(
            f"has {len(found)} particle types ({listed(map(_decoded, found[:5]))}), but the mixture has two"
        )
    if len(species) == 2 and _rank(species[1]) < _rank(species[0]):
        species.reverse()
        is_first = ~is_first
    if len(species) == 2 and sizes is not None and _second_is_larger(location, sizes[is_first], sizes[~is_first]):
        species.reverse()
        is_first = ~is_first
    order = np.arange(len(names)) if ids is None else _order(location, ids)
    in_order, count_first = is_first.take(order), np.count_nonzero(is_first)
    if not in_order[:count_first].all():
        order = np.concatenate([order.compress(in_order), order.compress(~in_order)])
    told = None if is_unwrapped else positions
    positions = positions.take(order, axis=0)  # a third of the time of positions[order]
    positions -= length * np.floor(positions / length + 0.5)
    # So far from the box, a coordinate has no digits left that would tell its place in it.
    if np.abs(positions).max() > (0.5 + SAME_LENGTH) * length:
        location.refuse("has a coordinate that is too far from the box")
    types = np.zeros(len(names), dtype=np.uint32)
    types[count_first:] = 1
    places: NDArray[np.float64] = positions.astype(np.float64, copy=False)
    largest_id = 0 if ids is None else int(ids.max())
    return Frame(step, tuple(map(_decoded, species)), types, places, length, location, largest_id, told)


def side_by_density(location: Location, positions: NDArray[np.floating]) -> float:
    """The side that N particles have at the given density, if the positions agree with it [the file's unit of length]."""
    density, sigma = location.hints.density, location.hints.sigma or 1.0
    extent = float(np.ptp(positions, axis=0).max()) / sigma if np.isfinite(positions).all() else 0.0
    if density is None:
        location.refuse(
            "has no box",
            remedy="pass the number of particles per sigma_AA^2 as density (this project's mixture has 1.2)",
        )
    length = float(np.sqrt(len(positions) / density))
    # A box that is full has no gap of several particles at its edges.
    if not length - 3 < extent < length + 2 * SKIN:
        location.refuse(
            f"has no box, and its positions extend over {extent:.4g} where a box of density {density:g} has a side of {length:.4g}",
            remedy="check density, or use a format with a box",
        )
    return length * sigma


def parse_whole_number(text: str) -> int | None:
    """A whole number, also one that is written 5000.0 or 1e+06; None if it is none, or has more digits than any here."""
    if len(text) <= MOST_DIGITS and text.isascii() and text.isdigit():
        return int(text)
    if len(text) > 2 * MOST_DIGITS or not _NUMBER.fullmatch(text):
        return None
    number = Decimal(text)
    return int(number) if number.adjusted() < MOST_DIGITS and number == number.to_integral_value() else None


def _second_is_larger(location: Location, first: NDArray[np.floating], second: NDArray[np.floating]) -> bool:
    """Whether the sizes of the particles say that the second species is the large one."""
    if not (second.min() > first.max() or first.min() >= second.max()):
        location.refuse(
            f"has sizes of {first.min():g} to {first.max():g} in one species and {second.min():g} to {second.max():g} in the other, "
            "so they do not tell which species is large (leave the column out, or see which columns are meant)"
        )
    return bool(second.min() > first.max())


def _order(location: Location, ids: NDArray[Any]) -> NDArray[np.intp]:
    """The places of the particles in the order of their ids."""
    # Mostly they are 1 to N, and then putting each into its place is several times as fast as sorting.
    if ids.min() == 1 and ids.max() == len(ids):  # neither is so if one is no number
        places = ids.astype(np.intp)
        order = np.full(len(ids) + 1, -1)
        order[places] = np.arange(len(ids))
        if order[1:].min() >= 0 and (places == ids).all():
            return order[1:]
    if not (np.abs(ids) < 2**53).all() or (ids != np.floor(ids)).any():
        location.refuse("has a particle whose id is not a whole number")
    order = np.argsort(ids, kind="stable")
    if (np.diff(ids[order]) == 0).any():
        location.refuse("has two particles of the same id")
    return order


def _rank(name: bytes) -> tuple[bool, float, bytes]:
    """Sorts names of types: numbers by their value, then words by the alphabet."""
    return (False, float(name), name) if name.isdigit() else (True, 0.0, name)


def _decoded(name: bytes) -> str:
    return name.decode("utf-8", "replace")
