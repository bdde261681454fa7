"""Which device and number format a run uses, and whether its data fit there."""

import ctypes
import platform
import re

import torch
from torch import Tensor

from glassliquid.errors import UserError

_TRIM_THRESHOLD, _LARGEST_NUMBER_OF_MAPPINGS = -1, -4
"""Parameters of glibc's mallopt(3)."""

_DEVICE = re.compile(r"cpu|(cuda|mps)(:[0-9]{1,3})?")

LONGEST_REASON = 120

RESIDENT_SHARE = 0.5
"""The dataset is held on the GPU when it takes at most this share of its free memory."""


def choose_device(name: str) -> torch.device:
    """The device of that name; `auto` is CUDA if there is one, else Apple's GPU, else the CPU.

    Raises:
        UserError: there is no such device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        # PyTorch has more kinds, and some of them hold no numbers.
        if not _DEVICE.fullmatch(name):
            raise RuntimeError("no such kind of device")
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(
            f"device is {name!r}, which cannot be used here ({_reason(error)}): pass auto, cpu, cuda or mps."
        ) from error
    return device


def _reason(error: BaseException) -> str:
    """The first sentence of PyTorch's words: for a kind of device that it was built without, they fill a page."""
    line = (str(error).splitlines() or ["unknown"])[0]
    return line if len(line) <= LONGEST_REASON else line.split(". ")[0][:LONGEST_REASON]


def autocast_type(precision: str, device: torch.device) -> torch.dtype | None:
    """The number format of the forward pass under automatic mixed precision; None is plain float32."""
    if precision == "float32":
        return None
    if precision == "bfloat16":
        return torch.bfloat16
    # Older GPUs only emulate bfloat16, which is slower than float32.
    has_bfloat16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if has_bfloat16 else None


def resident(images: Tensor, device: torch.device) -> Tensor:
    """The images on the device if they fit there, else as they are (a memory map of the dataset's cache)."""
    if device.type != "cuda":
        return images if device.type == "cpu" else images.to(device)
    free, _ = torch.cuda.mem_get_info(device)
    return images.to(device) if images.nbytes <= RESIDENT_SHARE * free else images


def keep_freed_memory() -> None:
    """Let this process keep the memory that it frees for its next tensors, where the C library is glibc.

    By default glibc asks the system for every large tensor and gives it back at once; the system then clears each page anew,
    batch after batch. Kept, it is reused: cnn2018 at 250 pixels trains half as fast again on a CPU and takes up to
    three quarters more memory (docs/BENCHMARKS.md).
    """
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    library.mallopt(_LARGEST_NUMBER_OF_MAPPINGS, 0)
    library.mallopt(_TRIM_THRESHOLD, -1)
