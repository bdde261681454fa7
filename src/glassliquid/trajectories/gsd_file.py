"""GSD files, opened with the GSD library after their header and index were checked.

The library (5.0.1) trusts both: a damaged header makes it map or allocate what the file does not have and can end the process, and
of the index it checks only the entries on its way through a bisection. Source: the GSD specification, file layer, versions 1 and 2.
"""

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from glassliquid.files import is_plain

MAGIC = struct.pack("<Q", 0x65DF65DF65DF65DF)
"""The first bytes of every GSD file."""
NUMBERS, WHOLE, NATURAL, REAL = "iuf", "iu", "u", "f"
"""numpy's letters for the kinds of numbers: any, whole, whole and not negative, with a fraction."""
LARGEST_INDEX = 1 << 22
"""Arrays in a file: 100,000 frames have two million."""
LARGEST_NAMES = 1 << 10
"""Units of 64 bytes for the names of arrays; the library takes time that grows with the square of their number."""
LARGEST_ARRAY = 1 << 27
"""Bytes of one array: 16 numbers for each of a million particles."""
ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError, OverflowError)
"""What reading a damaged file raises."""

_HEADER = struct.Struct("<QQQQQII208x")
"""Magic number, place and entries of the index, place and entries of the names, versions of schema and GSD; texts."""
_ENTRY = np.dtype(
    [("frame", "<u8"), ("N", "<u8"), ("location", "<i8"), ("M", "<u4"), ("id", "<u2"), ("type", "u1"), ("flags", "u1")]
)
_ITEM_BYTES = np.array([0, 1, 2, 4, 8, 1, 2, 4, 8, 4, 8, 1])
"""Bytes of a number by the code of its type; 0 is no type."""
_VERSION_2 = 2 << 16
_REQUIRED = object()


@contextlib.contextmanager
def open_gsd(path: Path) -> Iterator[Any]:
    """Open a GSD file as a `gsd.fl.GSDFile`, for `read_array`.

    Raises:
        OSError, RuntimeError, ValueError: it cannot be opened, is no GSD file, or a damaged one.
    """
    import gsd.fl

    if path.exists() and not is_plain(path):
        raise ValueError("it is not a regular file")
    with path.open("rb") as file:
        _check(file, path.stat().st_size)
    with gsd.fl.open(str(path), "r") as opened:
        yield opened


def read_array(
    file: Any, frame: int, name: str, shape: tuple[int, ...], kinds: str = NUMBERS, default: Any = _REQUIRED
) -> NDArray[Any]:
    """An array of a frame; what a frame leaves out is that of the first.

    Args:
        file: what `open_gsd` gives.
        frame: number of the frame.
        name: the array's name.
        shape: what it has to be; with one length only, it has one column.
        kinds: numpy's letters of the kinds of numbers that it may hold.
        default: stands for an array that the first frame has not either.

    Raises:
        KeyError: there is none.
        ValueError: it has another shape, or holds other numbers.
    """
    if not file.chunk_exists(frame, name):
        frame = 0
        if default is not _REQUIRED and not file.chunk_exists(frame, name):
            return np.full(shape, default)
    values = np.asarray(file.read_chunk(frame, name))
    if values.shape != shape:
        raise ValueError(f"{name} has the shape {values.shape}, but {shape} is expected")
    if values.dtype.kind not in kinds:
        raise ValueError(f"{name} holds {values.dtype.name} numbers")
    return values


def _check(file: BinaryIO, size: int) -> None:
    """Raise ValueError unless the index and the names, and all arrays that the index lists, lie within the file."""
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size or not header.startswith(MAGIC):
        raise ValueError("Not a GSD file")
    _, index_at, index_entries, names_at, names_entries, _, version = _HEADER.unpack(header)
    for start, entries, width, most in (
        (index_at, index_entries, _ENTRY.itemsize, LARGEST_INDEX),
        (names_at, names_entries, 64, LARGEST_NAMES),
    ):
        if not (start >= _HEADER.size and 0 < entries <= most and start + entries * width <= size):
            raise ValueError("Corrupt GSD file")
    file.seek(index_at)
    index = np.frombuffer(file.read(index_entries * _ENTRY.itemsize), _ENTRY)
    locations = index["location"]
    index = index[: np.count_nonzero(locations)]  # what is not used is zero, and lies behind the rest
    if not (index["location"] > 0).all() or (index["type"] >= len(_ITEM_BYTES)).any():
        raise ValueError("Corrupt GSD file")
    # In floating point: products of whole numbers could overflow and look small.
    sizes = index["N"].astype(np.float64) * index["M"] * _ITEM_BYTES[index["type"]]
    frames, ids = index["frame"], index["id"].astype(np.int64)
    # The library finds an array by bisection, so that one out of its order would be taken for one that is left out.
    steps = (
        np.diff(frames.astype(np.int64) << 16 | ids) if version >= _VERSION_2 else np.diff(frames.astype(np.int64)) + 1
    )
    if (frames > len(index)).any() or (steps <= 0).any() or (index["location"] + sizes > size).any():
        raise ValueError("Corrupt GSD file")
    if (sizes > LARGEST_ARRAY).any():
        raise ValueError(f"it has an array of more than {LARGEST_ARRAY >> 20} MiB")
