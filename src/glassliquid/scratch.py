"""Folders of one process, for temporary files, which the next command removes if this one is killed."""

import contextlib
import glob
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from glassliquid.files import ABANDONED_AFTER_S, is_plain, locked_if_free, untouched_for

PREFIX = "glassliquid-"
"""How the names of scratch folders begin among the system's temporary files."""
LOCK = ".scratch-lock"
"""In every folder that is made here and in no other: by it a user's own folder of a similar name is told from ours."""
_DRAWN = "[a-z0-9_]{8}"
"""What `tempfile.mkdtemp` puts behind a prefix."""


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A fresh folder among the system's temporary files."""
    with own_folder(Path(tempfile.gettempdir()), PREFIX) as folder:
        yield folder


@contextlib.contextmanager
def temporary_files_apart() -> Iterator[None]:
    """In the block whatever asks this process for temporary files gets them below one scratch folder.

    MLflow does for every figure, every model (all of its weights) and every step of a chain, and leaves some behind even
    if nothing goes wrong.
    """
    before = tempfile.tempdir
    if Path(tempfile.gettempdir()).name.startswith(PREFIX):
        yield  # a run inside a run
        return
    with scratch_folder() as folder:
        tempfile.tempdir = str(folder)
        try:
            yield
        finally:
            tempfile.tempdir = before


@contextlib.contextmanager
def own_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A fresh folder of this process alone, removed with its content at the end of the block.

    It holds a lock as long, which the operating system frees when the process dies. By that the next command that comes
    here knows the folders that killed processes have left, and removes those of its user.

    Args:
        parent: the folder below which it is.
        prefix: how its name begins, as no other folder's there does.
    """
    from filelock import FileLock

    parent.mkdir(parents=True, exist_ok=True)
    _remove_left_folders(parent, prefix)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        with FileLock(folder / LOCK, timeout=0), _spared_by_cleaners(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _spared_by_cleaners(folder: Path) -> Iterator[None]:
    """Lock a folder itself, where that can be: systemd-tmpfiles spares those, however long a command takes."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(ImportError, OSError):
            import fcntl  # not on every system

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _remove_left_folders(parent: Path, prefix: str) -> None:
    """Remove the scratch folders of dead processes, and nothing that anybody else has made, whatever its name."""
    for folder in parent.glob(f"{glob.escape(prefix)}*"):
        if not re.fullmatch(re.escape(prefix) + _DRAWN, folder.name):
            continue
        # One that is being made has no lock yet, but is new. In a folder of all users, others' are none of ours.
        with contextlib.suppress(OSError):
            status = folder.lstat()
            is_ours = stat.S_ISDIR(status.st_mode) and (not hasattr(os, "getuid") or status.st_uid == os.getuid())
            if not is_ours or not untouched_for(folder, ABANDONED_AFTER_S):
                continue
            if not is_plain(folder / LOCK):
                folder.rmdir()  # of a process that was killed before it had its lock; one with content stays
                continue
            with locked_if_free(folder, LOCK) as is_free:
                if is_free:
                    shutil.rmtree(folder, ignore_errors=True)
