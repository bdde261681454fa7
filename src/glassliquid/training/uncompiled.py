"""PyTorch without its compiler, which this project does not use and which takes a second of a processor to import."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_MARK = "__dynamo_disable"
"""Where PyTorch 2.13 keeps, beside a method that must not be compiled, the method that its compiler has marked so."""


class Adam(torch.optim.Adam):
    """PyTorch's Adam: the same numbers, bit for bit."""

    def __init__(self, parameters: Any, **settings: Any) -> None:
        """Take what PyTorch's takes."""
        leave_compiler_out(torch.optim.Optimizer)
        super().__init__(parameters, **settings)

    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """One step. PyTorch's own is wrapped in what tells its compiler where to pause, and sets gradients off meanwhile."""
        with torch.no_grad():
            return inspect.unwrap(torch.optim.Adam.step)(self, closure)


class NothingDrawn(TorchFunctionMode):
    """In the block no tensor is filled from a normal distribution: on the meta device it would import the compiler for nothing."""

    def __torch_function__(
        self, function: Any, _types: Any, arguments: tuple[Any, ...] = (), named: dict[str, Any] | None = None
    ) -> Any:
        """Call any other function."""
        if function is torch.Tensor.normal_:
            return arguments[0]
        if function is torch.nn.init.normal_ and named:
            return named["tensor"]
        return function(*arguments, **(named or {}))


def leave_compiler_out(cls: type) -> None:
    """Let a class of PyTorch call such methods as they are; PyTorch would import its compiler to mark them.

    A version of PyTorch that does this in another way is not disturbed.
    """
    for method in vars(cls).values():
        inner = getattr(method, "__wrapped__", None)
        if inner is not None and not hasattr(inner, _MARK):
            setattr(inner, _MARK, inner)
