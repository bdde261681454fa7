"""Readers of other programs' trajectories: one module a format, which registers a `Reader` under the module's name.

A file is read from its beginning to its end and never held as a whole. What its first bytes say decides who reads it.
"""

import abc
import itertools
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from glassliquid.errors import UserError, listed
from glassliquid.files import is_plain
from glassliquid.numbering import PACKED
from glassliquid.registry import Registry
from glassliquid.trajectories.frames import Frame, Hints, Location, StepFilter
from glassliquid.trajectories.text import BYTE_ORDER_MARK, open_unpacked

HEAD = 1 << 12
"""First bytes of a file, unpacked, by which its format is recognised."""

COMPARED, SAME_PLACE = 16, 1e-3
"""Particles by which two frames of one time step are compared, and how far apart they may be [sigma_AA]."""

REMEMBERED = 1_000
"""Frames that are known when their time step comes again; there are 201 indices."""


class Reader(abc.ABC):
    """How files of one format are found, recognised and read."""

    description: ClassVar[str]
    """What the format is called, for error messages."""
    endings: ClassVar[tuple[str, ...]]
    """Ends of file names, without `.gz` and the like; files with other endings are found by their first bytes."""
    holds_anything: ClassVar[bool] = False
    """Whether files of this format may as well hold something else, so that others beside them are preferred."""

    @staticmethod
    @abc.abstractmethod
    def recognises(head: bytes) -> bool:
        """Whether a file is of the format that begins, unpacked, with these bytes."""

    @staticmethod
    @abc.abstractmethod
    def read(location: Location, is_wanted: StepFilter) -> Iterator[Frame]:
        """The wanted frames of the file at a location, which goes along with the reading.

        Raises:
            UserError: the file is damaged or holds another kind of system; raised by `location.refuse`.
            OSError, EOFError, zlib.error: it cannot be read or unpacked.
        """


READERS: Registry[type[Reader]] = Registry("format", __name__)


def read_frames(paths: Iterable[Path], is_wanted: StepFilter, hints: Hints | None = None) -> Iterator[Frame]:
    """The wanted frames of one simulation's files, in their order.

    A time step that is there again, as a restart writes it, is passed over.

    Raises:
        UserError: a file is of no known format, damaged, or holds another kind of system; the message names frame and line.
    """
    seen: dict[int, NDArray[np.float64]] = {}
    for frame in itertools.chain.from_iterable(_frames(Location(path, hints), is_wanted) for path in paths):
        step = frame.step
        few = frame.positions[:: len(frame.types) // COMPARED + 1]
        if step in seen:
            if np.abs(np.sin(np.pi / frame.length * (few - seen[step]))).max() > np.pi / frame.length * SAME_PLACE:
                frame.location.refuse(f"has time step {step} a second time, with other positions")
            continue
        if seen and step < (last := next(reversed(seen))):
            frame.location.refuse(f"has time step {step} after {last}, but time steps must increase")
        seen[step] = few.copy()
        if len(seen) > REMEMBERED:
            del seen[next(iter(seen))]
        yield frame


def first_step_of(path: Path) -> int | None:
    """The time step of a file's first frame; None if it has none that can be read."""

    def stop(step: int) -> bool:
        raise _FirstStepError(step)

    try:
        next(_frames(Location(path, Hints(unterminated=True, sigma=1.0)), stop), None)
    except _FirstStepError as found:
        step: int = found.args[0]
        return step
    except UserError:
        pass
    return None


class _FirstStepError(Exception):
    """Ends the reading at the first frame."""


def _frames(location: Location, is_wanted: StepFilter) -> Iterator[Frame]:
    path = location.path
    if path.exists() and not is_plain(path):
        location.refuse("is not a regular file")
    try:
        yield from _reader(location).read(location, is_wanted)
    except FileNotFoundError as error:
        location.refuse("is missing", error)
    except (OSError, EOFError, zlib.error) as error:
        location.refuse(f"cannot be read ({error})", error)


def format_of(path: Path) -> str | None:
    """The name of the format of a file, by its ending, or else by its first bytes; None if it is no trajectory."""
    if (promised := _promised(path)) is not None or not is_plain(path):
        return promised
    try:
        head = _head(path)
    except (OSError, EOFError, zlib.error):
        return None
    return next((name for name in READERS if READERS.get(name).recognises(_without_blanks(head))), None)


def description_of(path: Path) -> str:
    """What the format of a file is called, by its first bytes; UserError if it has none that is read."""
    return _reader(Location(path)).description


def _promised(path: Path) -> str | None:
    """The name of the format that a file's ending promises."""
    name = path.name.lower()
    for ending in PACKED:
        name = name.removesuffix(ending)
    ending = Path(name).suffix
    return next((name for name in READERS if ending in READERS.get(name).endings), None)


def _head(path: Path) -> bytes:
    with open_unpacked(path) as file:
        return bytes(file.read(HEAD))


def _without_blanks(head: bytes) -> bytes:
    """The first bytes from the first letter on: blank lines and the mark of an editor say nothing."""
    return head.removeprefix(BYTE_ORDER_MARK).lstrip()


def _reader(location: Location) -> type[Reader]:
    """The reader that recognises a file; where several do, that of its ending is preferred."""
    head, expected = _head(location.path), _promised(location.path)
    readers = [READERS.get(name) for name in sorted(READERS, key=lambda name: name != expected)]
    found = next((reader for reader in readers if reader.recognises(_without_blanks(head))), None)
    if found is None:
        line = head.split(b"\n")[0][:40].decode("ascii", "replace")
        formats = listed(f"{name} ({READERS.get(name).description})" for name in READERS)
        location.refuse(f"{f'begins with {line!r}' if head else 'is empty'}, and these formats are read: {formats}")
    return found
