"""Tables of particles in text: the lines of several frames are parsed together, which halves the time of each.

Arrow's reader does most of it; what it refuses goes to numpy's, which says which line is wrong.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from glassliquid.trajectories.frames import Frame, Location
from glassliquid.trajectories.text import TextFile

LONGEST_NAME = 100
"""Characters of a particle type's name; a longer one is taken for damage."""

TEXT_AT_ONCE = 1 << 20
"""Bytes of lines that are parsed at once; more gain nothing, and take memory."""

_NEWLINE, _BLANK = b"\n "

Parsed = list[NDArray[Any]]
"""The chosen columns, shape (rows,) each."""


@dataclass
class Table:
    """The particles of one frame, one line each."""

    location: Location
    """Of the line before the first."""
    columns: tuple[int, ...]
    """Which columns are wanted, counted from 0: first that of the types, which are words, then columns of numbers."""
    width: int
    """How many columns a line has."""
    rows: int
    """How many lines there are."""
    complete: Callable[[Location, Parsed], Frame]
    """Makes the frame of the location and the parsed columns."""
    parts: list[Parsed] = field(default_factory=list)
    """What is parsed so far."""


class Piece(NamedTuple):
    """Some lines of a table."""

    table: Table
    text: bytes
    rows: int


def read_pieces(
    text: TextFile, columns: tuple[int, ...], width: int, rows: int, complete: Callable[[Location, Parsed], Frame]
) -> Iterator[Piece]:
    """The next `rows` lines of a file, as pieces of a table; see there for the arguments."""
    table = Table(text.location.copy(), columns, width, rows, complete)
    yield from (Piece(table, *piece) for piece in text.rows(rows))


def parse_frames(pieces: Iterable[Piece]) -> Iterator[Frame]:
    """The frames of tables whose text comes in pieces, in their order; an error comes after the frames before it.

    Raises:
        UserError: a line is not numbers, or what the iterator of the pieces raises.
    """
    for batch in _batches(pieces):
        for (table, *_), part in zip(batch, _parse(batch), strict=True):
            table.parts.append(part)
            if sum(len(types) for types, *_ in table.parts) == table.rows:
                columns = part if len(table.parts) == 1 else [*map(np.concatenate, zip(*table.parts, strict=True))]
                yield table.complete(table.location, columns)


def _batches(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Pieces of equal columns that are parsed together."""
    batch: list[Piece] = []
    size, failure = 0, None
    try:
        for piece in pieces:
            if batch and (size > TEXT_AT_ONCE or _shape(piece) != _shape(batch[0])):
                yield batch
                batch, size = [], 0
            batch.append(piece)
            size += len(piece.text)
    except Exception as error:  # what is wrong in the lines before comes first
        failure = error
    if batch:
        yield batch
    if failure:
        raise failure


def _shape(piece: Piece) -> tuple[tuple[int, ...], int]:
    return piece.table.columns, piece.table.width


def _parse(batch: list[Piece]) -> Iterator[Parsed]:
    rows = sum(piece.rows for piece in batch)
    found = parse_plain(b"".join(piece.text for piece in batch), rows, *_shape(batch[0]))
    start = 0
    for table, text, count in batch:
        yield [column[start : start + count] for column in found] if found else _parse_with_care(table, text)
        start += count


def parse_plain(text: bytes, rows: int, columns: tuple[int, ...], columns_there: int) -> Parsed | None:
    """The columns by Arrow's reader; None if it does not take the lines.

    Args:
        text: whole lines, each with its end.
        rows: how many.
        columns: which are wanted, as in `Table`.
        columns_there: how many a line has.
    """
    import pyarrow
    import pyarrow.csv

    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
    first = text[: text.find(b"\n")].split(b" ")
    # LAMMPS ends lines with a blank, behind which Arrow sees an empty column.
    at_ends = first[-1] == b""
    if len(first) != columns_there + at_ends or not _has_single_blanks(text, rows, at_ends):
        return None
    names, chosen = [str(place) for place in range(len(first))], [str(place) for place in columns]
    # Of equal lengths, types take a third of the time of words of any length.
    width = len(first[columns[0]])
    if not 0 < width <= LONGEST_NAME:
        return None
    kinds = dict.fromkeys(chosen, pyarrow.float64()) | {chosen[0]: pyarrow.binary(width)}
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
    formats = [f"S{width}", *["f8"] * (len(chosen) - 1)]
    # Arrow's own way to numpy loads pandas, which takes as long as a thousand frames. A block is one chunk.
    buffers = [table.column(name).chunk(0).buffers()[1] for name in chosen]
    return [np.frombuffer(buffer, kind, rows) for buffer, kind in zip(buffers, formats, strict=True)]


def _has_single_blanks(text: bytes, rows: int, at_ends: bool) -> bool:
    """Whether nothing but one blank is between columns, and one at the end of every line or of none: Arrow takes each for a column's end."""
    letters = np.frombuffer(text, np.uint8)
    is_blank, is_white = letters == _BLANK, letters <= _BLANK
    if is_white[0] or np.count_nonzero(is_white) != np.count_nonzero(is_blank) + rows:
        return False
    pairs = np.count_nonzero(is_white[:-1] & is_white[1:])
    if not at_ends:
        return bool(pairs == 0)
    blanks_at_ends = np.count_nonzero(is_blank[:-1] & (letters[1:] == _NEWLINE))
    return bool(pairs == blanks_at_ends == rows)


def _parse_with_care(table: Table, text: bytes) -> Parsed:
    """The columns by numpy's reader, which takes blanks of all kinds, and says which line is wrong."""
    location = table.location.copy()
    location.line += sum(len(types) for types, *_ in table.parts)
    lines = text.split(b"\n")[:-1]
    longest = 1
    for row, line in enumerate(lines, start=1):
        fields = line.split()
        if len(fields) == table.width:
            longest = max(longest, len(fields[table.columns[0]]))
            if longest <= LONGEST_NAME:
                continue
        location.line += row
        if not fields:  # numpy's reader passes over it
            location.refuse("has an empty line where a particle should be")
        if longest > LONGEST_NAME:
            location.refuse(f"has a particle type of more than {LONGEST_NAME} letters")
        there = f"there are {'only ' if len(fields) < table.width else ''}{len(fields)} columns, but {table.width} are expected"
        location.refuse(f"cannot be read ({there})")
    kinds = [("types", f"S{longest}"), *((str(place), "f8") for place in table.columns[1:])]
    try:
        found = np.loadtxt(lines, kinds, comments=None, usecols=table.columns, ndmin=1)
    except ValueError as error:
        row_found = re.search(r"at row (\d+)", str(error))
        # The row is counted from 0 in complaints of a number, and from 1 in others.
        location.line += int(row_found[1]) + ("convert" in str(error)) if row_found else 1
        reason = re.sub(r" at row \d+, ", " in ", str(error)).rstrip(".")
        location.refuse(f"cannot be read ({reason})", error)
    return [found[name] for name, _ in kinds]
