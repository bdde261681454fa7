"""The curves of a training run as a figure on its page while the training runs."""

import contextlib
import threading
import time
from collections.abc import Iterator

from glassliquid.tracking.metrics import MetricJournal
from glassliquid.tracking.run import TrackedRun

NAME = "training.png"
SHARE = 0.01
"""Of a training run's time that drawing and sending the figure may take: with many points, or a slow store, it is drawn less often."""
LEAVE_AFTER_S = 20.0
"""How long the end of a training run waits for a figure that is under way."""


@contextlib.contextmanager
def sending_figure(tracked: TrackedRun, journal: MetricJournal, caption: str, every_minutes: float) -> Iterator[None]:
    """In the block the figure of the curves so far goes to the run every so many minutes, beside the training.

    A store that does not take one is given the next one: at the end of the training it is drawn once more.

    Args:
        tracked: the run.
        journal: has the curves.
        caption: above the figure.
        every_minutes: at most so often.
    """
    ended = threading.Event()

    def send_regularly() -> None:
        wait = 60 * every_minutes
        while not ended.wait(wait):
            from glassliquid.plots.training import training_figure  # not before the first iteration

            began = time.monotonic()
            with contextlib.suppress(Exception):  # whatever the store's trouble is, the training continues
                if history := journal.history():
                    tracked.figure(training_figure(history, caption), NAME)
            wait = max(60 * every_minutes, (time.monotonic() - began) / SHARE)

    sender = threading.Thread(target=send_regularly, name="figure", daemon=True)
    sender.start()
    try:
        yield
    finally:
        ended.set()
        sender.join(LEAVE_AFTER_S)
