"""A table of temperatures: which files or folders of a series are at which temperature, and of which simulation.

A row has a path below the folder of the files (a file, a folder, or a pattern such as `a*/conf.dump`), its temperature and, if the
names do not tell it, the number of its simulation; columns are separated by commas, semicolons, tabs or blanks. A first row of
words names the columns, which may then be in any order.
"""

import fnmatch
import re
from dataclasses import dataclass
from pathlib import Path

from glassliquid.errors import UserError, listed
from glassliquid.files import read_plain

ENDINGS = (".csv", ".tsv", ".txt", ".dat")
LARGEST_TABLE = 1 << 24
"""Bytes: some hundred thousand rows."""
COLUMNS = {
    "file": ("file", "folder", "path", "name"),
    "temperature": ("temperature", "t", "temp", "kt"),
    "simulation": ("simulation", "seed", "run", "number"),
}
"""What a column is, and what its head may call it, in small letters."""


@dataclass(frozen=True)
class Row:
    """One row."""

    path: str
    temperature: float
    simulation: int | None

    def matches(self, name: str) -> bool:
        """Whether a file's path below the folder is meant."""
        return name == self.path or name.startswith(f"{self.path}/") or fnmatch.fnmatchcase(name, self.path)


def is_table(told: str) -> bool:
    """Whether a setting names a table, and not a word."""
    return told.lower().endswith(ENDINGS)


def read_table(path: Path) -> list[Row]:
    """The rows of a table.

    Raises:
        UserError: it is missing, or has a line that is no row; the message names the line.
    """
    try:
        lines = read_plain(path, LARGEST_TABLE).decode("utf-8-sig", "replace").splitlines()
    except FileNotFoundError as error:
        raise UserError(f"temperature is {str(path)!r}, but there is no such table: check the path.") from error
    rows: list[Row] = []
    order: tuple[str, ...] = tuple(COLUMNS)
    for number, line in enumerate(lines, start=1):
        fields = _fields(line)
        if not fields:
            continue
        if not rows and order == tuple(COLUMNS) and (named := _head(fields)):
            order = named
            continue
        rows.append(_row(dict(zip(order, fields, strict=False)), len(fields), f"{path}, line {number}: {line[:60]!r}"))
    if not rows:
        raise UserError(f"{path} has no rows: write one line for each file or folder, with its temperature.")
    return rows


def row_of(rows: list[Row], name: str, table: Path) -> Row:
    """The row of a file.

    Args:
        rows: of the table.
        name: path of the file below the folder, with slashes.
        table: for error messages.

    Raises:
        UserError: there is none, or there are several that differ.
    """
    found = {row for row in rows if row.matches(name)}
    if len(found) != 1:
        several = f"several rows of {table} ({listed(sorted(row.path for row in found)[:3])})"
        raise UserError(
            f"{name} is in {several if found else f'no row of {table}'}: give each file or its folder one row, or choose files by name, as "
            "files=PATTERN."
        )
    return found.pop()


def _fields(line: str) -> list[str]:
    """The fields of a line; none if it is empty or a comment."""
    line = line.strip()
    if not line or line.startswith("#"):
        return []
    separator = next((each for each in (",", ";", "\t") if each in line), None)
    return [field.strip().strip("\"'") for field in line.split(separator)]


def _head(fields: list[str]) -> tuple[str, ...]:
    """The columns that a head names; empty if the line is none."""
    known = {word: column for column, words in COLUMNS.items() for word in words}
    columns = tuple(known.get(field.lower(), "") for field in fields)
    return columns if "file" in columns and "temperature" in columns else ()


def _row(fields: dict[str, str], there: int, where: str) -> Row:
    try:
        if there > len(COLUMNS) or not re.fullmatch(r"[+-]?[0-9.]+([eE][+-]?[0-9]+)?", fields["temperature"]):
            raise ValueError
        number = fields.get("simulation", "")
        return Row(
            fields["file"].removeprefix("./").strip("/"),
            float(fields["temperature"]),
            int(number) if number else None,
        )
    except (KeyError, ValueError) as error:
        raise UserError(
            f"{where} does not have a file or folder, its temperature and optionally the number of its simulation: correct the line."
        ) from error
