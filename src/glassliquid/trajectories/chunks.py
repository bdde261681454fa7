"""Named arrays of a GSD file, whoever wrote it: what its header and its index say is checked before anything is read.

The GSD library takes both at their word. A damaged one makes it set aside as much memory as the file claims to hold, or read
where the file is not, which ends the process; here no array is larger than its part of the file. And it sets up a table of
57,557 names for every file that it opens, which takes as long as drawing an image. Source: the GSD specification, file layer,
versions 1 and 2.
"""

import stat
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAGIC = 0x65DF65DF65DF65DF
_HEADER = struct.Struct("<QQQQQII208x")
"""Magic number, place and entries of the index, place and entries of the names, versions of schema and GSD; texts."""
_ENTRY = np.dtype(
    [("frame", "<u8"), ("N", "<u8"), ("location", "<i8"), ("M", "<u4"), ("id", "<u2"), ("type", "u1"), ("flags", "u1")]
)
_TYPES = (None, "<u1", "<u2", "<u4", "<u8", "<i1", "<i2", "<i4", "<i8", "<f4", "<f8", "<u1")
"""numpy's names of the types by their codes; the last one is characters."""
NUMBERS, WHOLE, NATURAL, REAL = "iuf", "iu", "u", "f"
"""numpy's letters: any, whole, whole and not negative, with a fraction."""
_SIZES = np.array([np.dtype(each).itemsize if each else 0 for each in _TYPES])
_NAME_BYTES = 64
_VERSION_2 = 2 << 16
HEAD = 1 << 16
"""Bytes that are read when a file is opened; with that, a small one is in memory."""
LONGEST_INDEX = 1 << 26
"""Arrays in a file: 100,000 frames have two million."""

ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError, OverflowError)
"""What reading a damaged file raises."""
_REQUIRED = object()


class _Entry(NamedTuple):
    rows: int
    columns: int
    location: int
    type: int


