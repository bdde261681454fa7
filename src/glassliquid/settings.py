"""How settings are declared, once; checked when they are made; stored with a version, and read back from any older one.

A setting is a field of a class decorated with `@settings`: its type, default and bounds, and below it its sentence, which
`--help` shows. Options, the lines of MLproject, checks and the stored form follow from that.

    @settings
    class Example:
        batch_size: Annotated[int, Field(ge=1, le=10**9)] = 80
        '''Images in a batch.'''
        patience: Annotated[int | None, Field(ge=1), Absent("none")] = None
        '''Stop after this many validations without a better one.'''
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, dataclass_transform, get_args

import pydantic
from pydantic import ConfigDict, Field, GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from glassliquid.errors import UserError, check_choice, listed

__all__ = [
    "Absent",
    "Choice",
    "Field",
    "FromText",
    "fields_of",
    "restored",
    "settings",
    "settings_in",
    "stored",
    "whole_numbers",
]

Declared = TypeVar("Declared")
Upgrade = Callable[[dict[str, Any]], dict[str, Any]]
VERSION = "version"
"""Key of a stored form's version; what was stored before there were versions is of version 1."""
_CONFIG = ConfigDict(use_attribute_docstrings=True, arbitrary_types_allowed=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class Absent:
    """The word on a command line that stands for None: `none` (not given) or `auto` (choose for me)."""

    word: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let the word become None before the value is checked."""
        return _not_in_files(
            lambda value, _: None if isinstance(value, str) and value == self.word else value, handler(source)
        )


@dataclass(frozen=True)
class FromText:
    """How a value that is no single number or text is written on a command line: a list, or pairs."""

    read: Callable[[str], Any]
    """Raises ValueError for what is not such a text."""
    allowed: str
    """What may be passed, for error messages, such as `indices separated by commas, such as 5,200`."""
    write: Callable[[Any], str] = lambda values: ",".join(map(str, values))
    """The inverse of `read`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read a text before the value is checked."""

        def read(value: Any, info: core_schema.ValidationInfo) -> Any:
            if not isinstance(value, str):
                return value
            try:
                return self.read(value)
            except ValueError:
                raise UserError(f"{info.field_name} is {value!r}: pass {self.allowed}.") from None

        return _not_in_files(read, handler(source))


def _not_in_files(read: Callable[[Any, core_schema.ValidationInfo], Any], schema: CoreSchema) -> CoreSchema:
    """Read a value before it is checked, unless it is out of a file, which has null and lists for these texts."""
    return core_schema.json_or_python_schema(schema, core_schema.with_info_before_validator_function(read, schema))


def whole_numbers(text: str) -> tuple[int, ...]:
    """Read `5,100,200`; ValueError if it is not a list of whole numbers."""
    return tuple(int(part) for part in text.split(","))


@dataclass(frozen=True)
class Choice:
    """A closed choice; the names are asked for when a value is checked, so a registry may still grow."""

    names: Callable[[], Iterable[str]]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the name; the field's own name stands in the error message."""

        def check(value: Any, info: core_schema.ValidationInfo) -> Any:
            if value is not None:
                check_choice(info.field_name or "the value", value, self.names())
            return value

        return core_schema.with_info_after_validator_function(check, handler(source))


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(Field,))
def settings(cls: type[Declared]) -> type[Declared]:
    """Make a class a frozen, keyword-only dataclass whose values are checked when it is made.

    A class may have VERSION, the version of its stored form (1 if left out), and UPGRADES: for each older version a function
    that turns the stored form of that version into that of the next one. A field that is new needs a new version and no
    upgrade: older forms get its default.
    """
    made: Any = pydantic.dataclasses.dataclass(cls, frozen=True, kw_only=True, config=_CONFIG)
    # pydantic looks for a field's sentence in the class itself alone.
    for base in cls.__bases__:
        for name, field in getattr(base, "__pydantic_fields__", {}).items():
            made.__pydantic_fields__[name].description = made.__pydantic_fields__[name].description or field.description
    check = made.__init__

    def checked(self: Any, **values: Any) -> None:
        try:
            check(self, **values)
        except ValidationError as error:
            raise UserError(_sentence(made, error)) from None

    made.__init__ = checked
    return made  # type: ignore[no-any-return]


def fields_of(cls: type[Any]) -> Mapping[str, FieldInfo]:
    """The settings of a class by name: default, type, bounds and sentence (`description`)."""
    fields: Mapping[str, FieldInfo] = cls.__pydantic_fields__
    return fields


def settings_in(field: FieldInfo) -> type[Any] | None:
    """The class of settings that a setting's value is an instance of, if it is one."""
    kinds = get_args(field.annotation) or (field.annotation,)
    return next((kind for kind in kinds if hasattr(kind, "__pydantic_fields__")), None)


