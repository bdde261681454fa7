"""Readers of other programs' trajectories: one module a format, which registers a `Reader` under the module's name.

A file is read from its beginning to its end and never held as a whole. What its first bytes say decides who reads it.
"""

import abc
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from glassliquid.errors import listed
from glassliquid.files import is_plain
from glassliquid.registry import Registry
from glassliquid.trajectories.frames import Frame, Location, StepFilter
from glassliquid.trajectories.text import open_unpacked

HEAD = 1 << 12
"""First bytes of a file, unpacked, by which its format is recognised."""


class Reader(abc.ABC):
    """How files of one format are found, recognised and read."""

    description: ClassVar[str]
    """What the format is called, for error messages."""
    endings: ClassVar[tuple[str, ...]]
    """Ends of file names, without `.gz`: by them such files are found in a folder."""

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


def read_frames(path: Path, is_wanted: StepFilter) -> Iterator[Frame]:
    """The wanted frames of a file, in its order.

    Raises:
        UserError: the file is of no known format, damaged, or holds another kind of system; the message names frame and line.
    """
    location = Location(path)
    if path.exists() and not is_plain(path):
        location.refuse("is no plain file")
    try:
        yield from _reader(location).read(location, is_wanted)
    except FileNotFoundError as error:
        location.refuse("is missing", error)
    except (OSError, EOFError, zlib.error) as error:
        location.refuse(f"cannot be read ({error})", error)


def format_of(path: Path, endings: Mapping[str, str] | None = None) -> str | None:
    """The name of the format that a file's ending promises; None if it is that of no trajectory.

    Args:
        path: the file.
        endings: what `known_endings` gives, for those who ask for many files.
    """
    ending = Path(path.name.lower().removesuffix(".gz")).suffix
    return (known_endings() if endings is None else endings).get(ending)


def known_endings() -> dict[str, str]:
    """Formats by the endings of their files' names."""
    return {ending: name for name in READERS for ending in READERS.get(name).endings}


def _reader(location: Location) -> type[Reader]:
    """The reader that recognises a file; where several do, that of its ending is preferred."""
    with open_unpacked(location.path) as file:
        head = file.read(HEAD)
    expected = format_of(location.path)
    readers = [READERS.get(name) for name in sorted(READERS, key=lambda name: name != expected)]
    found = next((reader for reader in readers if reader.recognises(head)), None)
    if found is None:
        line = head.split(b"\n")[0][:40].decode("ascii", "replace")
        formats = listed(f"{name} ({READERS.get(name).description})" for name in READERS)
        location.refuse(f"{f'begins with {line!r}' if head else 'is empty'}, and these formats are read: {formats}")
    return found
