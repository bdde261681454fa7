"""How long a training run takes to begin: python -m benchmarks.bench_start OLD NEW [--rounds 5].

OLD and NEW are two clones of this project, each with a dataset of its own version (`python -m entrypoints.make_data --simulations 60`
there), which run with this environment's packages, in turns. Measured is `mlflow run . -e train`, and the command that it starts
alone, from the start to the end of the first iteration, where the process ends; a round before warms up. A third project, `bare`,
only imports PyTorch and MLflow and opens its run: what no command that needs both can save.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import print_surroundings, print_table, processor_seconds_of_children, spread

HOOK = """
import importlib.util, os, sys, time

class Hook:
    def find_spec(self, name, path=None, target=None):
        if name != "glassliquid.training.trainer":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module
        def execute(module):
            run(module)
            iteration = module.Trainer._train_iteration
            def first(trainer):
                iteration(trainer)
                with open(os.environ["BENCH_START"], "w") as note:
                    note.write(str(time.time()))
                os._exit(0)
            module.Trainer._train_iteration = first
        spec.loader.exec_module = execute
        return spec

sys.meta_path.insert(0, Hook())
"""
"""Ends a process when the first iteration has ended, and notes when that was; Python imports it first."""
BARE_PROJECT = """
name: bare
entry_points:
  train:
    command: python -m entrypoints.train
"""
BARE = """
import gc, os, time
gc.disable()
import torch
import mlflow
mlflow.start_run()
with open(os.environ["BENCH_START"], "w") as note:
    note.write(str(time.time()))
os._exit(0)
"""
WAYS = {
    "mlflow run . -e train": ["-m", "mlflow", "run", ".", "-e", "train", "--env-manager", "local"],
    "the command alone": ["-m", "entrypoints.train"],
}


@dataclass(frozen=True)
class Start:
    """One start."""

    seconds: float
    """To the end of the first iteration."""
    processor_seconds: float
    """Of all processes; of `mlflow run` to its end, which comes a moment later."""


def start(project: Path, way: list[str], folder: Path) -> Start:
    """Start a training run in a clone; the store and the hook are in `folder`."""
    note = folder / "note"
    paths = os.pathsep.join(map(str, (folder, project / "src", project)))
    own = {
        "PYTHONPATH": paths,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / project.name}.db",
        "BENCH_START": str(note),
    }
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began, before = time.time(), processor_seconds_of_children()
    subprocess.run([sys.executable, *way], cwd=project, env=kept | own, check=True, capture_output=True)
    return Start(float(note.read_text(encoding="utf-8")) - began, processor_seconds_of_children() - before)


def bare_project(folder: Path) -> Path:
    """Write the project that only imports, and return its folder."""
    project = folder / "bare"
    (project / "entrypoints").mkdir(parents=True)
    (project / "MLproject").write_text(BARE_PROJECT, encoding="utf-8")
    (project / "entrypoints" / "train.py").write_text(BARE, encoding="utf-8")
    return project


def ratio(starts: Sequence[Start], old: Sequence[Start], field: str) -> str:
    """Median and range of the ratios of one figure, round by round."""
    pairs = zip(starts, old, strict=True)
    return spread([getattr(one, field) / getattr(before, field) for one, before in pairs])


def main() -> None:
    """Print a table for each way of starting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    projects = [options.old.resolve(), options.new.resolve()]
    print_surroundings(("mlflow", "torch"), "0")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "sitecustomize.py").write_text(HOOK, encoding="utf-8")
        projects.append(bare_project(folder))
        for name, way in WAYS.items():
            found: list[list[Start]] = [[] for _ in projects]
            for turn in range(options.rounds + 1):
                for place in (0, 1, 2) if turn % 2 else (2, 1, 0):
                    one = start(projects[place], way, folder)
                    if turn:
                        found[place].append(one)
            rows: list[tuple[str, ...]] = [
                (
                    project.name,
                    spread([one.seconds for one in starts]),
                    spread([one.processor_seconds for one in starts]),
                )
                for project, starts in zip(projects, found, strict=True)
            ]
            old, *others = found
            for label, starts in zip(("new against old", "bare against old"), others, strict=True):
                rows.append((label, *(ratio(starts, old, field) for field in ("seconds", "processor_seconds"))))
            print_table(name, ("project", "seconds", "processor seconds"), rows)


if __name__ == "__main__":
    main()