def stored(value: Any) -> dict[str, Any]:
    """Settings as JSON values, with the version of their form, and of each class of settings inside that has one."""
    values: dict[str, Any] = json.loads(TypeAdapter(type(value)).dump_json(value))
    for name, field in fields_of(type(value)).items():
        inner = settings_in(field)
        if inner is not None and hasattr(inner, "VERSION") and values.get(name) is not None:
            values[name] = stored(getattr(value, name))
    return {VERSION: _version(type(value)), **values}


def restored(cls: type[Declared], value: Any, what: str, remedy: str = "choose another file") -> Declared:
    """Settings out of a file, of any version up to today's.

    Args:
        cls: the class of settings.
        value: what `stored` gave, of this version of the program or an earlier one.
        what: what is read, for error messages, such as `The checkpoint's settings`.
        remedy: what to do about one that is damaged, for error messages.

    Raises:
        UserError: it is damaged, has settings that are unknown, or was written by a newer version of the program.
    """
    present = _up_to_date(cls, value, what, remedy)
    try:
        # As JSON, whose strict reading takes lists for tuples, and neither texts nor true for numbers.
        return TypeAdapter(cls).validate_json(json.dumps(present), strict=True)
    except ValidationError as error:
        reason = _sentence(cls, error)
    except (UserError, TypeError, ValueError, RecursionError) as error:
        reason = str(error)
    raise UserError(f"{what} are damaged ({reason.rstrip('.')}): {remedy}.")


def _up_to_date(cls: type[Any], value: Any, what: str, remedy: str) -> dict[str, Any]:
    """The stored form in today's version."""
    if not isinstance(value, dict):
        raise UserError(f"{what} are damaged (they are not a table of values): {remedy}.")
    present = dict(value)
    version = present.pop(VERSION, 1)
    if type(version) is not int or version < 1:
        raise UserError(f"{what} are damaged (their version is {str(version)[:40]!r}): {remedy}.")
    newest = _version(cls)
    if version > newest:
        raise UserError(
            f"{what} are of version {version}, but this program reads only up to {newest}: use the newer version of glassliquid that wrote them."
        )
    upgrades: Mapping[int, Upgrade] = getattr(cls, "UPGRADES", {})
    for older in range(version, newest):
        present = upgrades[older](present) if older in upgrades else present
    if unknown := sorted(present.keys() - fields_of(cls).keys()):
        raise UserError(
            f"{what} have {listed(repr(name)[:60] for name in unknown[:3])}, which this version of glassliquid does not "
            f"know: use the version that wrote them, or {remedy}."
        )
    for name, field in fields_of(cls).items():
        inner = settings_in(field)
        if inner is not None and isinstance(present.get(name), dict):
            present[name] = _up_to_date(inner, present[name], f"{what}, in {name},", remedy)
    return present


def _version(cls: type[Any]) -> int:
    return int(getattr(cls, "VERSION", 1))


def _sentence(cls: type[Any], error: ValidationError) -> str:
    """The first thing that is wrong with some settings, in one sentence."""
    first = error.errors(include_url=False)[0]
    places, value = [str(place) for place in first["loc"]], first["input"]
    name = ".".join(places) or "the settings"
    field = fields_of(cls).get(places[0]) if places else None
    if first["type"] == "missing":
        return f"{name} is missing: pass it."
    if len(places) == 2 and places[1].isdigit():
        name = places[0]  # a value in a list: the value itself says which one
    if field is not None and first["type"] in ("greater_than_equal", "less_than_equal", "greater_than", "less_than"):
        return f"{name} is {value}, {_bounds(field, first['ctx'])}"
    shown = repr(value) if isinstance(value, str) else str(value)
    return f"{name} is {shown[:200]}: {_allowed(field, first)}"


def _bounds(field: FieldInfo, exceeded: Mapping[str, Any]) -> str:
    """What a number may be, for a value that is outside; of a number in a list the bound that it exceeds."""
    kinds = ("ge", "gt", "le", "lt")
    limits = {kind: getattr(rule, kind) for rule in field.metadata for kind in kinds if hasattr(rule, kind)} or exceeded
    if "ge" in limits and "le" in limits:
        return f"outside the allowed range {limits['ge']} to {limits['le']}: pass a value in that range."
    if limits.get("gt") == 0:
        upper = f" up to {limits['le']}" if "le" in limits else ""
        return f"but it must be greater than zero: pass a positive number{upper}."
    words = {"ge": "at least", "gt": "greater than", "le": "at most", "lt": "less than"}
    return (
        f"but it must be {' and '.join(f'{words[kind]} {limit}' for kind, limit in limits.items())}: pass such a value."
    )


def _allowed(field: FieldInfo | None, first: Any) -> str:
    """What may be passed instead, from the kind of the mistake."""
    kinds = {"int": "a whole number", "float": "a number such as 0.001", "bool": "true or false", "string": "text"}
    kind = next((words for start, words in kinds.items() if first["type"].startswith(start)), None)
    if first["type"] == "finite_number":
        kind = kinds["float"]
    if kind is None:
        return f"{first['msg'][:200]}."
    absent = [rule.word for rule in field.metadata if isinstance(rule, Absent)] if field is not None else []
    return f"pass {' or '.join([kind, *absent])}."
