"""The files of each simulation in somebody's folder: one file a simulation, parts of it, or one file a frame."""

import fnmatch
import os
import re
from collections.abc import Iterator
from pathlib import Path

from glassliquid.errors import UserError, listed
from glassliquid.numbering import UnclearNumbersError, numbers_found, numbers_told
from glassliquid.trajectories.readers import READERS, first_step_of, format_of

NAMED_IN_MESSAGE = 5


def find_trajectories(folder: Path, files: str | None = None, number: str | None = None) -> list[tuple[Path, ...]]:
    """The files of every simulation below a folder, in the order of their numbers, each simulation's in the order of its steps.

    Args:
        folder: the folder, of which hidden files and folders are passed over, or one file, which is a simulation.
        files: pattern that the names, or paths below the folder, have to match, such as `prod*.lammpstrj`; None: all files that
            have a format, of which the first by name is taken where a simulation's folder has several.
        number: where in the path the simulation's number is, as `numbering.numbers_told` takes it; None: as found.

    Raises:
        UserError: there is no folder or no trajectory in it, or the names do not tell which simulation is which.
    """
    if folder.is_file():
        return [(folder,)]
    formats = find_names(folder, files)
    names = list(formats)
    simulations: dict[int, list[str]] = {}
    for name, found in _numbers(folder, names, number).items():
        if found is None:
            raise UserError(
                f"{folder / name} has no number in its name{f' where {number!r} says' if number else ''}: name simulations as "
                "00001/traj.atom or sim-00001.gsd, or give the word before the number, as number=WORD."
            )
        simulations.setdefault(found, []).append(name)
    return [
        _in_order(folder, _of_one(folder, found, simulations[found], formats, files is not None))
        for found in sorted(simulations)
    ]


def find_names(folder: Path, files: str | None) -> dict[str, str | None]:
    """The paths of trajectories below a folder, with the names of their formats; those that match the pattern, if there is one.

    Raises:
        UserError: there is no folder or no trajectory in it.
    """
    if folder.is_file():
        raise UserError(
            f"input is {str(folder)!r}, a single file: pass the folder that has the files of all simulations."
        )
    if not folder.is_dir():
        raise UserError(f"input is {str(folder)!r}, which is not a folder: pass the folder that has the simulations.")
    there = sorted(_walk(folder))
    formats = {name: format_of(folder / name) for name in there if files is None or _matches(name, files)}
    found = {name: kind for name, kind in formats.items() if kind is not None or files is not None}
    if not found:
        raise UserError(_nothing(folder, there, files))
    if files is None:  # beside trajectories, files that may hold anything hold something else
        found = {name: kind for name, kind in found.items() if not _may_hold_anything(kind)} or found
    return found


def _may_hold_anything(kind: str | None) -> bool:
    return kind is not None and READERS.get(kind).holds_anything


def _walk(folder: Path) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith((".", "#")) and not name.endswith("~"):  # hidden, or an editor's copy
                yield Path(parent, name).relative_to(folder).as_posix()


def _matches(name: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(name.rpartition("/")[2], pattern)


def _numbers(folder: Path, names: list[str], number: str | None) -> dict[str, int | None]:
    if number is not None:
        return numbers_told(names, number)
    try:
        return numbers_found(names, lambda name: first_step_of(folder / name))
    except UnclearNumbersError as error:
        raise UserError(f"{folder}: {error}.") from error


def _of_one(folder: Path, number: int, names: list[str], formats: dict[str, str | None], chosen: bool) -> list[str]:
    """The files that count of those of one simulation: parts of a name, or the first format."""
    kinds = {_kind(name) for name in names}
    parents = {name.rpartition("/")[0] for name in names}
    if chosen or (len(kinds) == 1 and len(parents) == 1):
        return names
    first = min(formats[name] or "" for name in names)
    of_first = [name for name in names if formats[name] == first]
    if len(parents) == 1 and len({_kind(name) for name in of_first}) == 1:
        return of_first
    shown = [str(folder / name) for name in names[:NAMED_IN_MESSAGE]]
    ways = listed(f"files={name.rpartition('/')[2]}" for name in of_first[:2])
    raise UserError(
        f"{listed(shown)} are both simulation {number}, judging by the number in their own name or "
        f"that of their folder: choose files by name, such as {ways}, or give the word before the number, as number=WORD."
    )


def _kind(name: str) -> str:
    """What names of the same kind have in common."""
    return re.sub(r"\d+", "#", name.rpartition("/")[2])


def _in_order(folder: Path, names: list[str]) -> tuple[Path, ...]:
    paths = [folder / name for name in names]
    if len(paths) == 1:
        return tuple(paths)
    steps = {path: first_step_of(path) for path in paths}
    return tuple(sorted(paths, key=lambda path: (steps[path] or 0, path)))


def _nothing(folder: Path, there: list[str], files: str | None) -> str:
    """Says that no trajectory was found, what is there, and what would be read."""
    held = f"{len(there)} files, such as {listed(there[:NAMED_IN_MESSAGE])}" if there else "no files at all"
    if files is not None:
        return f"{folder} has no file that matches files={files!r} (it has {held}): check the pattern."
    formats = listed(READERS.get(name).description for name in READERS)
    return (
        f"{folder} has no trajectories (it has {held}): the files of these formats are read, whatever their names, also compressed "
        f"with gzip, bzip2 or Zstandard: {formats}."
    )
