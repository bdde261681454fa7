"""Settings as the parameters of a command: each under its name, with its default and its value as texts.

A setting that is itself a class of settings stands for all of its own; `Part` says which of them, if not all.
"""

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from glassliquid.errors import UserError, check_choice, one_line
from glassliquid.settings import Absent, Choice, FromText, fields_of, settings_in

Declared = TypeVar("Declared")
_LONGEST_TEXT = 1900
"""Characters of a parameter; all 201 snapshot indices, or forty models, are fewer."""
_KINDS = {bool: "true|false", int: "INTEGER", float: "NUMBER", str: "TEXT", Path: "PATH"}


@dataclass(frozen=True)
class Part:
    """Which settings of a class inside another one are parameters, if not all: `only` these, or all `without` those."""

    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def has(self, name: str) -> bool:
        """Whether a setting is a parameter."""
        return name in self.only if self.only else name not in self.without


@dataclass(frozen=True)
class Parameter:
    """One parameter of a command."""

    name: str
    sentence: str
    """What it is, for `--help`."""
    kind: str
    """What it takes: INTEGER, NUMBER, TEXT, PATH, LIST, or the choices with bars between them; and the word for None."""
    default: str
    """As a text; the parameter is required if it is empty."""
    is_number: bool
    """Whether every value of it is a number: no word such as `auto` stands for one."""


def parameters_of(cls: type[Any], part: Part | None = None) -> Iterator[Parameter]:
    """The parameters of a class of settings, in the order of its fields."""
    for name, field, inner in _fields(cls, part):
        if inner is None:
            yield _parameter(name, field)
        else:
            yield from parameters_of(inner, _rule(field, Part))


def from_texts(cls: type[Declared], texts: Mapping[str, str], part: Part | None = None) -> Declared:
    """The settings that the texts of a command line say; what they leave out has its default.

    Raises:
        UserError: a text is no value of its setting, or no text that a file system and a terminal take.
    """
    values: dict[str, Any] = {}
    for name, field, inner in _fields(cls, part):
        if inner is not None:
            values[name] = from_texts(inner, texts, _rule(field, Part))
        elif name in texts:
            values[name] = _checked(name, texts[name], field)
    return cls(**values)


def to_texts(value: Any, part: Part | None = None) -> dict[str, str]:
    """Every parameter as the command line has it that gives these settings."""
    texts: dict[str, str] = {}
    for name, field, inner in _fields(type(value), part):
        if inner is not None:
            texts |= to_texts(getattr(value, name), _rule(field, Part))
        else:
            texts[name] = _text(getattr(value, name), field)
    return texts


def changed_texts(value: Any) -> dict[str, str]:
    """The parameters that differ from their defaults."""
    defaults = {each.name: each.default for each in parameters_of(type(value))}
    return {name: text for name, text in to_texts(value).items() if text != defaults[name]}


def positional(number: float) -> str:
    """The shortest text that is exactly this number, without an exponent, which `mlflow run` would keep as another text."""
    return format(Decimal(repr(float(number))), "f")


def _parameter(name: str, field: FieldInfo) -> Parameter:
    kind, choice, absent = _type(field), _rule(field, Choice), _rule(field, Absent)
    shown = "|".join(choice.names()) if choice is not None else _KINDS.get(kind, "LIST")
    if absent is not None:
        shown += f"|{absent.word}"
    default = field.get_default(call_default_factory=True)
    text = "" if default is PydanticUndefined else _text(default, field)
    return Parameter(name, field.description or "", shown, text, kind in (int, float) and absent is None)


def _checked(name: str, text: str, field: FieldInfo) -> Any:
    """A text that may become a value, without blanks at its ends and with `~` for the home folder in a path.

    pydantic would take more for true and false than these two words.
    """
    absent, choice = _rule(field, Absent), _rule(field, Choice)
    if absent is not None and text.strip() == absent.word:
        return None
    # Neither a file system, nor a database, nor a terminal takes such texts well.
    if not text.strip() or len(text) > _LONGEST_TEXT or one_line(text) != text:
        words = {int: "a whole number", float: "a number such as 0.001", bool: "true or false"}
        alternative = "" if absent is None else f" or {absent.word}"
        raise UserError(f"{name} is {text!r}: pass {words.get(_type(field), 'a name')}{alternative}.")
    if _type(field) is bool and text.lower() not in ("true", "false"):
        raise UserError(f"{name} is {text!r}: pass true or false.")
    if _type(field) is Path and text.strip().startswith("~"):
        try:
            return Path(text.strip()).expanduser()
        except RuntimeError:  # of a user who is not known
            raise UserError(f"{name} is {text!r}, but there is no such home folder: write the path in full.") from None
    if choice is not None and absent is not None:  # the value's own check does not know the word
        check_choice(name, text.strip(), [*choice.names(), absent.word])
    return text.strip()


def _text(value: Any, field: FieldInfo) -> str:
    absent, form = _rule(field, Absent), _rule(field, FromText)
    if value is None:
        return absent.word if absent is not None else "none"
    if form is not None:
        return form.write(value)
    if isinstance(value, bool):
        return str(value).lower()
    return positional(value) if isinstance(value, float) else str(value)


def _type(field: FieldInfo) -> Any:
    """The type of a setting's value when it is not None."""
    annotation: Any = field.annotation
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(each for each in get_args(annotation) if each is not type(None))
    return annotation


def _fields(cls: type[Any], part: Part | None) -> Iterator[tuple[str, FieldInfo, type[Any] | None]]:
    """Name and field of each setting, and the class of settings that it is, if it is one and is not read from a text."""
    for name, field in fields_of(cls).items():
        if part is None or part.has(name):
            yield name, field, settings_in(field) if _rule(field, FromText) is None else None


def _rule(field: FieldInfo, kind: type[Declared]) -> Declared | None:
    return next((rule for rule in field.metadata if isinstance(rule, kind)), None)
