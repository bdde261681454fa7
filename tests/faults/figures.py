"""The figures of a fault run: what was injected, lost, doubled. `python -m tests.faults.figures FOLDER` prints them as a table."""

import json
import os
import sys
from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

FOLDER_VARIABLE = "FAULTS_FIGURES"


@dataclass
class Tally:
    """What one kind of command went through."""

    command: str
    fault: str
    injected: int = 0
    compared: int = 0
    """Completed commands that were compared with undisturbed ones."""
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """Half-written files, open runs and processes that stayed behind."""
    different: list[str] = field(default_factory=list)
    """Results that differ from the undisturbed ones."""

    def count(self, what: str, found: Iterable[Hashable], expected: Iterable[Hashable]) -> None:
        """Compare things that must be there once each."""
        there, wanted = Counter(list(found)), set(expected)
        self.lost += [f"{what}: {thing}" for thing in wanted if thing not in there]
        self.doubled += [f"{what}: {thing}" for thing, times in there.items() if times > 1]
        self.different += [f"{what}: {thing} is new" for thing in there if thing not in wanted]

    def same(self, what: str, found: object, expected: object) -> None:
        """Compare two results."""
        if found != expected:
            self.different.append(f"{what}: {str(found)[:200]} instead of {str(expected)[:200]}")

    def settle(self) -> None:
        """Keep the figures, if somebody collects them, and insist that nothing was lost, doubled, changed or left."""
        if folder := os.environ.get(FOLDER_VARIABLE):
            row = {key: len(value) if isinstance(value, list) else value for key, value in asdict(self).items()}
            name = f"{self.command} {self.fault}".replace(" ", "-").replace("/", "-")
            (Path(folder) / f"{name}.json").write_text(json.dumps(row))
        assert self.injected
        assert not self.lost, self.lost
        assert not self.doubled, self.doubled
        assert not self.different, self.different
        assert not self.left, self.left


def note(sentence: str) -> None:
    """Keep a sentence beside the figures, if somebody collects them."""
    print(sentence)
    if folder := os.environ.get(FOLDER_VARIABLE):
        with (Path(folder) / "notes.txt").open("a") as file:
            file.write(sentence + "\n")


def table(folder: Path) -> str:
    """The rows of a folder as a Markdown table."""
    columns = [*Tally.__dataclass_fields__]
    rows = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    total = {key: sum(row[key] for row in rows) for key in columns[2:]}
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in [*rows, {"command": "all", "fault": "", **total}]:
        lines.append("| " + " | ".join(str(row[key]) for key in columns) + " |")
    notes = folder / "notes.txt"
    return "\n".join([*lines, "", *(notes.read_text().splitlines() if notes.exists() else [])])


if __name__ == "__main__":
    print(table(Path(sys.argv[1])))
