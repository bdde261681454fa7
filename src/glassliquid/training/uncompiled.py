"""PyTorch without its compiler, which this project does not use and which takes a second of a processor to import."""

_MARK = "__dynamo_disable"
"""Where PyTorch 2.13 keeps, beside a method that must not be compiled, the method that its compiler has marked so."""


def leave_compiler_out(cls: type) -> None:
    """Let a class of PyTorch call such methods as they are; PyTorch would import its compiler to mark them.

    A version of PyTorch that does this in another way is not disturbed.
    """
    for method in vars(cls).values():
        inner = getattr(method, "__wrapped__", None)
        if inner is not None and not hasattr(inner, _MARK):
            setattr(inner, _MARK, inner)
