"""Progress bars with the time left, readable in a terminal and in a log file."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Protocol

LOG_EVERY_S = 10.0

ShowProgress = Callable[[int, int], None]
"""Takes how many tasks are done, and of how many."""


class ProgressBar(Protocol):
    """Moves a progress bar."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Show how many are done, of how many, and a note behind that."""


@contextlib.contextmanager
def progress_bar(doing: str, unit: str) -> Iterator[ProgressBar]:
    """Show a bar while the block runs; call what it gives with the number done, the total and, if you like, a note.

    In a terminal the bar redraws itself; elsewhere a line is written every ten seconds.
    """
    from tqdm import tqdm

    terminal = sys.stderr.isatty()
    # The time left follows from the mean speed so far: calls that find nothing new must not count as slowness.
    bar = tqdm(
        desc=doing, unit=f" {unit}", mininterval=0.2 if terminal else LOG_EVERY_S, dynamic_ncols=terminal, smoothing=0
    )

    def show(done: int, total: int, note: str = "") -> None:
        if note:
            bar.set_postfix_str(note, refresh=False)
        if bar.total != total:
            # What was there before this command must not count into its speed.
            bar.reset(total)
            bar.initial = done
            bar.n = done
        bar.update(done - bar.n)

    try:
        yield show
    finally:
        bar.close()
