"""Series at constant temperature: files whose names tell their temperature, several for each simulation.

The last frame of a file is its snapshot, at the index whose temperature is nearest.
"""

import re
from pathlib import Path

from glassliquid.ensembles.found_files import find_names
from glassliquid.errors import UserError, listed
from glassliquid.numbering import UnclearNumbersError, numbers_found, numbers_told
from glassliquid.physics.protocol import INTERVALS, TEMPERATURE_COLD, TEMPERATURE_HOT, temperature
from glassliquid.trajectories.frames import Frame, Hints, Location
from glassliquid.trajectories.readers import read_frames


def find_series(folder: Path, word: str, files: str | None, number: str | None) -> list[dict[int, Path]]:
    """The files of every simulation by their indices, ascending, in the order of the simulations' numbers.

    Args:
        folder: the folder; hidden files and folders are passed over.
        word: what stands before the temperature in a path, such as `T` in `T0.45/seed3.dump`.
        files: pattern of names, as for `find_trajectories`.
        number: where the simulation's number is, as for `find_trajectories`.

    Raises:
        UserError: a name does not tell its temperature or simulation, or two tell the same.
    """
    expression = re.compile(rf"(?<![A-Za-z]){re.escape(word)}[_=-]?([0-9]+(?:\.[0-9]+)?)")
    index_of: dict[str, int] = {}
    rest_of: dict[str, str] = {}
    for name in find_names(folder, files):
        found = expression.search(name)
        if found is None:
            raise UserError(
                f"{folder / name} has no number behind {word!r} in its path: check temperature, which is {word!r}."
            )
        index_of[name] = _index(folder / name, float(found[1]))
        rest_of[name] = f"{name[: found.start()]}{word}{name[found.end() :]}"
    rests = sorted(set(rest_of.values()))
    try:
        numbers = numbers_found(rests) if number is None else numbers_told(rests, number)
    except UnclearNumbersError as error:
        raise UserError(f"{folder}: {error}.") from error
    simulations: dict[int, dict[int, Path]] = {}
    for name, index in index_of.items():
        if (which := numbers[rest_of[name]]) is None:
            raise UserError(
                f"{folder / name} has no number of its simulation beside the temperature: name them as T0.45/seed3.dump, or say where it "
                "is, as number=WORD for the word before it."
            )
        other = simulations.setdefault(which, {}).setdefault(index, folder / name)
        if other != folder / name:
            raise UserError(
                f"{other} and {folder / name} are both simulation {which} at T = {temperature(index):.3g}, to which their temperatures are "
                "nearest: choose files by name, as files=PATTERN."
            )
    return [dict(sorted(simulations[which].items())) for which in sorted(simulations)]


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
                f"The simulation of {other} and that of {one} differ in having T = {temperatures}: all need the same temperatures; "
                "choose files by name, as files=PATTERN."
            )


def _index(path: Path, found: float) -> int:
    """The index whose temperature is nearest."""
    index = round(INTERVALS * (TEMPERATURE_HOT - found) / (TEMPERATURE_HOT - TEMPERATURE_COLD))
    if not 0 <= index <= INTERVALS:
        raise UserError(
            f"{path} is at T = {found:g}, and temperatures run from {TEMPERATURE_COLD:g} to {TEMPERATURE_HOT:g}: choose files by name, as "
            "files=PATTERN."
        )
    return index
