"""The words of CONTRIBUTING.md: expressions that no native speaker writes, and what to write in their place."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
INSTEAD = {
    r"\bgo(es|ing)? on on\b": "continue on",
    r"\banew\b": "again",
    r"\bmend(s|ed|ing)?\b": "correct, fix",
    r"\b(is|are|was) no plain files?\b": "is not a regular file",
    r"\ba row an image\b": "one row per image",
    r"\ba line each\b": "one line each",
    r"\bflattering\b": "optimistically biased",
    r"\bfor ever\b": "forever",
    r"(?<!-)\b[Tt]rainings\b": "training runs",
    r"\bties of the best\b": "ties for the best",
}
"""Patterns to what is written instead."""
FOLDERS = ("benchmarks", "docs", "entrypoints", "src", "tests", "tools")
ENDINGS = {".py", ".md", ".html", ".sh", ".toml"}
NOT_OURS = {ROOT / "tests" / "test_prose.py", ROOT / "CONTRIBUTING.md", ROOT / "results_log.html"}
"""Two that name what is not to be written, and what `report` writes."""
TEXTS = {
    path: path.read_text(encoding="utf-8").splitlines()
    for path in (*ROOT.glob("*"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*")))
    if path.is_file() and (path.suffix in ENDINGS or path.name in {"Makefile", "MLproject"}) and path not in NOT_OURS
}


@pytest.mark.parametrize("pattern", INSTEAD)
def test_nobody_writes(pattern: str):
    """Neither in documentation nor in messages, help, comments or names of tests."""
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path, lines in TEXTS.items()
        for number, line in enumerate(lines, start=1)
        if re.search(pattern, line)
    ]
    assert not found, f"write {INSTEAD[pattern]!r}: {found}"


def checked(path: Path, text: str) -> str:
    """What tools/prose.py prints of a file with this text."""
    path.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "tools/prose.py", path], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout


def test_the_prose_check_reads_sentences_and_passes_over_code(tmp_path: Path):
    page = "# A page\n\nIt is is here.\n\n    it is is code\n\nAs `is is` and this is, in [a place](is/is/very/very).\n"
    assert re.findall(r":(\d+):\d+: lexical_illusions", checked(tmp_path / "page.md", page)) == ["3"]
    module = 'NAME = "is is"\n\n\ndef f(it):\n    """What it is is this."""\n    return f"There {it} {it} is nothing wrong here."\n'
    assert re.findall(r":(\d+):\d+: lexical_illusions", checked(tmp_path / "module.py", module)) == ["5"]
