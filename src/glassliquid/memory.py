"""How a process treats memory that it has used."""

import ctypes
import gc
import platform

_TRIM_THRESHOLD, _LARGEST_NUMBER_OF_MAPPINGS = -1, -4
"""Parameters of glibc's mallopt(3)."""


def collect_garbage() -> None:
    """From now on Python looks for unreachable objects, where that was put off while modules were imported.

    It would look through the hundreds of thousands of objects of PyTorch and MLflow again and again, for a fifth of the time
    that importing them takes. They stay for good, and are not looked through later either.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def keep_freed_memory() -> None:
    """Let this process keep the memory that it frees for its next arrays, where the C library is glibc.

    By default glibc asks the system for every large array and gives it back at once; the system then clears each page again,
    batch after batch and image after image. Kept, it is reused: cnn2018 at 250 pixels trains half as fast again on a CPU
    and takes up to three quarters more memory (docs/BENCHMARKS.md).
    """
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    library.mallopt(_LARGEST_NUMBER_OF_MAPPINGS, 0)
    library.mallopt(_TRIM_THRESHOLD, -1)
