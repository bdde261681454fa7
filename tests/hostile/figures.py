"""The figures of hostile inputs: what was generated and what became of it. `python -m tests.hostile.figures FOLDER` prints them."""

import json
import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

FOLDER_VARIABLE = "HOSTILE_FIGURES"


@dataclass
class Tally:
    """What became of the inputs of one kind."""

    target: str
    generated: int = 0
    rejected: int = 0
    """Refused with one sentence."""
    accepted: int = 0
    """Still valid, and what came of them was checked."""
    executed: int = 0
    wrote_outside: int = 0
    hung: int = 0
    tracebacks: int = 0
    peak_mib: float = 0.0
    """The most memory that one input took beyond what the process had before."""
    faults: list[str] = field(default_factory=list)


COLUMNS = ("target", "generated", "rejected", "accepted", "executed", "wrote_outside", "hung", "tracebacks", "peak_mib")
HEADS = (
    *("target", "generated", "refused in one sentence", "accepted as valid", "executed code", "wrote outside", "hung"),
    *("tracebacks", "peak memory [MiB]"),
)


def keep(tally: Tally) -> None:
    """Keep the figures, if somebody collects them."""
    if folder := os.environ.get(FOLDER_VARIABLE):
        name = "".join(letter if letter.isalnum() else "-" for letter in tally.target)
        (Path(folder) / f"{name}.json").write_text(json.dumps(asdict(tally)))


def table(folder: Path) -> str:
    """The rows of a folder as a Markdown table."""
    rows = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    total = {key: sum(row[key] for row in rows) for key in COLUMNS[1:-1]}
    peak = max((row["peak_mib"] for row in rows), default=0.0)
    lines = ["| " + " | ".join(HEADS) + " |", "|" + "---|" * len(HEADS)]
    for row in [*rows, {"target": "all", **total, "peak_mib": peak}]:
        lines.append("| " + " | ".join(str(row[key]) for key in COLUMNS) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(Path(sys.argv[1])))
