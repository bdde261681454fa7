"""GSD files of other programs (schema hoomd), frame by frame."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from glassliquid.trajectories import chunks
from glassliquid.trajectories.frames import Frame, Place, Wanted, arrange, check_flat, check_next, square_side

MOST_TYPES, LONGEST_TYPE = 100, 100
"""Names of types, and characters of one."""


def read(place: Place, wanted: Wanted) -> Iterator[Frame]:
    """The wanted frames of a GSD file; see `readers.read_frames`."""
    try:
        file = chunks.ChunkFile(place.path)
    except (RuntimeError, ValueError) as error:
        place.refuse(f"is no GSD file ({error})", error)
    with file:
        last = particles = None
        for number in range(file.nframes):
            place.frame = number + 1
            try:
                step = int(file.read(number, "configuration/step", (1,), chunks.WHOLE, default=0)[0])
                count = int(file.read(number, "particles/N", (1,), chunks.WHOLE)[0])
                check_next(place, step, last, count, particles)
                last, particles = step, count
                if not wanted(step):
                    continue
                box = file.read(number, "configuration/box", (6,), chunks.REAL)
                positions = file.read(number, "particles/position", (count, 3), chunks.REAL).astype(np.float64)
                types = file.read(number, "particles/typeid", (count,), chunks.NATURAL, default=0)
                names = _type_names(file, number)[types]
            except chunks.ERRORS as error:
                place.refuse(f"cannot be read ({error})", error)
            if np.any(box[3:]):
                place.refuse("has a triclinic box, and only square ones can be drawn")
            length = square_side(place, (float(box[0]), float(box[1])))
            check_flat(place, positions[:, 2], length)
            yield arrange(place, step, names, None, positions[:, :2], length)


def _type_names(file: chunks.ChunkFile, frame: int) -> NDArray[np.str_]:
    """The names of the types by their ids, kept as rows of characters, each ended by a zero."""
    name = "particles/types"
    shape = file.shape(frame, name) or file.shape(0, name)
    if shape is None:
        return np.array(["A"])
    if not (shape[0] <= MOST_TYPES and shape[1] <= LONGEST_TYPE):
        raise ValueError(f"the names of its types are {shape[0]} x {shape[1]} characters")
    rows = file.read(frame, name, shape).reshape(shape).astype(np.uint8)
    return np.array([row.tobytes().partition(b"\0")[0].decode("utf-8", "replace") for row in rows])
