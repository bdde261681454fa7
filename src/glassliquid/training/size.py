"""How large a network is: its parameters, the operations of a forward pass, and the memory that training takes at least."""

from dataclasses import dataclass
from typing import Any

import torch

from glassliquid.models.network import Network
from glassliquid.training.uncompiled import leave_compiler_out

COPIES = 4
"""Of each parameter: itself, its gradient, and Adam's two moments."""


@dataclass(frozen=True)
class Size:
    """What a network costs."""

    parameters: int
    """Numbers that training changes."""
    multiply_adds: int
    """Multiplications with an addition in one forward pass of one sample: those of convolutions and products of matrices."""
    state_bytes: int
    """Memory of the parameters, their gradients and Adam's moments."""

    def __str__(self) -> str:
        """In words."""
        return (
            f"{self.parameters:,} parameters ({megabytes(self.state_bytes)} with gradients and Adam's moments), "
            f"{self.multiply_adds / 1e6:,.3g} million multiply-adds for a forward pass of one sample"
        )


def size_of(model: Network, values: Any, device: torch.device) -> Size:
    """Measure a network with the first of some samples; its mode and its generators stay as they are.

    Args:
        model: the network, on the device.
        values: samples as its input keeps them.
        device: where it is.
    """
    from torch.utils.flop_counter import FlopCounterMode

    was_training = model.training
    model.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        leave_compiler_out(type(getattr(counter, "mode", counter)))
        model(model.reads.batch(values, slice(0, 1), device))
    model.train(was_training)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    state = COPIES * sum(parameter.nbytes for parameter in trained)
    # PyTorch counts a multiplication and an addition as two operations.
    return Size(sum(map(torch.Tensor.numel, trained)), counter.get_total_flops() // 2, state)


def megabytes(number: float) -> str:
    """Bytes in words."""
    return f"{number / 1e6:,.3g} MB" if number < 1e9 else f"{number / 1e9:,.3g} GB"
