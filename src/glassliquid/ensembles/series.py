"""Series at constant temperature: files whose names, or a table, tell their temperature, several for each simulation.

The last frame of a file is its snapshot, at the index whose temperature is nearest.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from glassliquid.ensembles.found_files import find_names
from glassliquid.ensembles.temperature_table import is_table, read_table, row_of
from glassliquid.errors import UserError, listed
from glassliquid.numbering import UnclearNumbersError, numbers_found, numbers_told
from glassliquid.physics.protocol import INTERVALS, TEMPERATURE_COLD, TEMPERATURE_HOT, temperature
from glassliquid.trajectories.frames import Frame, Hints, Location
from glassliquid.trajectories.readers import read_frames

_TEMPERATURE = r"[0-9]+(?:[.p][0-9]+)?(?:[eE][+-]?[0-9]+)?(?![0-9A-Za-z])"
"""In names a p often stands for the point; letters behind it would make it another number."""


@dataclass(frozen=True)
class _Place:
    """What a file's name or the table says of it."""

    temperature: float
    rest: str
    """What is left of its path, in which the simulation's number is."""
    simulation: int | None = None
    """The number of its simulation; None if the rest tells it."""


def find_series(folder: Path, told: str, files: str | None, number: str | None) -> list[dict[int, Path]]:
    """The files of every simulation by their indices, ascending, in the order of the simulations' numbers.

    Args:
        folder: the folder; hidden files and folders are passed over.
        told: what stands before the temperature in a path, such as `T` in `T0.45/seed3.dump`, or the path of a table.
        files: pattern of names, as for `find_trajectories`.
        number: where the simulation's number is, as for `find_trajectories`.

    Raises:
        UserError: nothing tells a file's temperature or simulation, or two tell the same.
    """
    names = list(find_names(folder, files))
    places = _by_table(folder, names, told) if is_table(told) else _by_word(folder, names, told)
    rests = sorted({place.rest for place in places.values() if place.simulation is None})
    try:
        numbers = numbers_found(rests) if number is None else numbers_told(rests, number)
    except UnclearNumbersError as error:
        raise UserError(f"{folder}: {error}.") from error
    simulations: dict[int, dict[int, Path]] = {}
    for name, place in places.items():
        which = numbers[place.rest] if place.simulation is None else place.simulation
        if which is None:
            raise UserError(
                f"{folder / name} has no simulation number beside the temperature: name files like T0.45/seed3.dump, say where the "
                "number is with number=WORD, the word before it, or give it in a third column of a table of temperatures."
            )
        index = _index(folder / name, place.temperature)
        other = simulations.setdefault(which, {}).setdefault(index, folder / name)
        if other != folder / name:
            raise UserError(
                f"{other} and {folder / name} are both simulation {which} at T = {temperature(index):.3g}, to which their temperatures are "
                "nearest: choose files by name, as files=PATTERN."
            )
    return [dict(sorted(simulations[which].items())) for which in sorted(simulations)]


def _by_word(folder: Path, names: list[str], word: str) -> dict[str, _Place]:
    """Temperatures behind a word in the paths."""
    expression = re.compile(rf"(?<![A-Za-z]){re.escape(word)}[_=-]?({_TEMPERATURE})")
    places: dict[str, _Place] = {}
    for name in names:
        found = expression.search(name)
        if found is None:
            raise UserError(
                f"{folder / name} has no number after {word!r} in its path that is a temperature, such as {word}0.45, {word}0p45 or "
                f"{word}4.5e-1: check temperature, which is {word!r}, or pass a table of temperatures."
            )
        places[name] = _Place(float(found[1].replace("p", ".")), f"{name[: found.start()]}{word}{name[found.end() :]}")
    return places


def _by_table(folder: Path, names: list[str], told: str) -> dict[str, _Place]:
    """Temperatures of a table, which is looked for in the folder as well."""
    path = Path(told) if Path(told).is_file() else folder / told
    rows = read_table(path)
    places: dict[str, _Place] = {}
    for name in names:
        if folder / name == path.absolute():
            continue
        row = row_of(rows, name, path)
        places[name] = _Place(row.temperature, name.removeprefix(f"{row.path}/"), row.simulation)
    if unused := [row.path for row in rows if not any(row.matches(name) for name in places)]:
        raise UserError(f"{path} has {unused[0]!r}, but no trajectory under {folder} has that name: correct the table.")
    return places


def last_frame(path: Path, hints: Hints) -> Frame:
    """The last frame of a file; UserError if it has none, or is damaged."""
    steps: list[int] = []

    def note(step: int) -> bool:
        steps.append(step)
        return False

    for _ in read_frames([path], note, hints):
        pass
    if not steps:
        Location(path).refuse("has no frame")
    *_, last = read_frames([path], lambda step: step == steps[-1], hints)
    return last


def check_same_indices(series: list[dict[int, Path]]) -> None:
    """Raise UserError unless every simulation has the temperatures of the first."""
    for each in series:
        if missing := sorted(series[0].keys() ^ each.keys()):
            one, other = next(iter(series[0].values())), next(iter(each.values()))
            temperatures = listed(f"{temperature(index):.3g}" for index in missing[:5])
            raise UserError(
                f"Only one of the simulations of {other} and {one} has T = {temperatures}: all need the same temperatures; "
                "choose files by name, as files=PATTERN."
            )


def _index(path: Path, found: float) -> int:
    """The index whose temperature is nearest."""
    index = round(INTERVALS * (TEMPERATURE_HOT - found) / (TEMPERATURE_HOT - TEMPERATURE_COLD))
    if not 0 <= index <= INTERVALS:
        raise UserError(
            f"{path} is at T = {found:g}, but temperatures run from {TEMPERATURE_COLD:g} to {TEMPERATURE_HOT:g}: choose files by name, as "
            "files=PATTERN, or pass a table of temperatures if its name means something else."
        )
    return index
