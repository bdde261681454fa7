"""Which simulation a file is of: from the numbers in its name, or where the user says."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

from glassliquid.errors import UserError, listed

PACKED = (".gz", ".bz2", ".zst")
"""Endings of compressed files, below which there is another ending."""

TEMPERATURES = ("T", "kT", "temp", "Temp", "temperature")
"""Words before a temperature."""

DIGITS = 6
"""Of the second and further numbers that together are a simulation's."""

_NUMBER = re.compile(r"\d+")
_SIZE = re.compile(r"\d+x\d+")
"""Pixels, as in `glass_001_250x250.png`: no number of a simulation."""


class UnclearNumbersError(Exception):
    """Several numbers differ from name to name, and any of them may be the simulation's."""


def check_pattern(pattern: str) -> str:
    """Return `pattern` if `numbers_told` takes it; UserError if it does not."""
    try:
        re.compile(_expression(pattern))
    except re.error as error:
        raise UserError(
            f"number is {pattern!r}, which is not a regular expression ({error}): pass the word before the number, such as run, or an "
            "expression such as run(\\d+)."
        ) from error
    return pattern


def numbers_told(names: Sequence[str], pattern: str) -> dict[str, int | None]:
    """The number of each name where a pattern says; None where the name does not have it.

    Args:
        names: paths relative to the folder, with slashes.
        pattern: the word before the number, or a regular expression whose groups, or whole, are the number; of several groups
            each combination is a simulation of its own.
    """
    expression = re.compile(_expression(pattern))
    numbers: dict[str, int | None] = {}
    for name in names:
        found = expression.search(name)
        texts = (found.groups() or (found[0],)) if found else ("",)
        is_number = all(text and text.isdecimal() for text in texts)
        numbers[name] = int(texts[0] + "".join(text.zfill(DIGITS) for text in texts[1:])) if is_number else None
    return numbers


def numbers_found(names: Sequence[str], step_of: Callable[[str], int | None] | None = None) -> dict[str, int | None]:
    """The number of each name that tells files of a kind apart; None for names without a number.

    Names that differ in nothing but numbers are of one kind. The number that differs among them is the simulation's. If none
    does, the last in the file's own name counts, and before it, for trajectories, that of the file's folder.

    Args:
        names: paths relative to the folder, with slashes.
        step_of: gives the time step at which a file begins. A number that is this in all files of a kind is no simulation's, and
            files in numbered folders may be parts. None: there are no such numbers.

    Raises:
        UnclearNumbersError: several numbers differ; its text says which, and how to tell.
    """
    kinds: dict[str, list[str]] = {}
    for name in names:
        kinds.setdefault(_NUMBER.sub("#", stem_of(name)), []).append(name)
    found: dict[str, int | None] = {}
    for kind, members in kinds.items():
        rows = {name: [int(number) for number in _NUMBER.findall(stem_of(name))] for name in members}
        found |= _of_kind(kind, rows, step_of)
    return {name: found[name] for name in names}


def stem_of(name: str) -> str:
    """A path without the endings of a format and of sizes in pixels; a number at its end is no ending."""
    for ending in PACKED:
        name = name.removesuffix(ending)
    ending = PurePosixPath(name).suffix
    return _SIZE.sub("@", name if ending[1:].isdigit() else name.removesuffix(ending))


