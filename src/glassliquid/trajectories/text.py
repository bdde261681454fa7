"""Text files of lines and tables, compressed or not, read block by block."""

import gzip
import io
from typing import IO, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from glassliquid.trajectories.frames import Place, parse_whole_number
from glassliquid.trajectories.tables import Columns, Table

LONGEST_LINE = 10_000
"""Characters of a header's line; a longer one is taken for damage, before it fills the memory."""

LONGEST_ROW = 1 << 20
"""Characters of a line of a table, and of one that nobody needs; more are taken for damage, before they fill the memory."""

BLOCK = 1 << 18
"""Bytes that are read at once: a few frames of a thousand particles."""

_NO_LINES = np.zeros(1, np.intp)


class Text:
    """A text file, compressed or not; knows where it is.

    The ends of all lines of a block are found at once: asking for line after line took as long as parsing them.
    """

    def __init__(self, place: Place) -> None:
        """Open the file that `place` names.

        Raises:
            UserError: it does not end with the end of a line, so that its last number may be half a number.
        """
        self.place, path = place, place.path
        if path.suffix == ".gz":
            self._file = cast(IO[bytes], gzip.GzipFile(path))
        else:
            self._file = path.open("rb", buffering=0)
            if self._file.seek(0, io.SEEK_END):
                self._file.seek(-1, io.SEEK_END)
                if self._file.read(1) != b"\n":
                    self._file.close()
                    place.refuse("ends in the middle of a line")
            self._file.seek(0)
        self._block = b""
        self._starts: NDArray[np.intp] = _NO_LINES
        """Where in the block its whole lines start, and where the last of them ends."""
        self._next = 0

    def line(self) -> str | None:
        """The next line without its end; None after the last."""
        if not self._has_lines(LONGEST_LINE):
            return None
        start, end = self._starts[self._next : self._next + 2].tolist()
        found = self._block[start:end]
        self._next += 1
        self.place.line += 1
        if len(found) > LONGEST_LINE:
            self._refuse_length(LONGEST_LINE)
        return found.decode("ascii", "replace").strip()

    def number(self, what: str) -> int:
        """The next line, which has to be a whole number."""
        text = self.line()
        number = parse_whole_number(text or "")
        if number is None:
            self.place.refuse(f"has {(text or '')[:40]!r} where {what} should be")
        return number

    def skip(self, lines: int) -> None:
        """Skip lines that nobody needs."""
        skipped = 0
        while skipped < lines:
            skipped += len(self._more(lines, skipped)[1]) - 1

    def table(self, rows: int, columns: Columns) -> Table:
        """The next `rows` lines, of which some columns are to be read as numbers; not parsed yet.

        Raises:
            UserError: there are fewer lines, or a longer one than any file has; or there are so many that they are parsed at
                once, and one is not numbers.
        """
        table = Table(self.place.copy(), columns)
        while table.rows < rows:
            block, starts = self._more(rows, table.rows)
            table.add(block[starts[0] : starts[-1]], len(starts) - 1)
        return table

    def _more(self, wanted: int, have: int) -> tuple[bytes, NDArray[np.intp]]:
        """The block, and the starts and the last end in it of as many as possible of a frame's lines that are still wanted."""
        if not self._has_lines(LONGEST_ROW):
            self.place.refuse(f"ends after {have} of the frame's {wanted} lines")
        starts = self._starts[self._next : self._next + wanted - have + 1]
        self._next += len(starts) - 1
        self.place.line += len(starts) - 1
        return self._block, starts

    def _has_lines(self, longest: int) -> bool:
        """Whether there is another line, for which the next block is read if need be; False at the file's end."""
        if self._next < len(self._starts) - 1:
            return True
        block = self._block[self._starts[-1] :]
        while True:
            found = self._file.read(BLOCK)
            block += found
            starts = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n")) + 1
            if len(starts) or not found:
                break
            if len(block) > longest:
                self.place.line += 1
                self._refuse_length(longest)
        if block and not len(starts):
            self.place.line += 1
            self.place.refuse("ends in the middle of a line")
        self._block, self._starts, self._next = block, np.concatenate([_NO_LINES, starts]), 0
        return bool(block)

    def _refuse_length(self, longest: int) -> NoReturn:
        self.place.refuse(f"has a line of more than {longest:,} characters")

    def __enter__(self) -> "Text":
        """Return the file."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close it."""
        self._file.close()
