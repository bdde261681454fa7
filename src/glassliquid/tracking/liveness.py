"""Whether the process behind a run is still alive, on this machine or another."""

import os
import socket
import time
from collections.abc import Mapping

TAG_HOST = "host"
TAG_PROCESS = "process"
"""Process id and the time when the process started, because ids are used again."""
TAG_USER = "user_name"
TAG_ALIVE_AT = "alive_at"
"""Time of the last sign of life of a training [s since 1970], renewed every minute."""

SIGN_EVERY_S = 60.0
SILENT_AFTER_S = 600.0
"""A process on another machine that gave no sign for this long is taken for dead."""
_SAME_START_S = 2.0
"""Start times of one process differ by up to this, because they are counted from a boot time that is rounded."""


def identity_tags() -> dict[str, str]:
    """Tags that say which process is behind a run."""
    import psutil

    process = psutil.Process()
    return {
        TAG_HOST: socket.gethostname(),
        TAG_USER: process.username(),
        TAG_PROCESS: f"{process.pid} {process.create_time():.2f}",
        **sign_of_life(),
    }


def sign_of_life() -> dict[str, str]:
    """The tag that is renewed while a run lives."""
    return {TAG_ALIVE_AT: f"{time.time():.0f}"}


def living_process(tags: Mapping[str, str]) -> str | None:
    """Where the process of a run lives, in words, or None if it is dead or is this one.

    A process of this machine is looked up; one of another machine counts as alive while its last sign is fresh.
    """
    host, process = tags.get(TAG_HOST), tags.get(TAG_PROCESS, "")
    if host is None:
        return None
    number = process.partition(" ")[0]
    if host == socket.gethostname():
        return f"process {number} on this machine" if _exists(process) else None
    silence = time.time() - float(tags.get(TAG_ALIVE_AT, "0"))
    return f"process {number} on {host}, last heard of {silence:.0f} s ago" if silence < SILENT_AFTER_S else None


def _exists(process: str) -> bool:
    import psutil

    number, _, started = process.partition(" ")
    if number == str(os.getpid()):
        return False
    try:
        return abs(psutil.Process(int(number)).create_time() - float(started)) < _SAME_START_S
    except (psutil.Error, ValueError):
        return False
