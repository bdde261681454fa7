"""Tables of numbers in text: the lines of several frames are parsed together, which halves the time of each.

Arrow's reader does most of it, in a third of the time of numpy's; what it refuses goes to numpy's, which says which line is wrong.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from glassliquid.trajectories.frames import Frame, Place

LONGEST_NAME = 16
"""Characters of a particle type's name; what is beyond is cut off."""

TEXT_AT_ONCE = 1 << 18
"""Bytes of lines that are parsed at once; more gain nothing, and take memory."""

_NEWLINE, _BLANK = b"\n "

Parsed = list[NDArray[Any]]
"""The chosen columns, shape (rows,) each."""


class Columns(NamedTuple):
    """What is wanted of a table."""

    places: tuple[int, ...]
    """Which columns, counted from 0."""
    named: bool = False
    """Whether the first of them are words; all others are numbers."""


class Table:
    """The lines of one frame's particles."""

    def __init__(self, place: Place, columns: Columns) -> None:
        """Begin without lines.

        Args:
            place: where they begin, for complaints: the line before the first.
            columns: what is wanted of them.
        """
        self.place, self.columns = place, columns
        self.rows = 0
        """All lines so far."""
        self.text = b""
        """Those that are not parsed yet."""
        self._begun: list[Parsed] = []

    def add(self, text: bytes, rows: int) -> None:
        """Add whole lines; they are parsed as soon as they are many.

        Raises:
            UserError: one is not numbers.
        """
        self.text += text
        self.rows += rows
        if len(self.text) > TEXT_AT_ONCE:
            self._begun.append(self._parse_text())
            self.text = b""

    def parsed(self) -> Parsed:
        """The columns; UserError if a line is not numbers."""
        parts = [*self._begun, self._parse_text()] if self.text else self._begun
        return parts[0] if len(parts) == 1 else [np.concatenate(column) for column in zip(*parts, strict=True)]

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it is parsed yet."""
        return not self._begun

    def _parse_text(self) -> Parsed:
        done = sum(len(part[0]) for part in self._begun)
        return parse_plain(self.text, self.rows - done, self.columns) or self._parse_with_care(done)

    def _parse_with_care(self, done: int) -> Parsed:
        """The columns by numpy's reader, which takes blanks of all kinds, and says which line is wrong."""
        words = [f"f{k}" for k in range(len(self.columns.places))]
        kinds = [f"S{LONGEST_NAME}" if self.columns.named else "f8", *["f8"] * (len(words) - 1)]
        lines = self.text.split(b"\n")[:-1]
        for row, line in enumerate(lines, start=1):
            if not line.strip():  # numpy's reader passes over it
                self.place.line += done + row
                self.place.refuse("has an empty line where a particle should be")
        try:
            table = np.loadtxt(
                lines, list(zip(words, kinds, strict=True)), comments=None, usecols=self.columns.places, ndmin=1
            )
        except ValueError as error:
            self.place.line += done + _row_of(error)
            self.place.refuse(f"cannot be read ({_without_row(error)})", error)
        return [table[word] for word in words]


Unfinished = tuple[Table, Callable[[Parsed], Frame]]
"""A frame whose particles are still text, and what makes the frame of their columns."""


def finish(unfinished: Iterable[Unfinished]) -> Iterator[Frame]:
    """The frames, in their order; several are parsed together, and an error comes after the frames before it.

    Raises:
        UserError: a table is not numbers, or what the frames' iterator raises.
    """
    for group in _groups(unfinished):
        for (_, complete), columns in zip(group, _parsed_together([table for table, _ in group]), strict=True):
            yield complete(columns)


def _groups(unfinished: Iterable[Unfinished]) -> Iterator[list[Unfinished]]:
    """Neighbours of the same columns; few at first, since some look at one frame only."""
    group: list[Unfinished] = []
    most, size, failure = 1, 0, None
    frames = iter(unfinished)
    while True:
        try:
            each = next(frames, None)
        except Exception as error:
            each, failure = None, error
        if group and (each is None or len(group) == most or size > TEXT_AT_ONCE or not _alike(each, group[0])):
            yield group
            group, size, most = [], 0, 2 * most
        if failure:
            raise failure
        if each is None:
            return
        group.append(each)
        size += len(each[0].text)


def _alike(one: Unfinished, other: Unfinished) -> bool:
    return one[0].columns == other[0].columns and one[0].is_whole and other[0].is_whole


def _parsed_together(tables: Sequence[Table]) -> Iterator[Parsed]:
    if len(tables) > 1:
        rows = [table.rows for table in tables]
        found = parse_plain(b"".join(table.text for table in tables), sum(rows), tables[0].columns)
        if found:
            ends = np.cumsum(rows).tolist()
            for start, end in zip([0, *ends], ends, strict=False):
                yield [column[start:end] for column in found]
            return
    for table in tables:
        yield table.parsed()


def parse_plain(text: bytes, rows: int, columns: Columns) -> Parsed | None:
    """The columns by Arrow's reader; None if it does not take the lines.

    Args:
        text: whole lines, each with its end.
        rows: how many.
        columns: what is wanted of them.
    """
    import pyarrow
    import pyarrow.csv

    text = _single_blanks(text)
    names = [str(place) for place in range(text.count(b" ", 0, text.find(b"\n")) + 1)]
    chosen = [str(place) for place in columns.places]
    kinds = dict.fromkeys(chosen, pyarrow.float64())
    if columns.named:
        kinds[chosen[0]] = pyarrow.binary()
    try:
        table = pyarrow.csv.read_csv(
            pyarrow.py_buffer(text),
            pyarrow.csv.ReadOptions(use_threads=False, column_names=names, block_size=len(text) + 1),
            pyarrow.csv.ParseOptions(delimiter=" ", quote_char=False, ignore_empty_lines=False),
            pyarrow.csv.ConvertOptions(include_columns=chosen, column_types=kinds, null_values=[], check_utf8=False),
        )
    except pyarrow.ArrowException:
        return None
    if len(table) != rows:
        return None
    found = [table.column(name).combine_chunks() for name in chosen]
    if not columns.named:
        return [column.to_numpy() for column in found]
    encoded = found[0].dictionary_encode()
    words = np.array(encoded.dictionary.to_pylist(), f"S{LONGEST_NAME}")
    return [words[encoded.indices.to_numpy()], *(column.to_numpy() for column in found[1:])]


def _single_blanks(text: bytes) -> bytes:
    """The lines with one blank between columns and none at their starts: Arrow's reader takes each for a column's end."""
    text = text.replace(b"\t", b" ")
    letters = np.frombuffer(text, np.uint8)
    is_blank = letters == _BLANK
    # Also one after the end of a line.
    is_needless = is_blank[1:] & (is_blank[:-1] | (letters[:-1] == _NEWLINE))
    if not is_blank[0] and not is_needless.any():
        return text
    kept: NDArray[np.uint8] = letters[~np.concatenate([is_blank[:1], is_needless])]
    return kept.tobytes()


def _row_of(error: ValueError) -> int:
    """The row, counted from 1, that numpy's reader complains of; it counts some from 0."""
    found = re.search(r"at row (\d+)", str(error))
    return int(found[1]) + ("convert" in str(error)) if found else 1


def _without_row(error: ValueError) -> str:
    return re.sub(
        r"^invalid column index \d+ at row \d+ with", "there are only", re.sub(r" at row \d+, ", " in ", str(error))
    ).rstrip(".")
