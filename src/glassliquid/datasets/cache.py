"""Arrays that are computed once for a dataset and cached beside it, memory-mapped afterwards."""

import hashlib
import json
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glassliquid.datasets.description import Dataset
from glassliquid.errors import UserError
from glassliquid.files import is_plain, locked, read_plain, remove_partials, replacing, write_json

Refuse = Callable[[str, str], UserError]
"""Makes the error about a source, from its name and the reason why it cannot be used."""


def cached_array(
    dataset: Dataset,
    name: str,
    shape: tuple[int, ...],
    dtype: type[np.generic],
    fill: Callable[[NDArray[Any]], None],
    sources: tuple[Path, Iterable[str]],
    refuse: Refuse,
) -> NDArray[Any]:
    """An array that belongs to a dataset, a memory map of its cache, which is written first if it is missing or stale.

    Args:
        dataset: its digest is part of the cache's name.
        name: what the array is called, such as `decoded`.
        shape: what it must have.
        dtype: what it must have.
        fill: computes it, into zeros.
        sources: a folder, and names of the files in it that the array is computed from: if one of them is replaced, the cache
            is stale.
        refuse: called with the name of a source that is missing or not a regular file.

    Raises:
        UserError: a source or the cache cannot be used.
    """
    cache = dataset.folder / f".{name}-{dataset.digest}.npy"
    note = cache.with_suffix(".json")
    fingerprint = _fingerprint(*sources, refuse)
    if not _is_fresh(cache, note, fingerprint):
        with locked(dataset.folder, "reading the samples"):
            if not _is_fresh(cache, note, fingerprint):
                remove_partials(dataset.folder)
                with replacing(cache) as partial:
                    array = np.lib.format.open_memmap(str(partial), mode="w+", dtype=dtype, shape=shape)
                    fill(array)
                    array.flush()
                write_json(note, {"fingerprint": fingerprint})
    damaged = UserError(f"{cache} is damaged: delete it, and the next command makes it again.")
    try:
        # Copy on write: PyTorch wants writable memory, the file must never change.
        found: NDArray[Any] = np.load(cache, mmap_mode="c", allow_pickle=False)
    except Exception as error:  # whatever numpy stumbles over in a damaged head
        raise damaged from error
    # np.load opens archives too.
    if not isinstance(found, np.ndarray) or found.shape != shape or found.dtype != dtype:
        raise damaged
    return found


def _is_fresh(cache: Path, note: Path, fingerprint: str) -> bool:
    try:
        return is_plain(cache) and json.loads(read_plain(note))["fingerprint"] == fingerprint
    except (OSError, UserError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _fingerprint(folder: Path, names: Iterable[str], refuse: Refuse) -> str:
    """Changes when a file is replaced, without reading it: names, sizes and times of change."""
    digest = hashlib.sha256()
    for name in names:
        try:
            status = (folder / name).stat()
        except FileNotFoundError:
            raise refuse(name, "it is missing") from None
        except OSError as error:
            raise refuse(name, str(error.strerror)) from error
        # Opening a pipe would wait forever.
        if not stat.S_ISREG(status.st_mode):
            raise refuse(name, "it is not a regular file")
        digest.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
