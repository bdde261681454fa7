"""Which device and number format a run uses."""

import contextlib
import re
from collections.abc import Iterator

import torch

from glassliquid.errors import UserError

_DEVICE = re.compile(r"cpu|(cuda|mps)(:[0-9]{1,3})?")

LONGEST_REASON = 120


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


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """In the block PyTorch computes on the thread that asks for it alone."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


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
