"""Text files of numbers, compressed or not, read line by line and table by table."""

import gzip
import io
import itertools
import re
import warnings
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from glassliquid.simulation.frames import Place, whole_number

LONGEST_LINE = 10_000
"""Characters of a header's line; a longer one is taken for damage, before it fills the memory."""

LONGEST_RUN = 1 << 20
"""Characters without an end of a line, anywhere in a file; more are taken for damage, before they fill the memory."""

_BUFFER = 1 << 16

ROWS_AT_ONCE = 100_000
"""So many lines of a table are in memory as text."""

LONGEST_NAME = 16
"""Characters of a particle type's name; what is beyond is cut off."""


class _Bounded(io.RawIOBase):
    """Bytes of a file, in which the ends of lines must not be too far apart: a reader of lines holds a whole one.

    A few kilobytes of a compressed file can become a line of gigabytes.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._run = file, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = self._file.read(len(buffer))
        end = found.rfind(b"\n")
        self._run = self._run + len(found) if end < 0 else len(found) - end
        if self._run > LONGEST_RUN:
            raise OSError(f"it has a line of more than {LONGEST_RUN:,} characters")
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        self._file.close()
        super().close()


class Text:
    """A text file, compressed or not, read line by line; knows where it is."""

    def __init__(self, place: Place) -> None:
        """Open the file that `place` names.

        Raises:
            UserError: it does not end with the end of a line, so that its last number may be half a number.
        """
        self.place, path = place, place.path
        raw: IO[bytes]
        if path.suffix == ".gz":
            raw = cast(IO[bytes], gzip.GzipFile(path))
        else:
            raw = path.open("rb", buffering=0)
            if raw.seek(0, io.SEEK_END):
                raw.seek(-1, io.SEEK_END)
                if raw.read(1) != b"\n":
                    raw.close()
                    self.place.refuse("ends in the middle of a line")
            raw.seek(0)
        # Buffered, lines come out twice as fast.
        self.file = io.BufferedReader(_Bounded(raw), _BUFFER)

    def line(self) -> str | None:
        """The next line without its end; None after the last."""
        found = self.file.readline(LONGEST_LINE)
        if not found:
            return None
        self.place.line += 1
        if not found.endswith(b"\n"):
            self.place.refuse("ends in the middle of a line or has a line of more than 10,000 characters")
        return found.decode("ascii", "replace").strip()

    def number(self, what: str) -> int:
        """The next line, which has to be a whole number."""
        text = self.line()
        number = whole_number(text or "")
        if number is None:
            self.place.refuse(f"has {(text or '')[:40]!r} where {what} should be")
        return number

    def skip(self, lines: int) -> None:
        """Skip lines that nobody needs."""
        skipped = 0
        for _ in zip(range(lines), self.file, strict=False):
            skipped += 1
        self.place.line += skipped
        if skipped < lines:
            self.place.refuse(f"ends after {skipped} of the frame's {lines} lines")

    def table(self, rows: int, columns: list[int], named: bool = False) -> list[NDArray[Any]]:
        """The next `rows` lines as numbers, or the first of the columns as words: the chosen columns, shape (rows,) each.

        Raises:
            UserError: there are fewer lines, or one that is not numbers; the message names it.
        """
        parts = []
        for start in range(0, rows, ROWS_AT_ONCE):
            lines = list(itertools.islice(self.file, min(ROWS_AT_ONCE, rows - start)))
            found = _parsed(lines, columns, named) or self._parsed_with_care(lines, columns, named)
            self.place.line += len(found[0])
            if len(found[0]) < min(ROWS_AT_ONCE, rows - start):
                self.place.refuse(f"ends after {start + len(found[0])} of the frame's {rows} lines")
            parts.append(found)
        return parts[0] if len(parts) == 1 else [np.concatenate(column) for column in zip(*parts, strict=True)]

    def _parsed_with_care(self, lines: list[bytes], columns: list[int], named: bool) -> list[NDArray[Any]]:
        """The columns by numpy's reader, which takes blanks of all kinds, and says which line is wrong."""
        words = [f"f{k}" for k in range(len(columns))]
        kinds = [f"S{LONGEST_NAME}" if named else "f8", *["f8"] * (len(columns) - 1)]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that there are no lines at all: the caller counts them
                table = np.loadtxt(lines, list(zip(words, kinds, strict=True)), comments=None, usecols=columns, ndmin=1)
        except ValueError as error:
            self.place.line += _row_of(error)
            self.place.refuse(f"cannot be read ({_without_row(error)})", error)
        return [table[word] for word in words]

    def __enter__(self) -> "Text":
        """Return the file."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close it."""
        self.file.close()


def _parsed(lines: list[bytes], columns: list[int], named: bool) -> list[NDArray[Any]] | None:
    """The columns by Arrow's reader, in a third of the time that numpy's takes; None if the lines are not plain enough for it.

    It takes every single blank for the end of a column, so that lines with blanks of other kinds are not for it.
    """
    import pyarrow
    import pyarrow.csv

    text = b"".join(lines)
    if not lines or text.startswith(b" ") or any(blank in text for blank in (b"  ", b"\n ", b"\t")):
        return None
    names = [str(place) for place in range(lines[0].count(b" ") + 1)]
    chosen = [str(place) for place in columns]
    kinds = dict.fromkeys(chosen, pyarrow.float64())
    if named:
        kinds[chosen[0]] = pyarrow.binary()
    try:
        table = pyarrow.csv.read_csv(
            pyarrow.py_buffer(text),
            pyarrow.csv.ReadOptions(use_threads=False, column_names=names),
            pyarrow.csv.ParseOptions(delimiter=" ", quote_char=False, ignore_empty_lines=False),
            pyarrow.csv.ConvertOptions(include_columns=chosen, column_types=kinds, null_values=[], check_utf8=False),
        )
    except pyarrow.ArrowException:
        return None
    if len(table) != len(lines):
        return None
    found = [table.column(name).combine_chunks() for name in chosen]
    if not named:
        return [column.to_numpy() for column in found]
    encoded = found[0].dictionary_encode()
    words = np.array(encoded.dictionary.to_pylist(), f"S{LONGEST_NAME}")
    return [words[encoded.indices.to_numpy()], *(column.to_numpy() for column in found[1:])]


def _row_of(error: ValueError) -> int:
    """The row, counted from 1, that numpy's reader complains of; it counts some from 0."""
    found = re.search(r"at row (\d+)", str(error))
    return int(found[1]) + ("convert" in str(error)) if found else 1


def _without_row(error: ValueError) -> str:
    return re.sub(
        r"^invalid column index \d+ at row \d+ with", "there are only", re.sub(r" at row \d+, ", " in ", str(error))
    ).rstrip(".")
