"""Options by hand, for the entry points whose settings are not declared yet; goes with the last of them."""

import math
from collections.abc import Callable
from typing import Any

import click

from glassliquid.errors import UserError, one_line

_MOST_DIGITS = 30
_LONGEST_TEXT = 1900


class _Value(click.ParamType):
    """A value read by `read`, which raises ValueError for what is not one; some words stand for None."""

    name = "value"

    def __init__(self, read: Callable[[str], Any], allowed: str, words: tuple[str, ...] = ()) -> None:
        self._read, self._allowed, self._words = read, allowed, words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002 - click's signature
        if not isinstance(value, str):
            return value
        if value in self._words:
            return None
        try:
            return self._read(value)
        except ValueError:
            name = param.name if param is not None else "a value"
            words = "".join(f" or {word}" for word in self._words)
            raise UserError(f"{name} is {value!r}: pass {self._allowed}{words}.") from None


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()] if text.lower() in ("true", "false") else _refuse()


def _refuse() -> bool:
    raise ValueError


def _number(text: str) -> float:
    number = float(text)
    if math.isnan(number):
        raise ValueError
    return number


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError
    return int(text)


def _text(text: str) -> str:
    # Neither a file system, nor a database, nor a terminal takes them well.
    if not text.strip() or len(text) > _LONGEST_TEXT or one_line(text) != text:
        raise ValueError
    return text


INTEGER = _Value(_whole, "a whole number")
NUMBER = _Value(_number, "a number such as 0.001")
BOOLEAN = _Value(_boolean, "true or false")
TEXT = _Value(_text, "a name")
AUTO_INTEGER = _Value(_whole, "a whole number", ("auto",))
AUTO_TEXT = _Value(_text, "a name", ("auto",))
OPTIONAL_INTEGER = _Value(_whole, "a whole number", ("none",))
OPTIONAL_NUMBER = _Value(_number, "a number such as 1.5", ("none",))
OPTIONAL_TEXT = _Value(_text, "a name", ("none",))


def option(name: str, kind: click.ParamType, default: str, text: str) -> Callable[[Any], Any]:
    """An option that MLproject declares under `name`; --batch-size and --batch_size are the same."""
    spellings = dict.fromkeys((f"--{name.replace('_', '-')}", f"--{name}"))
    return click.option(*spellings, name, type=kind, default=default, show_default=True, help=text)


model_option = option(
    "model",
    AUTO_TEXT,
    "auto",
    "Run id, runs:/..., models:/... or checkpoint file; auto is models:/glass-liquid@DATASET.",
)
"""One saved model, for the commands that use it on a dataset."""
