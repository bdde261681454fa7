"""Which device and number format a run uses, and whether its data fit there."""

import torch
from torch import Tensor

from glassliquid.errors import UserError

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
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(
            f"device is {name!r}, which cannot be used here ({(str(error).splitlines() or ['unknown'])[0]}): pass auto, cpu, "
            "cuda or mps."
        ) from error
    return device


def autocast_type(precision: str, device: torch.device) -> torch.dtype | None:
    """The number format of the forward pass under automatic mixed precision; None is plain float32."""
    if precision == "float32":
        return None
    if precision == "bfloat16":
        return torch.bfloat16
    return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else None


def resident(images: Tensor, device: torch.device) -> Tensor:
    """The images on the device if they fit there, else as they are (a memory map of the dataset's cache)."""
    if device.type != "cuda":
        return images if device.type == "cpu" else images.to(device)
    free, _ = torch.cuda.mem_get_info(device)
    return images.to(device) if images.nbytes <= RESIDENT_SHARE * free else images
