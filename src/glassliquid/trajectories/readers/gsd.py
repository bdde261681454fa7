"""GSD files of other programs (schema hoomd)."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glassliquid.trajectories import gsd_file
from glassliquid.trajectories.frames import UNTILTED, Frame, FrameBuilder, Location, StepFilter, build_frame
from glassliquid.trajectories.gsd_file import read_array
from glassliquid.trajectories.readers import READERS, Reader

MOST_TYPES, LONGEST_TYPE = 100, 100
"""Names of types, and characters of one."""


@READERS.register("gsd")
class GsdReader(Reader):
    """Reads GSD files."""

    description = "GSD, schema hoomd"
    endings = (".gsd",)

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Whether it begins with GSD's magic number."""
        return head.startswith(gsd_file.MAGIC)

    @staticmethod
    def read(location: Location, is_wanted: StepFilter) -> Iterator[Frame]:
        """The wanted frames."""
        builder = FrameBuilder(location)
        try:
            with gsd_file.open_gsd(location.path) as file:
                for number in range(file.nframes):
                    location.frame = number + 1
                    told = read_array(file, number, "configuration/step", (1,), gsd_file.WHOLE, default=0)
                    step = location.step(int(told[0]))
                    count = int(read_array(file, number, "particles/N", (1,), gsd_file.WHOLE)[0])
                    builder.begin(count)
                    if is_wanted(step):
                        yield _frame(file, number, count, step, location, builder)
        except gsd_file.ERRORS as error:
            location.refuse(f"cannot be read ({error})", error)


def _frame(file: Any, number: int, count: int, step: int, location: Location, builder: FrameBuilder) -> Frame:
    box = read_array(file, number, "configuration/box", (6,), gsd_file.REAL)
    positions = read_array(file, number, "particles/position", (count, 3), gsd_file.REAL).astype(np.float64)
    types = read_array(file, number, "particles/typeid", (count,), gsd_file.NATURAL, default=0)
    diameters = read_array(file, number, "particles/diameter", (count,), gsd_file.REAL, default=1)
    if not np.all(np.abs(box[3:]) < UNTILTED):
        location.refuse("has a triclinic box, but only square ones can be drawn")
    length = builder.side(float(box[0]), float(box[1]))
    names = _type_names(file, number)[types]
    return build_frame(location.copy(), step, names, positions[:, :2], length, z=positions[:, 2], sizes=diameters)


def _type_names(file: Any, frame: int) -> NDArray[np.bytes_]:
    """The names of the types by their ids, kept as rows of characters, each ended by a zero."""
    name = "particles/types"
    if not file.chunk_exists(0, name):
        return np.array([b"A"])
    rows = np.asarray(file.read_chunk(frame if file.chunk_exists(frame, name) else 0, name))
    if rows.ndim != 2 or rows.itemsize != 1 or len(rows) > MOST_TYPES or rows.shape[1] > LONGEST_TYPE:
        raise ValueError(f"the names of its types are {rows.dtype.name} of shape {rows.shape}")
    return np.array([row.tobytes().partition(b"\0")[0] for row in rows])
