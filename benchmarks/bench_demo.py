"""How long `make demo` takes in a fresh clone, with either engine: python -m benchmarks.bench_demo [--rounds 2].

Clones this project's last commit into a temporary folder for each turn (2 GB, removed after it), sets it up with `make venv` and
runs `make demo` there. The package caches should be warm, so a setting up before the first turn is not counted.
"""

import argparse
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import print_surroundings, print_table, processor_seconds_of_children, spread

ROOT = Path(__file__).parents[1]
ENGINES = ("lammps", "numba")
HIDDEN = (
    "PYTHONPATH",
    "PYTHONDONTWRITEBYTECODE",
    "VIRTUAL_ENV",
    "MLFLOW_TRACKING_URI",
    "MAKEFLAGS",
    "MAKELEVEL",
    "MFLAGS",
)
"""What a user's shell does not set."""


@dataclass(frozen=True)
class Cost:
    """What a command took."""

    seconds: float
    processor_seconds: float


@dataclass(frozen=True)
class Turn:
    """A demo in a fresh clone."""

    venv: Cost
    demo: Cost

    @property
    def seconds(self) -> float:
        """Both."""
        return self.venv.seconds + self.demo.seconds

    @property
    def processor_seconds(self) -> float:
        """Both."""
        return self.venv.processor_seconds + self.demo.processor_seconds


def turn(engine: str) -> Turn:
    """Set up a fresh clone and run the demo there."""
    with tempfile.TemporaryDirectory(prefix="glassliquid-bench-") as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        return Turn(made(clone, "venv"), made(clone, "demo", f"ARGS=-P engine={engine}"))


def made(clone: Path, *words: str) -> Cost:
    """Run make in a clone."""
    own = {name: value for name, value in os.environ.items() if name not in HIDDEN}
    began, before = time.monotonic(), processor_seconds_of_children()
    done = subprocess.run(["make", *words], cwd=clone, env=own, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"make {' '.join(words)} failed:\n{done.stdout}{done.stderr}")
    return Cost(time.monotonic() - began, processor_seconds_of_children() - before)


def main() -> None:
    """Print what either engine took, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    rounds = parser.parse_args().rounds
    print_surroundings(("numba", "lammps", "mlflow", "torch"), "0 and 1, the demo's")
    with tempfile.TemporaryDirectory(prefix="glassliquid-bench-") as folder:
        subprocess.run(["git", "clone", "-q", str(ROOT), f"{folder}/clone"], check=True)
        made(Path(folder) / "clone", "venv")
    found: dict[str, list[Turn]] = {engine: [] for engine in ENGINES}
    for number in range(rounds):
        for engine in ENGINES if number % 2 else ENGINES[::-1]:
            found[engine].append(turn(engine))
            print(f"{engine}: {found[engine][-1].seconds:.1f} s, load {os.getloadavg()[0]:.1f}", flush=True)
    rows = [
        (
            engine,
            spread([each.venv.seconds for each in turns], 1),
            spread([each.demo.seconds for each in turns], 1),
            spread([each.seconds for each in turns], 1),
            spread([each.processor_seconds for each in turns], 1),
        )
        for engine, turns in found.items()
    ]
    lammps, numba = found.values()
    ratios = [
        spread([getattr(ours, field) / getattr(theirs, field) for theirs, ours in zip(lammps, numba, strict=True)])
        for field in ("seconds", "processor_seconds")
    ]
    head = ("engine", "make venv [s]", "make demo after it [s]", "both [s]", "processor seconds")
    print_table("A fresh clone", head, [*rows, ("numba against lammps", "", "", *ratios)])


if __name__ == "__main__":
    main()
