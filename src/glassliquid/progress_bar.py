"""How far a command is: a bar on a terminal, a plain line every so often in a log file."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TextIO, TypeVar

FIRST_LINE_AFTER_S = 10.0
LINE_EVERY_S = 30.0
GROWTH = 0.1
"""Lines of a log come at least this share of the time so far apart: a run of a day and a half leaves some 250."""
LONGEST_SILENCE_S = 600.0
BAR_AFTER_S = 0.5
"""What is done sooner gets no bar."""
REDRAW_EVERY_S = 0.2
USUAL_SIZE = (80, 24)
"""Columns and rows of a terminal."""
BAR_FORMAT = "{desc} |{bar:10}| {n_fmt} of {total_fmt} {unit}, {remaining} left{postfix}"
NARROW_FORMAT = "{desc}: {n_fmt} of {total_fmt} {unit}, {remaining} left{postfix}"
NARROW = 100
"""On a terminal of fewer columns the notes take the room of the picture."""

ShowProgress = Callable[[int, int], None]
"""Takes how many tasks are done, and of how many."""
Item = TypeVar("Item")


class ProgressBar(Protocol):
    """Moves a progress bar."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Show how many are done, of how many, and a note behind that: parts with commas between them, what matters most first."""


@contextlib.contextmanager
def progress_bar(doing: str, unit: str) -> Iterator[ProgressBar]:
    """Show how far the block is; call what it gives with the number done, the total and, if you like, a note.

    The first call says where this command begins. The time left follows from the mean speed since the first of its own was
    done: before that, compiling and workers that start would pass for slowness.
    """
    kind = Bar if sys.stderr.isatty() else Lines
    with contextlib.closing(kind(doing[:1].upper() + doing[1:], unit, sys.stderr)) as show:
        yield show


def watched(items: Iterable[Item], total: int, doing: str, unit: str) -> Iterator[Item]:
    """The items, with a progress bar."""
    with progress_bar(doing, unit) as show:
        show(0, total)
        for done, item in enumerate(items, 1):
            yield item
            show(done, total)


class Lines:
    """Writes plain lines, the first after ten seconds, then at growing intervals."""

    def __init__(self, doing: str, unit: str, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        """Write to `stream`; the clock tells seconds."""
        self._doing, self._unit, self._stream, self._clock = doing, unit, stream, clock
        self._began = self._now = clock()
        self._next = self._began + FIRST_LINE_AFTER_S
        self._first: int | None = None
        self._under_way: tuple[int, float] | None = None
        self._state = (0, 0, "")
        self._written: tuple[int, int, str] | None = None

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Write a line if it is time for one."""
        if self._first is None or total != self._state[1]:
            self._first, self._began, self._under_way = done, self._clock(), None
        self._state, self._now = (done, total, note), self._clock()
        if self._under_way is None and done > self._first:
            self._under_way = done, self._now
        if self._now >= self._next:
            self._write()

    def close(self) -> None:
        """Write how it ended, if anything was written before."""
        if self._written is not None and self._written != self._state:
            self._write()

    def _write(self) -> None:
        done, total, note = self._written = self._state
        elapsed = self._now - self._began
        self._next = self._now + min(max(LINE_EVERY_S, GROWTH * elapsed), LONGEST_SILENCE_S)
        since, moment = self._under_way or (done, self._now)
        left = f"{duration(elapsed)} so far"
        if done >= total:
            left = f"took {duration(elapsed)}"
        elif done > since:
            left = f"{duration((self._now - moment) * (total - done) / (done - since))} left"
        parts = [f"{self._doing}: {done:,} of {total:,} {self._unit}", left, *filter(None, [note])]
        with contextlib.suppress(OSError):  # a log that is full or gone is no reason to stop
            print(", ".join(parts), file=self._stream, flush=True)


def duration(seconds: float) -> str:
    """A time in words: `12 s`, `4 min 10 s`, `1 h 23 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class Bar:
    """Redraws itself on a terminal."""

    def __init__(self, doing: str, unit: str, stream: TextIO) -> None:
        """Draw on `stream`."""
        self._doing, self._unit, self._stream = doing, unit, stream
        self._bar: Any = None
        self._first = 0
        self._columns = USUAL_SIZE[0]
        self._format = BAR_FORMAT
        self._refreshed = 0.0

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Move the bar."""
        if self._bar is None or self._bar.total != total:
            self._begin(done, total)
        if note:
            self._bar.set_postfix_str(self._fitting(note), refresh=False)
        if self._bar.n == self._first < done:  # the speed that tqdm shows is that since its start
            self._bar.initial, self._bar.start_t = done, time.time()
            self._bar.bar_format = self._format
        now = time.time()
        if done == self._bar.n and now - max(self._refreshed, self._bar.start_t) > BAR_AFTER_S:
            self._refreshed = now  # tqdm draws what is new alone, and the first trial of a sweep may take hours
            self._bar.refresh()
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Leave the bar as it is and go to the next line."""
        if self._bar is not None:
            self._bar.close()

    def _fitting(self, note: str) -> str:
        """The first parts of a note that fit into the line: tqdm would cut it anywhere."""
        total = self._bar.total
        picture = 0 if self._columns < NARROW else len(" ||") + 10
        room = self._columns - 1 - picture - len(f"{self._doing}: {total} of {total} {self._unit}, 00:00 left")
        parts = note.split(", ")
        while parts and len(", ".join(["", *parts])) > room:
            parts.pop()
        return ", ".join(parts)

    def _begin(self, done: int, total: int) -> None:
        from tqdm import tqdm

        self.close()
        self._first = done
        # Some terminals, as those of containers, say that they are zero columns wide; nothing would be drawn.
        columns = os.get_terminal_size(self._stream.fileno()).columns
        is_known = columns > 0
        self._columns = columns if is_known else USUAL_SIZE[0]
        self._format = NARROW_FORMAT if self._columns < NARROW else BAR_FORMAT
        # With a mean speed, calls that find nothing new do not count as slowness.
        self._bar = tqdm(
            desc=self._doing,
            total=total,
            initial=done,
            unit=self._unit,
            bar_format=self._format.replace("{remaining} left", "{elapsed} so far"),  # until one is done
            file=self._stream,
            mininterval=REDRAW_EVERY_S,
            miniters=1,
            delay=BAR_AFTER_S,
            dynamic_ncols=is_known,
            ncols=None if is_known else USUAL_SIZE[0],
            nrows=None if is_known else USUAL_SIZE[1],
            smoothing=0,
        )