def _of_kind(
    kind: str, rows: Mapping[str, list[int]], step_of: Callable[[str], int | None] | None
) -> dict[str, int | None]:
    """The numbers of names that differ in nothing but numbers, from all numbers of each."""
    in_folders = kind.rpartition("/")[0].count("#")
    places = list(range(kind.count("#")))
    step = None if step_of is None else _place_of_step(rows, places[in_folders:], step_of)
    places = [place for place in places if place != step]
    differing: list[int] = []
    for place in places:
        column = [row[place] for row in rows.values()]
        known = [[row[other] for row in rows.values()] for other in differing]
        if len(set(column)) > 1 and column not in known:
            differing.append(place)
    if step_of is not None and [place < in_folders for place in differing].count(True) == 1:
        differing = [place for place in differing if place < in_folders]  # what differs besides numbers its parts
    if (
        step_of is not None
        and len(differing) == 1
        and (word := _word_before(next(iter(rows)), differing[0])) in TEMPERATURES
    ):
        raise UnclearNumbersError(
            f"{next(iter(rows))} has a temperature in its name: pass temperature={word} for series at constant temperature, or "
            f"number={word} if it is the simulation's number"
        )
    if len(differing) > 1:
        raise UnclearNumbersError(_choice(next(iter(rows)), differing, together=step_of is not None))
    if differing:
        place = differing[0]
    elif step_of is not None and kind.rpartition("/")[0].rpartition("/")[2].count("#"):
        place = in_folders - 1
    elif places and (step_of is not None or places[-1] >= in_folders):
        place = places[-1]
    else:
        return dict.fromkeys(rows, 1 if step is not None else None)
    return {name: row[place] for name, row in rows.items()}


def _place_of_step(
    rows: Mapping[str, list[int]], places: list[int], step_of: Callable[[str], int | None]
) -> int | None:
    """Which number is the time step at which each file begins."""
    if len(rows) < 2:
        return None
    for place in reversed(places):
        if len({row[place] for row in rows.values()}) > 1 and all(
            step_of(name) == row[place] for name, row in rows.items()
        ):
            return place
    return None


def _choice(name: str, places: list[int], together: bool) -> str:
    """Says which numbers of a name there are to choose from, or whether they count together."""
    places = [place for place in places if not _is_fraction(name, place)]
    ways = [f"number={_pattern_for(name, place)} if it is {_numbers_in(name)[place][0]}" for place in places]
    words = [_word_before(name, place) for place in places]
    if together and all(words):
        pattern = ".*".join(f"{word}[^0-9]*([0-9]+)" for word in words)
        ways.append(f"or number='{pattern}' if each combination is one")
    if together and (word := next((word for word in words if word in TEMPERATURES), None)):
        ways.append(f"or temperature={word} if the files are at constant temperature")
    several = f"{name} has {len(places)} numbers that differ from file to file"
    return f"{several}: say which is the simulation, {listed(ways)}"


def _is_fraction(name: str, place: int) -> bool:
    """Whether a number is what follows the point of a temperature."""
    between = stem_of(name)[_numbers_in(name)[place - 1].end() : _numbers_in(name)[place].start()] if place else ""
    return between == "." and _word_before(name, place) in TEMPERATURES


def _pattern_for(name: str, place: int) -> str:
    """A pattern by which `numbers_told` finds a number of a name: the word before it, or else what is beside it."""
    stem, number = stem_of(name), _numbers_in(name)[place]
    before, after = stem[: number.start()], stem[number.end() :]
    beside = f"{re.escape(before[-1:])}([0-9]+){re.escape(after[:1])}"
    for pattern in (_word_before(name, place), beside):
        expression = re.compile(_expression(pattern))
        if pattern and expression.groups and (found := expression.search(name)) and found.span(1) == number.span():
            return pattern if pattern.isalpha() else f"'{pattern}'"
    return "'REGEX'"


def _numbers_in(name: str) -> list[re.Match[str]]:
    return list(_NUMBER.finditer(stem_of(name)))


def _word_before(name: str, place: int) -> str:
    """The word before a number of a name; empty if there is none."""
    found = _numbers_in(name)
    before = stem_of(name)[found[place - 1].end() if place else 0 : found[place].start()]
    if place and before == ".":  # a number with a fraction
        return _word_before(name, place - 1)
    word = re.search(r"([A-Za-z]+)[^A-Za-z/]{0,2}$", before)
    return word[1] if word else ""


def _expression(pattern: str) -> str:
    """The regular expression that a pattern is; a plain word stands for the number behind it."""
    return rf"(?<![A-Za-z]){re.escape(pattern)}[^0-9/]{{0,2}}([0-9]+)" if re.fullmatch(r"[\w -]+", pattern) else pattern
