"""Frames of files that hold arrays (H5MD, npz): shapes and kinds of numbers are checked before anything is read.

Positions have the shape (frames, N, 2 or 3); what belongs to particles (N,) or (frames, N); a box is one side, two or three sides,
or two or three vectors as rows, once or for each frame.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glassliquid.trajectories.frames import UNTILTED, Frame, FrameBuilder, Location, build_frame, side_by_density
from glassliquid.trajectories.tables import LONGEST_NAME

LARGEST_ARRAY = 1 << 27
"""Bytes that are read at once: 16 numbers for each of a million particles."""
MOST_FRAMES = 1 << 20
"""Whose time steps are read."""
DIMENSIONS = (2, 3)
BOXES = ((), (1,), (2,), (3,), (2, 2), (3, 3))
"""Shapes of one box: its side, its sides, or its vectors."""


def check_positions(location: Location, name: str, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
    """Refuse positions that are not numbers of the shape (frames, N, 2 or 3)."""
    if dtype.kind not in "fiu" or len(shape) != 3 or shape[2] not in DIMENSIONS or not 0 < shape[0] <= MOST_FRAMES:
        location.refuse(
            f"has {name} of the shape {_shown(shape)} and kind {dtype}, but positions must be numbers of shape (frames, N, 2 or 3)"
        )


def check_per_particle(
    location: Location,
    name: str,
    shape: Sequence[int],
    dtype: np.dtype[Any],
    positions: Sequence[int],
    kinds: str = "fiu",
) -> bool:
    """Whether values of particles are given for each frame; refuses shapes that fit neither one frame nor all, and other kinds."""
    if dtype.kind not in kinds:
        location.refuse(f"has {name} of kind {dtype}, but numbers are expected")
    if tuple(shape) not in ((positions[1],), tuple(positions[:2])):
        location.refuse(
            f"has {name} of the shape {_shown(shape)}, where {positions[0]} frames of {positions[1]} particles need "
            f"{_shown(positions[1:2])} or {_shown(positions[:2])}"
        )
    return len(shape) == 2


def whole_numbers(location: Location, name: str, values: NDArray[Any], count: int) -> list[int]:
    """Time steps, one per frame."""
    if values.shape != (count,) or values.dtype.kind not in "fiu":
        location.refuse(
            f"has {name} of the shape {_shown(values.shape)} and kind {values.dtype}, but there are {count} frames"
        )
    if values.dtype.kind == "f":
        if not (np.isfinite(values) & (values == np.floor(values)) & (np.abs(values) < 2**53)).all():
            location.refuse(f"has {name} that are not whole numbers, as time steps must be")
        values = values.astype(np.int64)
    return [int(value) for value in values.tolist()]


def frame_of(
    location: Location,
    builder: FrameBuilder,
    step: int,
    positions: NDArray[Any],
    box: NDArray[Any] | None,
    values: Mapping[str, NDArray[Any]],
) -> Frame:
    """One frame.

    Args:
        location: where it is, for error messages.
        builder: that of the file's frames.
        step: its time step.
        positions: coordinates, shape (N, 2 or 3).
        box: a side, sides or vectors; None: there is none, and the user has given a density.
        values: `types`, and `ids` and `sizes` where there are any, shape (N,) each.
    """
    positions = positions.astype(np.float64)
    plane, z = positions[:, :2], positions[:, 2] if positions.shape[1] > 2 else None
    length = side_by_density(location, plane) if box is None else _side(builder, location, box)
    names = _type_names(location, values["types"])
    ids, sizes = values.get("ids"), values.get("sizes")
    return build_frame(location.copy(), step, names, plane, length, z=z, ids=ids, sizes=sizes)


def of_frame(box: NDArray[Any] | None, frame: int, frames: int) -> NDArray[Any] | None:
    """The box of one frame, where it may be given once or for each of them.

    Two or three rows may be vectors, or the sides in as many frames; rows that are equal cannot be vectors.
    """
    if box is None or not box.ndim or len(box) != frames:
        return box
    is_once = box.shape in BOXES and not (box.ndim == 2 and (box == box[0]).all())
    return box if is_once else np.asarray(box[frame])


def _type_names(location: Location, values: NDArray[Any]) -> NDArray[np.bytes_]:
    """The types of particles as names: words, or whole numbers, which may be stored with a fraction of zero."""
    if values.dtype.kind == "f" and np.isfinite(values).all() and (values == np.floor(values)).all():
        values = values.astype(np.int64)
    letters = values.dtype.itemsize // (4 if values.dtype.kind == "U" else 1)
    if values.dtype.kind not in "iuSU" or (values.dtype.kind in "SU" and letters > LONGEST_NAME):
        location.refuse(
            f"has types of kind {values.dtype}, but they must be whole numbers or words of at most {LONGEST_NAME} letters"
        )
    if values.dtype.kind == "U":
        return np.char.encode(values, "utf-8")
    return values.astype("S") if values.dtype.kind in "iu" else values


def _side(builder: FrameBuilder, location: Location, box: NDArray[Any]) -> float:
    """The side of a square box from one number, its sides, or its vectors."""
    if box.dtype.kind not in "fiu" or box.shape not in BOXES:
        location.refuse(
            f"has a box of the shape {_shown(box.shape)} and kind {box.dtype}, but it must be a side, two or three sides, or vectors"
        )
    box = np.asarray(box, dtype=np.float64)
    if box.ndim == 2:
        if not (np.abs(box - np.diag(np.diag(box))) < UNTILTED).all():
            location.refuse("has a triclinic box, but only square ones can be drawn")
        box = np.diag(box)
    sides = np.broadcast_to(box, 2) if box.size == 1 else box
    return builder.side(float(sides[0]), float(sides[1]))


def _shown(shape: Sequence[int]) -> str:
    return f"({', '.join(map(str, shape))})"
