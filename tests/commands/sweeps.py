"""What the tests of sweeps share: small studies, and how their runs are looked at."""

import csv
import io
import time
from collections.abc import Callable

import mlflow

SMALL = {"batch_sizes": "4,8", "iterations": 4, "eval_every": 2, "pruner": "none", "register_as": "none"}
FOUND = {**SMALL, "model": "structure"}
"""Trials that learn at once: none of those above is better than chance on 6 images."""
LONG = {**SMALL, "iterations": 20, "eval_every": 10, "trials": 12, "jobs": 2}
"""Trials that take a second or more, so that there is a middle of a sweep to kill something in."""


def sweeps(store: mlflow.MlflowClient, study: str) -> list:
    return store.search_runs(["0"], f"tags.stage = 'sweep' and tags.study = '{study}'")


def trials(store: mlflow.MlflowClient, study: str) -> list:
    return store.search_runs(["0"], f"tags.stage = 'trial' and tags.study = '{study}'", max_results=1000)


def table(store: mlflow.MlflowClient, study: str) -> list[dict[str, str]]:
    (parent,) = sweeps(store, study)
    text = mlflow.artifacts.load_text(f"runs:/{parent.info.run_id}/trials.csv")
    return list(csv.DictReader(io.StringIO(text)))


def states(store: mlflow.MlflowClient, study: str) -> list[str]:
    return sorted(run.data.tags["optuna_state"] for run in trials(store, study))


def wait_for(condition: Callable[[], object], within_s: float = 120) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


def running(store: mlflow.MlflowClient, study: str) -> list:
    return [run for run in trials(store, study) if run.info.status == "RUNNING"]


def assert_complete(store: mlflow.MlflowClient, study: str, count: int, killed: int) -> None:
    """`count` complete trials, each once, in the table and on the page; the killed ones marked; nothing else."""
    rows = table(store, study)
    assert [row["state"] for row in rows].count("COMPLETE") == count
    assert [row["state"] for row in rows].count("KILLED") == killed
    assert len(rows) == count + killed
    # Each killed trial was run again with the same settings.
    again = {row["again_after"]: row for row in rows if row["again_after"]}
    for row in rows:
        if row["state"] == "KILLED":
            assert (again[row["trial"]]["batch_size"], again[row["trial"]]["dropout"]) == (
                row["batch_size"],
                row["dropout"],
            )
    by_run = {run.info.run_id: run for run in trials(store, study)}
    for row in rows:
        if row["run_id"]:
            run = by_run.pop(row["run_id"])
            assert run.data.tags["optuna_state"] == row["state"]
            assert run.info.status == {"COMPLETE": "FINISHED", "KILLED": "KILLED"}[row["state"]]
    assert not by_run
