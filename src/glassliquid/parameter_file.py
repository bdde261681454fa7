"""Parameters of an entry point in a YAML file, such as `batch_size: 50`: read as texts of a command line, and written."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from glassliquid.errors import UserError, did_you_mean, first_line_of, listed
from glassliquid.files import read_plain
from glassliquid.parameters import Parameter, positional

ENTRY_POINT = "entry_point"
"""Key of a file that says which entry point its parameters are for."""
LARGEST_FILE = 1 << 20
"""Bytes."""


def read_parameters(
    path: Path, entry_point: str, parameters: Iterable[Parameter], owners: Callable[[str], Sequence[str]]
) -> dict[str, str]:
    """The parameters in a file, as texts.

    Args:
        path: the file.
        entry_point: whose parameters they have to be.
        parameters: those that it has.
        owners: the entry points that have a parameter of some name.

    Raises:
        UserError: the file is no YAML, or has a name or a value that is none of the entry point's.
    """
    what = f"The config file {path}"
    found = _table(path, what)
    stated = found.pop(ENTRY_POINT, entry_point)
    if stated != entry_point:
        raise UserError(
            f"{what} is for the entry point {stated!s:.60}, not for {entry_point}: run that, or choose another file."
        )
    known = {each.name: each for each in parameters}
    texts = {}
    for key, value in found.items():
        name = "null" if key is None else str(key)  # a parameter that YAML takes for nothing
        if name not in known:
            others = owners(name)
            whose = f", but of {listed(others)}" if others else ""
            raise UserError(
                f"{what} has {name[:60]!r}, which is not a parameter of {entry_point}{whose}{did_you_mean(name, known)}: correct it "
                "or leave it out."
            )
        texts[name] = _text(what, known[name], value)
    return texts


def written(entry_point: str, texts: Mapping[str, str], parameters: Iterable[Parameter], about: str) -> str:
    """The content of a file.

    Args:
        entry_point: whose parameters they are.
        texts: the parameters.
        parameters: those that it has; others are left out.
        about: a comment at its head, one line.
    """
    values: dict[str, Any] = {ENTRY_POINT: entry_point}
    values |= {each.name: _value(each, texts[each.name]) for each in parameters if each.name in texts}
    return f"# {about}\n{yaml.safe_dump(values, sort_keys=False, allow_unicode=True)}"


def _table(path: Path, what: str) -> dict[Any, Any]:
    if path.exists() and not path.is_file():
        raise UserError(f"{what} is not a regular file: pass the path of a YAML file.")
    try:
        text = read_plain(path, LARGEST_FILE).decode("utf-8")
        _refuse_twice(what, yaml.compose(text, yaml.SafeLoader))
        found = yaml.safe_load(text)
    except FileNotFoundError:
        raise UserError(f"There is no config file {str(path)!r}: correct its path.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(
            f"{what} cannot be read ({' '.join(str(error).split())[:200] or first_line_of(error)}): correct it."
        ) from None
    if not isinstance(found, dict):
        raise UserError(f"{what} is not a table of parameters: write lines such as `batch_size: 50`.")
    return found


def _refuse_twice(what: str, node: yaml.Node | None) -> None:
    """A name that stands there twice; YAML's reader would take the last one without a word."""
    if isinstance(node, yaml.MappingNode):
        names = [key.value for key, _ in node.value if isinstance(key.value, Hashable)]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise UserError(f"{what} has {str(twice)[:60]!r} twice: leave one of them out.")


def _text(what: str, parameter: Parameter, value: Any) -> str:
    """A value as the text of a command line."""
    if isinstance(value, list) and all(isinstance(each, str | int | float) for each in value):
        return ",".join(_text(what, parameter, each) for each in value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return positional(value) if abs(value) < float("inf") else str(value)
    if isinstance(value, str | int | date):
        return str(value)
    kind = "nothing" if value is None else "a table" if isinstance(value, dict) else "no single value"
    example = f", such as {parameter.default}," if parameter.default else ""
    raise UserError(f"{what} has {kind} as {parameter.name}: write one value{example} or leave it out.")


def _value(parameter: Parameter, text: str) -> Any:
    """A text as a file shows it."""
    if text in ("true", "false"):
        return text == "true"
    if not parameter.is_number:
        return text
    number = float(text)
    return int(number) if number.is_integer() and "." not in text else number