class ChunkFile:
    """A GSD file to read from; a context manager."""

    def __init__(self, path: Path) -> None:
        """Open it and check its header and its index.

        Raises:
            OSError: it cannot be opened.
            ValueError: it is no GSD file, or a damaged one.
        """
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is no plain file")
        self._file = path.open("rb", buffering=0)
        try:
            self._head = self._file.read(HEAD)
            self._read_index(status.st_size)
        except BaseException:
            self._file.close()
            raise

    def _read_index(self, size: int) -> None:
        magic, *blocks, _, version = _HEADER.unpack(self._head[: _HEADER.size].ljust(_HEADER.size, b"\0"))
        if magic != MAGIC:
            raise ValueError("Not a GSD file")
        index_at, index_entries, names_at, names_entries = blocks
        for location, entries, width in (
            (index_at, index_entries, _ENTRY.itemsize),
            (names_at, names_entries, _NAME_BYTES),
        ):
            if location < _HEADER.size or not 0 < entries <= LONGEST_INDEX or location + entries * width > size:
                raise ValueError("Corrupt GSD file")
        self._index = _checked(np.frombuffer(self._part(index_at, index_entries * _ENTRY.itemsize), _ENTRY), size)
        self._ids = _name_ids(bytes(self._part(names_at, names_entries * _NAME_BYTES)), version)
        frames = self._index["frame"]
        self.nframes = int(frames[-1]) + 1 if len(frames) else 0
        """How many frames there are."""
        self._starts = np.searchsorted(frames, np.arange(self.nframes + 1, dtype=frames.dtype)).tolist()
        self._first = self._entries = self._of_frame(0)
        self._at = 0

    def names(self, prefix: str) -> list[str]:
        """Names of arrays that begin with a prefix."""
        return [name for name in self._ids if name.startswith(prefix)]

    def shape(self, frame: int, name: str) -> tuple[int, int] | None:
        """Rows and columns of an array; None if the frame itself has none of that name."""
        entry = self._entry(frame, name)
        return None if entry is None else (entry.rows, entry.columns)

    def read(
        self, frame: int, name: str, shape: tuple[int, ...], kinds: str = NUMBERS, default: Any = _REQUIRED
    ) -> NDArray[Any]:
        """An array of a frame; what a frame leaves out is that of the first.

        Args:
            frame: number of the frame.
            name: the array's name.
            shape: what it has to be; with one length only, it has one column.
            kinds: numpy's letters of the kinds of numbers that it may hold.
            default: stands for an array that the first frame has not either.

        Raises:
            KeyError: there is none.
            ValueError: it has another shape, or holds other numbers.
        """
        entry = self._entry(frame, name) or self._entry(0, name)
        if entry is None:
            if default is _REQUIRED:
                raise KeyError(f"it has no {name}")
            return np.full(shape, default)
        if (entry.rows, entry.columns) != (*shape, 1)[:2]:
            raise ValueError(
                f"{name} has the shape {entry.rows} x {entry.columns}, and {' x '.join(map(str, shape))} is expected"
            )
        dtype = np.dtype(_TYPES[entry.type])
        if dtype.kind not in kinds:
            raise ValueError(f"{name} holds {dtype.name} numbers")
        size = entry.rows * entry.columns * dtype.itemsize
        return np.frombuffer(self._part(entry.location, size), dtype).reshape(shape)

    def _part(self, start: int, size: int) -> bytes | memoryview:
        """So many bytes from a place in the file on, fewer if they are not there."""
        if start + size <= len(self._head):
            return memoryview(self._head)[start : start + size]
        self._file.seek(start)
        found = self._file.read(size)
        while len(found) < size and (more := self._file.read(size - len(found))):
            found += more  # one call to the system reads 2 GB at most
        return found

    def _entry(self, frame: int, name: str) -> "_Entry | None":
        """Where an array of a frame is; None if the frame itself has none of that name."""
        if frame not in (0, self._at):
            self._at, self._entries = frame, self._of_frame(frame)
        return (self._first if frame == 0 else self._entries).get(self._ids.get(name, -1))

    def _of_frame(self, frame: int) -> dict[int, "_Entry"]:
        if not 0 <= frame < self.nframes:
            return {}
        found = self._index[self._starts[frame] : self._starts[frame + 1]].tolist()
        return {number: _Entry(rows, columns, at, kind) for _, rows, at, columns, number, kind, _ in found}

    def __enter__(self) -> "ChunkFile":
        """Return the file."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close it."""
        self._file.close()


def _checked(index: NDArray[Any], size: int) -> NDArray[Any]:
    """The used part of an index, every entry of which lies within the file."""
    unused = np.flatnonzero(index["location"] == 0)
    used = index[: unused[0]] if len(unused) else index
    if (index["location"][len(used) :] != 0).any() or (used["type"] >= len(_SIZES)).any():
        raise ValueError("Corrupt GSD file")
    # In floating point: products of whole numbers could overflow and look small.
    ends = used["location"].astype(np.float64) + used["N"].astype(np.float64) * used["M"] * _SIZES[used["type"]]
    frames = used["frame"]
    inside = (used["location"] > 0).all() and (ends <= size).all()
    if not inside or (frames[1:] < frames[:-1]).any() or (frames > len(used)).any():
        raise ValueError("Corrupt GSD file")
    return used


def _name_ids(text: bytes, version: int) -> dict[str, int]:
    """Names of arrays to their numbers: one after the other in version 2, in fields of 64 bytes before."""
    if version < _VERSION_2:
        names = [text[at : at + _NAME_BYTES].partition(b"\0")[0] for at in range(0, len(text), _NAME_BYTES)]
    else:
        names = text.partition(b"\0\0")[0].split(b"\0")  # thousands of zeros may follow
    if b"" in names:
        names = names[: names.index(b"")]
    return {name.decode("utf-8", "replace"): number for number, name in enumerate(names)}
