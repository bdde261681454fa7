"""A bar on a terminal, plain lines in a log file."""

import fcntl
import io
import itertools
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Iterable

import pytest

from glassliquid.progress_bar import LONGEST_SILENCE_S, Lines, duration, watched


class Clock:
    """Tells the time that it was set to [s]."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def lines_of(moments: Iterable[tuple[float, int]], total: int, first: int = 0) -> list[str]:
    """What is written when so many are done at these times after the start [s]."""
    clock, log = Clock(), io.StringIO()
    lines = Lines("Training", "iterations", log, clock)
    lines(first, total)
    for after, done in moments:
        clock.now = 1000.0 + after
        lines(done, total, f"loss {done}")
    lines.close()
    return log.getvalue().splitlines()


def test_what_is_quick_leaves_no_line():
    assert lines_of([(3, 30), (9.9, 60)], 60) == []


def test_a_line_says_how_far_it_is_and_how_long_it_takes():
    # From 11 s to 42 s 62 were done: the 38 that are left take 19 s more; at 61 s, 78 in 50 s, and 22 are left.
    assert lines_of([(11, 22), (42, 62 + 22), (61, 100)], 100 + 22, first=20) == [
        "Training: 22 of 122 iterations, 11 s so far, loss 22",
        "Training: 84 of 122 iterations, 19 s left, loss 84",
        "Training: 100 of 122 iterations, 14 s left, loss 100",
    ]


def test_what_comes_before_the_first_is_not_taken_for_slowness():
    """An engine that compiles for 20 s, then finishes one a second."""
    assert lines_of([(20, 1), (21, 2), (51, 32)], 100) == [
        "Training: 1 of 100 iterations, 20 s so far, loss 1",
        "Training: 32 of 100 iterations, 1 min 8 s left, loss 32",
    ]


def test_the_end_is_told_if_anything_was():
    assert lines_of([(11, 50), (22, 100)], 100)[-1] == "Training: 100 of 100 iterations, took 22 s, loss 100"


def test_lines_of_a_long_run_are_ever_farther_apart_and_never_more_than_ten_minutes():
    day_and_a_half = 36 * 3600
    written = lines_of(((s, s) for s in range(1, day_and_a_half)), day_and_a_half)
    moments = [int(line.split(": ")[1].split(" of")[0].replace(",", "")) for line in written[:-1]]
    gaps = [late - early for early, late in itertools.pairwise(moments)]
    assert moments[0] == 10
    assert gaps == sorted(gaps)
    assert (min(gaps), max(gaps)) == (30, LONGEST_SILENCE_S)
    assert 200 < len(written) < 300


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (250, "4 min 10 s"), (4980, "1 h 23 min")]
)
def test_a_time_in_words(seconds: float, words: str):
    assert duration(seconds) == words


def test_watched_items_are_the_items():
    assert list(watched((n * n for n in range(4)), 4, "Squaring", "numbers")) == [0, 1, 4, 9]


def drawn_on_a_terminal(columns: int, note: str, waiting: int = 0) -> list[str]:
    """The states of a bar, one after the other; so often, every 0.2 s, it is told at first that nothing is done."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    code = (
        "import time\nfrom glassliquid.progress_bar import progress_bar\n"
        "with progress_bar('training', 'iterations') as show:\n"
        "    show(0, 20)\n"
        f"    for _ in range({waiting}):\n"
        "        time.sleep(0.2)\n"
        "        show(0, 20)\n"
        "    for done in range(1, 21):\n"
        "        time.sleep(0.06)\n"
        f"        show(done, 20, {note!r})\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=theirs)
    os.close(theirs)
    drawn = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux's way of telling the end
            break
        if not part:
            break
        drawn += part
    assert process.wait(20) == 0
    states = drawn.decode().strip().split("\r")
    assert len(states) > 2
    assert "\n" not in "".join(states)
    assert all(len(state) < columns for state in states)
    return states


def test_on_a_terminal_one_line_is_drawn_again_and_again():
    last = drawn_on_a_terminal(120, "loss 0.25")[-1]
    assert last.startswith("Training |██████████| 20 of 20 iterations, 00:00 left, loss 0.25")


@pytest.mark.parametrize(
    ("columns", "end"),
    [
        (80, ", val. accuracy 100.00 %, loss 0.2500"),
        (70, ", val. accuracy 100.00 %"),
        (50, ""),
    ],
)
def test_on_a_narrow_terminal_the_first_parts_of_a_note_are_whole(columns, end):
    states = drawn_on_a_terminal(columns, "val. accuracy 100.00 %, loss 0.2500, rate 0.001, 2,000 images/s")
    assert states[-1].rstrip() == f"Training: 20 of 20 iterations, 00:00 left{end}"


def test_a_long_first_part_is_shown_with_its_time():
    """Such as the first trial of a sweep, which may take hours."""
    states = drawn_on_a_terminal(80, "", waiting=8)
    first = [state for state in states if ": 0 of 20 iterations, 00:0" in state]
    assert first
    assert all(state.rstrip().endswith("so far") for state in first)
    assert states[-1].rstrip() == "Training: 20 of 20 iterations, 00:00 left"
