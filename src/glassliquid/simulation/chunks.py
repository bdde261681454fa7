"""Named arrays of a GSD file, whoever wrote it: what its header and its index say is checked before anything is read.

The library takes both at their word. A damaged one makes it set aside as much memory as the file claims to hold, or read
where the file is not, which ends the process; so the index is read here first, and no array is larger than its part of the
file. Source: the GSD specification, file layer, versions 1 and 2.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glassliquid.files import is_plain

MAGIC = 0x65DF65DF65DF65DF
_HEADER = np.dtype(
    [
        ("magic", "<u8"),
        ("index_location", "<u8"),
        ("index_entries", "<u8"),
        ("names_location", "<u8"),
        ("names_entries", "<u8"),
        ("schema_version", "<u4"),
        ("gsd_version", "<u4"),
        ("texts", "V208"),
    ]
)
_ENTRY = np.dtype(
    [("frame", "<u8"), ("N", "<u8"), ("location", "<i8"), ("M", "<u4"), ("id", "<u2"), ("type", "u1"), ("flags", "u1")]
)
_SIZES = np.array([0, 1, 2, 4, 8, 1, 2, 4, 8, 4, 8, 1])
"""Bytes of a number by its type's code."""
_NAME_BYTES = 64
_VERSION_2 = 2 << 16
LONGEST_INDEX = 1 << 26
"""Arrays in a file: 100,000 frames have two million."""

ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError, OverflowError)
"""What reading a damaged file raises."""
_REQUIRED = object()


class ChunkFile:
    """A GSD file to read from; a context manager."""

    def __init__(self, path: Path) -> None:
        """Open it and check its header and its index.

        Raises:
            OSError: it cannot be opened.
            ValueError: it is no GSD file, or a damaged one.
        """
        import gsd.fl

        if path.exists() and not is_plain(path):
            raise ValueError("it is no plain file")
        with path.open("rb") as file:
            size = path.stat().st_size
            found = np.frombuffer(file.read(_HEADER.itemsize).ljust(_HEADER.itemsize, b"\0"), _HEADER)
            header = {
                name: int(found[name][0]) for name in ("magic", "gsd_version", *_blocks("index"), *_blocks("names"))
            }
            if header["magic"] != MAGIC:
                raise ValueError("Not a GSD file")
            for name, width in (("index", _ENTRY.itemsize), ("names", _NAME_BYTES)):
                location, entries = (header[key] for key in _blocks(name))
                if location < _HEADER.itemsize or not 0 < entries <= LONGEST_INDEX or location + entries * width > size:
                    raise ValueError("Corrupt GSD file")
            file.seek(header["index_location"])
            index = np.frombuffer(file.read(header["index_entries"] * _ENTRY.itemsize), _ENTRY)
            file.seek(header["names_location"])
            text = file.read(header["names_entries"] * _NAME_BYTES)
        self._index = _checked(index, size)
        self._frames = self._index["frame"].astype(np.int64)
        self._ids = _name_ids(text, header["gsd_version"])
        self._file = gsd.fl.open(str(path), "r")

    @property
    def nframes(self) -> int:
        """How many frames there are."""
        return int(self._frames[-1]) + 1 if len(self._frames) else 0

    def names(self, prefix: str) -> list[str]:
        """Names of arrays that begin with a prefix."""
        return [name for name in self._ids if name.startswith(prefix)]

    def shape(self, frame: int, name: str) -> tuple[int, int] | None:
        """Rows and columns of an array; None if the frame itself has none of that name."""
        low, high = np.searchsorted(self._frames, (frame, frame + 1))
        places = np.flatnonzero(self._index["id"][low:high] == self._ids.get(name, -1))
        if not len(places):
            return None
        entry = self._index[low + places[0]]
        return int(entry["N"]), int(entry["M"])

    def read(self, frame: int, name: str, shape: tuple[int, ...], default: Any = _REQUIRED) -> NDArray[Any]:
        """An array of a frame; what a frame leaves out is that of the first.

        Args:
            frame: number of the frame.
            name: the array's name.
            shape: what it has to be; with one length only, it has one column.
            default: stands for an array that the first frame has not either.

        Raises:
            KeyError: there is none.
            ValueError: it has another shape.
        """
        where = frame
        found = self.shape(frame, name)
        if found is None:
            where, found = 0, self.shape(0, name)
        if found is None:
            if default is _REQUIRED:
                raise KeyError(f"it has no {name}")
            return np.full(shape, default)
        if found != (*shape, 1)[:2]:
            raise ValueError(
                f"{name} has the shape {found[0]} x {found[1]}, and {' x '.join(map(str, shape))} is expected"
            )
        array: NDArray[Any] = self._file.read_chunk(frame=where, name=name)
        return array.reshape(shape)

    def __enter__(self) -> "ChunkFile":
        """Return the file."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close it."""
        self._file.close()


def _blocks(name: str) -> tuple[str, str]:
    return f"{name}_location", f"{name}_entries"


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
        names = text.split(b"\0")
    if b"" in names:
        names = names[: names.index(b"")]
    return {name.decode("utf-8", "replace"): number for number, name in enumerate(names)}
