"""Files that appear whole or not at all, names that stay inside their folder, and locks between processes."""

import contextlib
import csv
import errno
import glob
import io
import json
import os
import re
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from glassliquid.errors import UserError

PARTIAL_SUFFIX = ".partial"
"""Ending of everything that is being written; what still carries it after a crash may be deleted."""

LOCK = ".lock"
"""The file in a folder by whose lock processes keep apart there."""
ABANDONED_AFTER_S = 600.0
"""A half-written file that no lock protects and nobody has touched for this long has no writer any more."""

LARGEST_TEXT = 64 << 20
"""Bytes of a description or a table; an ensemble of 100,000 simulations takes 10 MB. A larger one is taken for damage."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_STORAGE_FAULTS = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "the disk quota is used up: free some space",
    errno.EROFS: "the file system is read-only: choose another data_dir",
    errno.EACCES: "permission is denied: choose another data_dir or change its permissions",
    errno.EPERM: "permission is denied: choose another data_dir or change its permissions",
    errno.ENAMETOOLONG: "its name is too long: choose a shorter one",
    errno.ELOOP: "a link is where a file should be, or leads in a circle: remove it",
    errno.ENOTDIR: "a file is where a folder should be: move it away or choose another data_dir",
    errno.EEXIST: "a file is where a folder should be: move it away or choose another data_dir",
}


def check_name(what: str, name: str) -> str:
    """Return `name` if it is safe as a file name.

    Raises:
        UserError: the name is empty, too long, starts with a dot or contains anything but letters, digits, `._-`.
    """
    if not _NAME.fullmatch(name):
        raise UserError(
            f"{what} is {name!r}: use up to 100 letters, digits, dots, dashes and underscores, "
            "starting with a letter or digit."
        )
    return name


def storage_fault(error: OSError) -> str | None:
    """A sentence for an OSError that the user can repair (disk full, read-only, no permission); None for others."""
    reason = _STORAGE_FAULTS.get(error.errno or 0)
    if reason is None:
        return None
    return f"Cannot write {error.filename or 'a file'}: {reason}, then run the same command again."


def raise_if_full(error: BaseException) -> None:
    """Raise the OSError behind an error, if it is that the disk is full: what could not be copied there is not missing."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            raise cause
        cause = cause.__cause__ or cause.__context__
    if os.strerror(errno.ENOSPC) in str(error):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path to write to, in the same folder; on success move it to `path` in one step, on failure remove it.

    The content is flushed to the disk before the move, so that a crash leaves either the old file or the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=PARTIAL_SUFFIX, dir=path.parent)
    os.close(handle)
    partial = Path(name)
    try:
        # mkstemp makes files that only their owner can read; ordinary files follow the umask.
        partial.chmod(0o666 & ~_umask())
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON, indented, whole or not at all."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def csv_text(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A table as comma-separated text, quoted where a value needs it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()


def is_plain(path: Path) -> bool:
    """Whether a path is a file on a disk, perhaps through a link: nothing that would block, or be read without end."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def read_plain(path: Path, most_bytes: int = LARGEST_TEXT) -> bytes:
    """The content of a file, which may have been put there by anybody.

    Raises:
        FileNotFoundError: there is none.
        UserError: it is a pipe, a device or a folder, cannot be read, or is larger than `most_bytes`.
    """
    try:
        # Without waiting: the opening of a pipe lasts until somebody writes into it.
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UserError(f"{path} is not a regular file: put a file there, or remove it.")
            # Nothing is read of a file that is too large; one that grows meanwhile, or hides its size, is found out below.
            content = b"" if (is_too_large := status.st_size > most_bytes) else file.read(most_bytes + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): correct that, or remove it.") from error
    if is_too_large or len(content) > most_bytes:
        raise UserError(f"{path} is larger than {most_bytes / 2**20:.0f} MiB, too large for such a file: remove it.")
    return content


def whole_number(value: object, low: int, high: int) -> int:
    """A whole number out of a file, within its bounds; ValueError for anything else, true and 1.0 among it."""
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{str(value)[:40]} stands where a whole number from {low} to {high} should be")
    return value


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        UserError: the file is missing, is not a regular file, is not JSON or holds something else than an object.
    """
    try:
        value = json.loads(read_plain(path))
    except FileNotFoundError:
        raise UserError(f"{path.parent} has no {path.name}, so it is not {what}: choose another folder.") from None
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path} is damaged ({error}): it is not {what}; remove its folder and make it again."
        ) from None
    if not isinstance(value, dict):
        raise UserError(f"{path} does not describe {what}: remove its folder and make it again.")
    return value


def remove_partials(folder: Path) -> None:
    """Remove what an interrupted process left half-written in `folder` (call it while holding the folder's lock)."""
    for path in folder.glob(f".*{PARTIAL_SUFFIX}"):
        _remove(path)


def remove_partials_of(path: Path, untouched_s: float = 0.0) -> None:
    """Remove what interrupted processes left of the writing of one file, if nobody has touched it for a while [s].

    With no while, call it holding a lock on the file.
    """
    for partial in path.parent.glob(f".{glob.escape(path.name)}.*{PARTIAL_SUFFIX}*"):
        if untouched_s <= 0 or untouched_for(partial, untouched_s):
            partial.unlink(missing_ok=True)


def remove_abandoned(folder: Path) -> list[Path]:
    """Remove what interrupted processes left half-written anywhere below a folder; return what it was.

    What another process holds the lock of, or has touched in the last ten minutes, stays.
    """
    removed = []
    for partial in sorted(folder.rglob(f".*{PARTIAL_SUFFIX}*")):
        is_lockable = (partial.parent / LOCK).exists()
        with locked_if_free(partial.parent) if is_lockable else contextlib.nullcontext(True) as is_free:
            if is_free and untouched_for(partial, ABANDONED_AFTER_S):
                _remove(partial)
                removed.append(partial)
    return removed


def tidy(folder: Path) -> None:
    """Remove half-written files from a folder, if it is there and no other process works in it."""
    if folder.is_dir():
        with locked_if_free(folder) as is_free:
            if is_free:
                remove_partials(folder)


@contextlib.contextmanager
def locked(folder: Path, doing: str | None) -> Iterator[None]:
    """Hold the lock of `folder`; while another process holds it, say once what it is doing, if that takes long, and wait.

    The operating system frees the lock when its holder dies, so a killed command never blocks the next one.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if doing is not None:
            print(
                f"Another command is {doing} in {folder}; waiting until it has finished.", file=sys.stderr, flush=True
            )
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def locked_if_free(folder: Path, name: str = LOCK) -> Iterator[bool]:
    """Hold the lock of a folder that is there; gives False if a living process has it, or it cannot be written."""
    from filelock import FileLock, Timeout

    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(FileLock(folder / name, timeout=0))
        except (Timeout, OSError):
            yield False
            return
        yield True


def untouched_for(path: Path, seconds: float) -> bool:
    """Whether a file or folder is there, and nobody has changed it for so long."""
    try:
        return time.time() - path.lstat().st_mtime >= seconds
    except FileNotFoundError:
        return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current
