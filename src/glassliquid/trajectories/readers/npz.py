"""npz files of numpy, whose arrays have the names that their owner gave them; the user says which is which.

Frames are read one after another out of the archive, compressed or not, without the rest of it. Nothing is unpickled.
Source: the documentation of `numpy.lib.format`.
"""

import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from glassliquid.errors import listed
from glassliquid.trajectories import arrays
from glassliquid.trajectories.frames import Frame, FrameBuilder, Location, StepFilter
from glassliquid.trajectories.readers import READERS, Reader

REMEDY = "save it differently, or take its simulation out of the folder"
NAMED = 12
"""Arrays that an error message lists."""


class _Array:
    """An array of the archive, opened: its shape and kind are known, and its numbers are read on."""

    def __init__(self, location: Location, archive: zipfile.ZipFile, name: str) -> None:
        self.name, self._location = name, location
        self._file: IO[bytes] = archive.open(f"{name}.npy")
        version = np.lib.format.read_magic(self._file)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in read_header:
            location.refuse(f"has {name} in a version of numpy's format that is not read", remedy=REMEDY)
        self.shape, is_fortran, self.dtype = read_header[version](self._file)
        if self.dtype.hasobject or self.dtype.kind not in "fiuSUb":
            location.refuse(f"has {name} of kind {self.dtype}, but only numbers and words are read", remedy=REMEDY)
        if is_fortran and len(self.shape) > 1:
            location.refuse(f"has {name} in Fortran's order: save numpy.ascontiguousarray({name})", remedy=REMEDY)

    def next(self, shape: tuple[int, ...]) -> NDArray[Any]:
        """The next numbers, of this shape."""
        size = int(np.prod(shape, dtype=np.float64)) * self.dtype.itemsize
        if not 0 <= size <= arrays.LARGEST_ARRAY:
            self._location.refuse(
                f"has {self.name} of more than {arrays.LARGEST_ARRAY >> 20} MiB per frame", remedy=REMEDY
            )
        content = self._file.read(size)
        if len(content) < size:
            self._location.refuse(f"ends in the middle of {self.name}")
        return np.frombuffer(content, self.dtype).reshape(shape)

    def whole(self) -> NDArray[Any]:
        """All of it."""
        return self.next(self.shape)


@READERS.register("npz")
class NpzReader(Reader):
    """Reads npz files."""

    description = "npz of numpy"
    endings = (".npz",)
    holds_anything = True

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Whether it begins with a member of an archive that is an array."""
        return head.startswith(b"PK\x03\x04") and b".npy" in head[30 : 30 + 512]

    @staticmethod
    def read(location: Location, is_wanted: StepFilter) -> Iterator[Frame]:
        """The wanted frames."""
        try:
            with zipfile.ZipFile(location.path) as archive:
                yield from _frames(location, archive, is_wanted)
        # RuntimeError: a member that needs a password; NotImplementedError: another compression.
        except (zipfile.BadZipFile, zlib.error, ValueError, RuntimeError, EOFError, OSError) as error:
            location.refuse(f"cannot be read ({error})", error)


def _frames(location: Location, archive: zipfile.ZipFile, is_wanted: StepFilter) -> Iterator[Frame]:
    found = _named(location, archive)
    positions = found["positions"]
    shape = (1, *positions.shape) if len(positions.shape) == 2 else positions.shape  # a single frame
    arrays.check_positions(location, positions.name, shape, positions.dtype)
    count, particles, dimensions = shape
    values: dict[str, NDArray[Any]] = {}
    for role in ("types", "ids", "sizes"):
        kinds = "fiuSU" if role == "types" else "fiu"
        each = found.get(role)
        if each and not arrays.check_per_particle(location, each.name, each.shape, each.dtype, shape, kinds):
            values[role] = found.pop(role).whole()
    box = found["box"].whole() if "box" in found else None
    steps = list(range(count))
    if "steps" in found and not location.hints.count_frames:
        steps = arrays.whole_numbers(location, found["steps"].name, found["steps"].whole(), count)
    builder = FrameBuilder(location)
    for number, step in enumerate(steps):
        location.frame = number + 1
        builder.begin(particles)
        places = positions.next((particles, dimensions))
        values |= {role: found[role].next((particles,)) for role in ("types", "ids", "sizes") if role in found}
        if not is_wanted(step):
            continue
        yield arrays.frame_of(location, builder, step, places, arrays.of_frame(box, number, count), values)


def _named(location: Location, archive: zipfile.ZipFile) -> dict[str, _Array]:
    """The arrays that the user has named, by what they are."""
    there = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    told = dict(location.hints.arrays)
    if missing := [role for role in ("positions", "types") if role not in told]:
        location.refuse(
            f"has the arrays {listed(there[:NAMED])}",
            remedy=f"say which are the {listed(missing)} and the box, as arrays=positions:NAME,types:NAME,box:NAME",
        )
    if unknown := [name for name in told.values() if name not in there]:
        location.refuse(f"has no array {unknown[0]!r} (it has {listed(there[:NAMED])})", remedy="check arrays")
    return {role: _Array(location, archive, name) for role, name in told.items()}
