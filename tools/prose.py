"""Check the English of the documentation and of what users read in src/ and entrypoints/: help, docstrings, messages.

python tools/prose.py              README.md and its like, docs/*.md, every string of four words or more in src/, entrypoints/
python tools/prose.py FILE ...     only these

The rules are proselint's. Code, in blocks, between backticks or as a placeholder of a message, is not looked at.
"""

import ast
import itertools
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from proselint.checks import __register__
from proselint.config import DEFAULT, Config
from proselint.registry import CheckRegistry
from proselint.tools import LintFile

ROOT = Path(__file__).resolve().parent.parent
NOT_OURS = {
    "typography.symbols": "quotes, dots and times signs are typed, so that messages show on every terminal",
    "typography.diacritical_marks": "to resume is not a curriculum vitae",
    "misc.phrasal_adjectives.ly": "a multiply-add has no adverb",
    "dates_times.am_pm": "256 A may be followed by m",
    "dates_times.dates": "400's and 2.0's are no decades, and 0.5 - 0.7 is no range of years",
}
"""Rules of proselint that are switched off, and why."""
OTHER_LANGUAGES = {"lammps.py", "dump_writer.py", "curves.py"}
"""Files whose strings are commands of LAMMPS, dumps and SVG."""
FEWEST_WORDS = 4
"""A string of fewer is a name, a format or a label."""
CODE = "\N{SNOWMAN}"
"""Stands in a text where code was."""
MARKDOWN_CODE = re.compile(
    r"^```.*?^```$"  # a fenced block
    r"|(?<=\n\n)(?: {4}.*\n+)+"  # an indented block
    r"|`+[^`]+`+"
    r"|\]\([^)]*\)",  # the address of a link
    re.MULTILINE | re.DOTALL,
)


def markdown_prose(text: str) -> str:
    """The text with code and addresses blanked, every line where it was; a heading is a sentence of its own."""
    return re.sub(r"^(#.*)$", r"\1.", _named(MARKDOWN_CODE.sub(_blank, text)), flags=re.MULTILINE)


def python_prose(text: str) -> str:
    """The strings of four words or more, each beginning on the line that it has in the source."""
    lines = [""] * (text.count("\n") + 2)
    tree = ast.parse(text)
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and id(node) not in inner):
            found = _words_of(node)
            if len(found.split()) >= FEWEST_WORDS:
                rows = (
                    found.split("\n")
                    if node.end_lineno - node.lineno >= found.count("\n")
                    else [" ".join(found.split())]
                )
                for place, row in enumerate(rows, start=node.lineno - 1):
                    lines[place] += f" {row.strip()}"
                lines[place] += "" if lines[place].endswith((".", ":", "?", "!")) else "."
    return _named("\n".join(lines))


def complaints(path: Path) -> Iterator[str]:
    """What proselint says of a file, one line each: where, rule, reason."""
    text = path.read_text(encoding="utf-8")
    prose = python_prose(text) if path.suffix == ".py" else markdown_prose(text)
    for found in LintFile(path.name, prose).lint(_rules()):
        line, column = found.pos
        yield f"{os.path.relpath(path, ROOT)}:{line}:{column}: {found.check_result.check_path}: {found.check_result.message}"


def _words_of(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(_words_of(part) if isinstance(part, ast.Constant) else CODE for part in node.values)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"``?[^`]+``?", _blank, node.value)
    return ""


def _blank(found: re.Match[str]) -> str:
    """As many lines of nothing; within a line, the sign that `_named` makes a word of."""
    return "\n" * found[0].count("\n") or CODE


def _named(text: str) -> str:
    """The text with another word for each piece of code and each name with an underscore, so that none seems to be repeated."""
    words = map("".join, itertools.product("BCDFGHJKLMNPQRSTVWXZ", repeat=4))
    return re.sub(rf"{CODE}|\b\w*_\w*\b", lambda _: next(words), text)


def _rules() -> Config:
    # The first that fits counts.
    return Config(max_errors=1000, checks={**dict.fromkeys(NOT_OURS, False), **DEFAULT["checks"]})


def main(arguments: list[str]) -> int:
    """Print the complaints; the exit code tells whether there are any."""
    CheckRegistry().register_many(__register__)
    every = [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        *ROOT.glob("src/**/*.py"),
        *ROOT.glob("entrypoints/*.py"),
    ]
    ours = sorted(path for path in every if path.name not in OTHER_LANGUAGES)
    paths = [Path(name).resolve() for name in arguments] or ours
    found = [line for path in paths for line in complaints(path)]
    print("\n".join(found) or f"{len(paths)} files: proselint has nothing to say.")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
