"""Trajectories of other people, frame by frame, by the reader of their format: LAMMPS text dumps, XYZ files, GSD files.

A file is read from its beginning to its end and never held as a whole.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path

from glassliquid.files import is_plain
from glassliquid.trajectories import dump, gsd_frames, xyz
from glassliquid.trajectories.frames import Frame, Place, Wanted

READERS = {".atom": dump.read, ".xyz": xyz.read, ".gsd": gsd_frames.read}


def read_frames(path: Path, wanted: Wanted) -> Iterator[Frame]:
    """The wanted frames of a file, in its order; the format follows from its name.

    Raises:
        UserError: the file is damaged or holds another kind of system; the message names frame and line.
    """
    read = READERS.get(format_of(path) or "", dump.read)
    place = Place(path)
    if path.exists() and not is_plain(path):
        place.refuse("is no plain file")
    try:
        yield from read(place, wanted)
    except (OSError, EOFError, zlib.error) as error:
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
