"""Simulations that are copies of each other: of one seed, or one file under two names.

They would lie in several splits, and a network would be tested on what it was trained on.
"""

import hashlib
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path

from glassliquid.errors import UserError
from glassliquid.files import is_plain

END = 1 << 16
"""Bytes at the end of a file that are compared before all of it is."""

Files = tuple[Path, ...]


def check_no_copies(folder: Path, simulations: Sequence[Files]) -> None:
    """Raise UserError if the files of two simulations are the same, byte for byte.

    Only those of equal sizes are opened, and only those with equal ends are read.
    """
    groups: list[list[Files]] = [[each for each in simulations if all(map(is_plain, each))]]
    try:
        for told_by in (_sizes, _end, _digest):
            groups = [alike for group in groups for alike in _alike(group, told_by)]
    except OSError:  # what cannot be read is told with more when it is imported
        return
    if groups:
        one, other = (str(files[0].relative_to(folder)) for files in groups[0][:2])
        raise UserError(
            f"{folder} has identical files for two simulations, {one} and {other}, but simulations must be independent because they go into "
            "different splits: remove copies from the folder, and give each run its own seed."
        )


def _alike(simulations: Iterable[Files], told_by: Callable[[Files], Hashable]) -> list[list[Files]]:
    """Those that something tells not apart, in groups of two or more."""
    groups: dict[Hashable, list[Files]] = {}
    for files in simulations:
        groups.setdefault(told_by(files), []).append(files)
    return [group for group in groups.values() if len(group) > 1]


def _sizes(files: Files) -> tuple[int, ...]:
    return tuple(path.stat().st_size for path in files)


def _end(files: Files) -> bytes:
    with files[-1].open("rb") as file:
        file.seek(max(0, files[-1].stat().st_size - END))
        return hashlib.sha256(file.read(END)).digest()


def _digest(files: Files) -> tuple[bytes, ...]:
    found = []
    for path in files:
        with path.open("rb") as file:
            found.append(hashlib.file_digest(file, "sha256").digest())
    return tuple(found)
