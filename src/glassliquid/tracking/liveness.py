"""Whether the process behind a run is still alive, on this machine or another."""

import contextlib
import hashlib
import os
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TAG_HOST = "host"
TAG_MACHINE = "machine"
"""A fingerprint of the machine and of the part of it whose processes can be seen: containers, and clones of a virtual
machine, may share a name."""
TAG_PROCESS = "process"
"""Process id, when the process started (counted from the machine's start where that can be known) and which start of the
machine that was, because ids are used again."""
TAG_USER = "user_name"
TAG_ALIVE_AT = "alive_at"
"""Time of the last sign of life of a training run [s since 1970], renewed every minute."""

HEARTBEAT_EVERY_S = 60.0
SILENT_AFTER_S = 600.0
"""A process on another machine that gave no sign for this long is taken for dead."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
MACHINE_ID = Path("/etc/machine-id")


def identity_tags() -> dict[str, str]:
    """Tags that say which process is behind a run."""
    import psutil

    return {
        TAG_HOST: socket.gethostname(),
        TAG_MACHINE: machine(),
        TAG_USER: psutil.Process().username(),
        TAG_PROCESS: process_tag(os.getpid()),
        TAG_ALIVE_AT: f"{time.time():.0f}",
    }


def process_tag(number: int) -> str:
    """Id and start of a process, the same whenever it is asked for while the process lives."""
    return f"{number} {_start_of(number)}"


def machine() -> str:
    """Fingerprint of this machine and its space of process ids; empty where neither can be told, as outside of Linux."""
    parts = []
    with contextlib.suppress(OSError):
        parts.append(MACHINE_ID.read_text(encoding="ascii", errors="replace").strip())
    with contextlib.suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    # The id itself is not for others to see.
    return hashlib.sha256(" ".join(["glassliquid", *parts]).encode()).hexdigest()[:16] if parts else ""


def is_here(tags: Mapping[str, str]) -> bool:
    """Whether the process that gave these tags ran where this one can look for it."""
    return tags.get(TAG_HOST) == socket.gethostname() and tags.get(TAG_MACHINE, "") == machine()


def living_process(tags: Mapping[str, str]) -> str | None:
    """Where the process of a run lives, in words, or None if it is dead or is this one.

    A process of this machine is looked up; one of another machine counts as alive while its last sign is fresh, by a clock
    that may be ahead of this one's or behind it.
    """
    host, process = tags.get(TAG_HOST), tags.get(TAG_PROCESS, "")
    if host is None:
        return None
    number = process.partition(" ")[0]
    if is_here(tags):
        return f"process {number} on this machine" if _exists(process) else None
    silence = silence_of(tags)
    if not silence < SILENT_AFTER_S:  # nor is it if the tag is no number
        return None
    return (
        f"process {number} on {host}, last heard of {silence:.0f} s ago; considered dead after {SILENT_AFTER_S:.0f} s"
    )


def silence_of(tags: Mapping[str, str]) -> float:
    """How far from now the last sign of life is [s]; endless if there was none."""
    try:
        return abs(time.time() - float(tags[TAG_ALIVE_AT]))
    except (KeyError, ValueError):
        return float("inf")


def sign_of_life() -> list[Any]:
    """The tags that a living run renews, as MLflow takes them."""
    from mlflow.entities import RunTag

    return [RunTag(key, value) for key, value in identity_tags().items()]


def send_heartbeat(run_ids: Sequence[str]) -> None:
    """Renew the tags of living runs, which are RUNNING then; the store is the caller's to lose."""
    from mlflow import MlflowClient

    for run_id in run_ids:
        MlflowClient().log_batch(run_id, tags=sign_of_life())
        keep_running(run_id)


def keep_running(run_id: str) -> None:
    """Mark a living run as RUNNING where the `mlflow run --run-id` of a second command, which was refused, has marked it as FAILED."""
    from mlflow import MlflowClient

    client = MlflowClient()
    if client.get_run(run_id).info.status != "RUNNING":
        client.update_run(run_id, status="RUNNING")


def _exists(process: str) -> bool:
    """Whether the process of this tag lives, and is not this one."""
    import psutil

    number = process.partition(" ")[0]
    try:
        return number != str(os.getpid()) and process_tag(int(number)) == process
    except (OSError, psutil.Error, ValueError):
        return False


def _start_of(number: int) -> str:
    """When a process started; the same whenever it is asked for.

    Times of day are no good for that: they are counted back from the present time, so that a clock that is set changes
    them, and a living process would be taken for another one. Linux tells ticks since the machine's start.
    """
    try:
        # The second field is the program's name, in brackets, and may hold anything.
        fields = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        if fields[0] in "XZ":
            return "ended"  # and its parent has not taken notice yet
        return f"{fields[19]}@{_BOOT_ID.read_text(encoding='ascii').strip()}"
    except FileNotFoundError:
        import psutil

        return f"{psutil.Process(number).create_time():.2f}"
