"""Text files, compressed or not, read block by block."""

import bz2
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glassliquid.trajectories.frames import REPAIR, Location, parse_whole_number

LONGEST_LINE = 10_000
"""Characters of a line; a longer one is taken for damage, before it fills the memory."""

BLOCK = 1 << 18
"""Bytes that are read at once: a few frames of a thousand particles."""

GZIP, BZIP2, ZSTD = b"\x1f\x8b", b"BZh", b"\x28\xb5\x2f\xfd"
"""The first bytes of compressed files."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""Which some editors put before the first line."""
_NO_LINES = np.zeros(1, np.intp)


def open_unpacked(path: Path) -> Any:
    """Open a file to read its bytes, unpacked if its first ones say that it is compressed."""
    file = path.open("rb", buffering=0)
    head = file.read(len(ZSTD))
    if not head.startswith((GZIP, BZIP2, ZSTD)):
        file.seek(0)
        return file
    file.close()
    if head.startswith(GZIP):
        return gzip.GzipFile(path)
    if head.startswith(BZIP2):
        return bz2.BZ2File(path)
    import pyarrow

    return pyarrow.input_stream(str(path), compression="zstd")


class TextFile:
    """A text file, compressed or not; its location says which line was read last.

    The ends of all lines of a block are found at once: asking for line after line took as long as parsing them.
    """

    def __init__(self, location: Location) -> None:
        """Open the file of a location."""
        self.location = location
        self._file = open_unpacked(location.path)
        self._block = b""
        self._starts: NDArray[np.intp] = _NO_LINES
        """Where in the block its whole lines start, and where the last of them ends."""
        self._next = 0

    def line(self) -> str | None:
        """The next line without its end; None after the last."""
        if not self._has_lines():
            return None
        text = self._take(1)
        if len(text) > LONGEST_LINE:
            self._refuse_long_line()
        return text.decode("ascii", "replace").strip()

    def line_after_blanks(self) -> str | None:
        """The next line that is not blank; None if there is none."""
        while (text := self.line()) == "":
            pass
        return text

    def fields_ahead(self) -> int:
        """How many fields the next line has, which stays to be read."""
        if not self._has_lines():
            return 0
        return len(self._block[self._starts.item(self._next) : self._starts.item(self._next + 1)].split())

    def ahead(self, lines: int) -> bytes:
        """The next lines, which stay to be read; nothing if the block does not have them all."""
        last = self._next + lines
        return self._block[self._starts.item(self._next) : self._starts.item(last)] if last < len(self._starts) else b""

    def number(self, what: str) -> int:
        """The next line, which has to be a whole number."""
        text = self.line() or ""
        number = parse_whole_number(text)
        if number is None:
            self.location.refuse(f"has {text[:40]!r} where {what} should be")
        return number

    def rows(self, count: int) -> Iterator[tuple[bytes, int]]:
        """The next `count` lines, in pieces of whole lines with their numbers of lines; UserError if there are fewer."""
        rest = count
        while rest:
            if not self._has_lines():
                self.location.refuse(f"ends after {count - rest} of the frame's {count} lines")
            lines = min(rest, len(self._starts) - 1 - self._next)
            rest -= lines
            yield self._take(lines), lines

    def skip(self, count: int) -> None:
        """Skip lines; UserError if there are fewer."""
        for _ in self.rows(count):
            pass

    def _take(self, lines: int) -> bytes:
        """Lines of the block, which has so many left."""
        start, end = self._starts.item(self._next), self._starts.item(self._next + lines)
        self._next += lines
        self.location.line += lines
        return self._block[start:end]

    def _has_lines(self) -> bool:
        """Whether there is another line, for which the next block is read if need be; False at the file's end."""
        if self._next < len(self._starts) - 1:
            return True
        block = self._block[self._starts[-1] :]
        while True:
            found = self._file.read(BLOCK) or b""
            block += found
            if not self.location.line:
                block = block.removeprefix(BYTE_ORDER_MARK)
            if block and not found and self.location.hints.unterminated and not block.endswith(b"\n"):
                block += b"\n"
            starts = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n")) + 1
            if len(starts) or not found:
                break
            if len(block) > LONGEST_LINE:
                self.location.line += 1
                self._refuse_long_line()
        if block and not len(starts):
            self.location.line += 1
            # Its last number may be half a number, with nothing else to show it.
            self.location.refuse(
                "ends in the middle of a line, or lacks only that line's end",
                remedy=f"{REPAIR}, or pass unterminated=true if its last number is whole",
            )
        self._block, self._starts, self._next = block, np.concatenate([_NO_LINES, starts]), 0
        return bool(block)

    def _refuse_long_line(self) -> None:
        self.location.refuse(f"has a line of more than {LONGEST_LINE:,} characters")

    def __enter__(self) -> "TextFile":
        """Return the file."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close it."""
        self._file.close()
