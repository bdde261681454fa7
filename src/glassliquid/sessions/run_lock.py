"""The lock of a run's folder: two commands never train in one run."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from glassliquid.errors import UserError
from glassliquid.files import LOCK

WAIT_S = 20.0
"""Commands that send a run's waiting metrics, or tidy its folder, hold its lock for less."""


@contextlib.contextmanager
def run_lock(runs_folder: Path, run_id: str) -> Iterator[None]:
    """Hold the lock of a run's folder; the same process may take it again inside.

    The operating system frees the lock when its holder dies, so a killed command never blocks the next one.

    Raises:
        UserError: another command has it.
    """
    from filelock import FileLock, Timeout

    folder = runs_folder / run_id
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, is_singleton=True)
    try:
        lock.acquire(timeout=WAIT_S)
    except Timeout:
        raise UserError(
            f"The run {run_id} is being continued by another command: wait until it has ended, or stop it there."
        ) from None
    try:
        yield
    finally:
        lock.release()
