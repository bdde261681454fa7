"""Frames of other people's trajectories, one at a time: LAMMPS text dumps, XYZ files and GSD files.

Whatever the format, a frame comes out as a time step and a configuration in our own convention: species A first, then B,
each in the order of the particles' ids; positions from the middle of the box. A file is read from its beginning to its end
and never held as a whole.
"""

import gzip
import io
import itertools
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from glassliquid.errors import UserError, listed
from glassliquid.files import is_plain
from glassliquid.simulation.protocol import LARGEST_PARTICLES
from glassliquid.simulation.trajectory import DENSEST, LONGEST_SIDE, SHORTEST_SIDE

LONGEST_LINE = 10_000
"""Characters of a header's line; a longer one is taken for damage, before it fills the memory."""
LONGEST_RUN = 1 << 20
"""Characters without an end of a line, anywhere in a file; more are taken for damage, before they fill the memory."""
_BUFFER = 1 << 16

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

    def refuse(self, what: str, error: Exception | None = None) -> NoReturn:
        """Raise UserError: which file, frame and line, and what is wrong there."""
        where = [f"frame {self.frame}"] if self.frame else []
        where += [f"line {self.line}"] if self.line else []
        raise UserError(
            f"{self.path}{f' ({listed(where)})' if where else ''} {what}: repair the file or take its simulation out of the "
            "folder, then run the same command again."
        ) from error


class _Bounded(io.RawIOBase):
    """Bytes of a file, in which the ends of lines must not be too far apart: a reader of lines holds a whole one.

    A few kilobytes of a compressed file can become a line of gigabytes.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._run = file, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = self._file.read(len(buffer))
        end = found.rfind(b"\n")
        self._run = self._run + len(found) if end < 0 else len(found) - end
        if self._run > LONGEST_RUN:
            raise OSError(f"it has a line of more than {LONGEST_RUN:,} characters")
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        self._file.close()
        super().close()


class Text:
    """A text file, compressed or not, read line by line; knows where it is."""

    def __init__(self, place: Place) -> None:
        """Open the file that `place` names.

        Raises:
            UserError: it does not end with the end of a line, so that its last number may be half a number.
        """
        self.place, path = place, place.path
        raw: IO[bytes]
        if path.suffix == ".gz":
            raw = cast(IO[bytes], gzip.GzipFile(path))
        else:
            raw = path.open("rb", buffering=0)
            if raw.seek(0, io.SEEK_END):
                raw.seek(-1, io.SEEK_END)
                if raw.read(1) != b"\n":
                    raw.close()
                    self.place.refuse("ends in the middle of a line")
            raw.seek(0)
        # Buffered, lines come out twice as fast.
        self.file = io.BufferedReader(_Bounded(raw), _BUFFER)

    def line(self) -> str | None:
        """The next line without its end; None after the last."""
        found = self.file.readline(LONGEST_LINE)
        if not found:
            return None
        self.place.line += 1
        if not found.endswith(b"\n"):
            self.place.refuse("ends in the middle of a line or has a line of more than 10,000 characters")
        return found.decode("ascii", "replace").strip()

    def number(self, what: str) -> int:
        """The next line, which has to be a whole number."""
        text = self.line()
        number = whole_number(text or "")
        if number is None:
            self.place.refuse(f"has {(text or '')[:40]!r} where {what} should be")
        return number

    def skip(self, lines: int) -> None:
        """Skip lines that nobody needs."""
        skipped = 0
        for _ in zip(range(lines), self.file, strict=False):
            skipped += 1
        self.place.line += skipped
        if skipped < lines:
            self.place.refuse(f"ends after {skipped} of the frame's {lines} lines")

    def table(self, rows: int, columns: list[int], dtype: Any = np.float64) -> NDArray[Any]:
        """The next `rows` lines as numbers, chosen columns.

        numpy's own reader: see docs/IMPORT.md for what others take, and what they do not tell.
        """
        lines = itertools.islice(self.file, rows)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that there are no lines at all: counted below
                found: NDArray[Any] = np.loadtxt(
                    lines, dtype, comments=None, usecols=columns, ndmin=2 if dtype is np.float64 else 1
                )
        except ValueError as error:
            self.place.line += _row_of(error)
            self.place.refuse(f"cannot be read ({_without_row(error)})", error)
        self.place.line += len(found)
        if len(found) < rows:
            self.place.refuse(f"ends after {len(found)} of the frame's {rows} lines")
        return found

    def __enter__(self) -> "Text":
        """Return the file."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close it."""
        self.file.close()


def whole_number(text: str) -> int | None:
    """A whole number; None if it is none, or has more digits than any here."""
    digits = text.removeprefix("-")
    return int(text) if digits.isdecimal() and len(digits) <= MOST_DIGITS else None


def _row_of(error: ValueError) -> int:
    """The row, counted from 1, that numpy's reader complains of; it counts some from 0."""
    found = re.search(r"at row (\d+)", str(error))
    return int(found[1]) + ("convert" in str(error)) if found else 1


def _without_row(error: ValueError) -> str:
    return re.sub(
        r"^invalid column index \d+ at row \d+ with", "there are only", re.sub(r" at row \d+, ", " in ", str(error))
    ).rstrip(".")


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


def read_frames(path: Path, wanted: Wanted) -> Iterator[Frame]:
    """The wanted frames of a file, in its order; the format follows from its name.

    Raises:
        UserError: the file is damaged or holds another kind of system; the message names frame and line.
    """
    from glassliquid.simulation import dump, gsd_frames, xyz

    readers = {".xyz": xyz.read, ".gsd": gsd_frames.read}
    read = readers.get(format_of(path) or "", dump.read)
    place = Place(path)
    if path.exists() and not is_plain(path):
        place.refuse("is no plain file")
    try:
        yield from read(place, wanted)
    except (OSError, EOFError, gzip.zlib.error) as error:  # type: ignore[attr-defined]
        if isinstance(error, FileNotFoundError):
            place.refuse("is missing", error)
        place.refuse(f"cannot be read ({error})", error)


def format_of(path: Path) -> str | None:
    """`.gsd`, `.atom` (for all LAMMPS dumps) or `.xyz`; None if it is no trajectory."""
    name = path.name.lower()
    plain = name.removesuffix(".gz")
    if name.endswith(".gsd"):
        return ".gsd"
    if plain.endswith((".atom", ".dump", ".lammpstrj")):
        return ".atom"
    return ".xyz" if plain.endswith(".xyz") else None
