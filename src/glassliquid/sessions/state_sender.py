"""The state of a training run on its way to MLflow while the training runs."""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from glassliquid.scratch import own_folder
from glassliquid.tracking.find_model import CHECKPOINT_FOLDER
from glassliquid.tracking.run import TrackedRun
from glassliquid.training.checkpoint import BEST, CURRENT

SENDING = ".sending.partial-"
"""How the folder of a checkpoint that is under way begins, beside the checkpoint."""


@contextlib.contextmanager
def sending_states(tracked: TrackedRun, folder: Path, every_minutes: float | None) -> Iterator[None]:
    """In the block the checkpoints that have changed go to the run every so many minutes, beside the training.

    A store that does not take one is asked again the next time: at the end of the training they are sent once more.

    Args:
        tracked: the run.
        folder: where the training writes its checkpoints.
        every_minutes: None sends nothing.
    """
    if every_minutes is None:
        yield
        return
    ended = threading.Event()
    sender = threading.Thread(
        target=_send_regularly, args=(tracked, folder, 60 * every_minutes, ended), name="states", daemon=True
    )
    sender.start()
    try:
        yield
    finally:
        ended.set()
        sender.join()


def _send_regularly(tracked: TrackedRun, folder: Path, every_s: float, ended: threading.Event) -> None:
    sent: dict[str, int] = {}
    while not ended.wait(every_s):
        for name in (CURRENT, BEST):
            with contextlib.suppress(Exception):  # whatever the store's trouble is, the training continues
                _send_if_new(tracked, folder / name, sent)


def _send_if_new(tracked: TrackedRun, checkpoint: Path, sent: dict[str, int]) -> None:
    """Send a checkpoint unless it is the one that was sent last; `sent` notes when each was written."""
    if sent.get(checkpoint.name) == checkpoint.stat().st_mtime_ns:
        return
    with own_folder(checkpoint.parent, SENDING) as apart:
        # The training puts another file in its place meanwhile; this name keeps the one that is being sent.
        kept = apart / checkpoint.name
        os.link(checkpoint, kept)
        tracked.file(kept, CHECKPOINT_FOLDER)
        sent[checkpoint.name] = kept.stat().st_mtime_ns
