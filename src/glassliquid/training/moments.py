"""What Adam remembers of each parameter, as named tensors."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

NAMES = {"step", "exp_avg", "exp_avg_sq"}


def moments_of(optimizer: torch.optim.Adam) -> dict[str, Tensor]:
    """The steps taken and the running means of gradient and squared gradient, as `NUMBER.NAME` of each parameter."""
    state = optimizer.state_dict()["state"]
    return {f"{number}.{name}": value for number, moments in state.items() for name, value in moments.items()}


def restore_moments(optimizer: torch.optim.Adam, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimizer what `moments_of` gave; ValueError if that belongs to other weights."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    moments: dict[int, dict[str, Any]] = {number: {} for number in range(len(parameters))}
    expected = {f"{number}.{name}" for number in moments for name in NAMES}
    if set(tensors) != expected:
        raise ValueError("its optimizer belongs to other weights")
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        shape = torch.Size() if name == "step" else parameters[int(number)].shape
        if value.dtype != torch.float32 or value.shape != shape:
            raise ValueError("its optimizer belongs to other weights")
        moments[int(number)][name] = value
    # Its settings are the training's own; the schedule sets the rate before every iteration.
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
