"""The tables of docs/RESULTS.md, read back from MLflow."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tabulate import tabulate

from glassliquid.evaluation.scores import wilson_interval
from glassliquid.physics.protocol import temperature


@dataclass(frozen=True)
class Runs:
    """The finished commands of a table: parameters and run id of each."""

    commands: Sequence[tuple[dict[str, Any], str]]

    @cached_property
    def client(self) -> Any:
        """MLflow's client."""
        from mlflow import MlflowClient

        from glassliquid.tracking.store import connect

        connect()
        return MlflowClient()

    def text(self, run_id: str, name: str) -> str:
        """A text artifact."""
        import mlflow

        _ = self.client
        return str(mlflow.artifacts.load_text(f"runs:/{run_id}/{name}"))

    def rows(self, run_id: str, name: str) -> list[dict[str, str]]:
        """A CSV artifact."""
        return list(csv.DictReader(io.StringIO(self.text(run_id, name))))


def datasets(runs: Runs) -> str:
    """A row a dataset: the best of the replicates by validation, and what all of them did."""
    head = (
        "dataset",
        "T of liquid, glass",
        "best: validation [%]",
        "best: test [%] (95 % interval)",
        "test of 3 [%]: mean (lowest to highest)",
        "collapsed",
    )
    rows = []
    for parameters, run_id in runs.commands:
        replicates = runs.rows(run_id, "replicates.csv")
        best = max(replicates, key=lambda row: (float(row["best_val_accuracy"]), -float(row["largest_drop"])))
        metrics = runs.client.get_run(best["run_id"]).data.metrics
        recipe = _recipe(runs, best["run_id"])
        images = round(metrics["test_images"])
        right = round(metrics["test_accuracy"] * images)
        tests = [float(row["test_accuracy"]) for row in replicates]
        collapsed = sum(row["collapsed"] == "true" for row in replicates)
        rows.append(
            (
                parameters["dataset"],
                f"{temperature(recipe[0]):.2f}, {temperature(recipe[1]):.2f}",
                f"{100 * float(best['best_val_accuracy']):.2f}",
                f"{_percent(right, images)}, {right} of {images}",
                f"{100 * sum(tests) / len(tests):.2f} ({100 * min(tests):.2f} to {100 * max(tests):.2f})",
                f"{collapsed} of {len(replicates)}",
            )
        )
    return _table(head, rows)


def schedules(runs: Runs) -> str:
    """A row a schedule: means and standard deviations over its replicates."""
    head = ("schedule", "best [%]", "final [%]", "test [%]", "largest drop [%]", "collapsed")
    names = ("best_val_accuracy", "final_val_accuracy", "test_accuracy", "largest_drop")
    rows = []
    for parameters, run_id in runs.commands:
        metrics = runs.client.get_run(run_id).data.metrics
        cells = [f"{100 * metrics[f'{name}_mean']:.2f} +- {100 * metrics[f'{name}_std']:.2f}" for name in names]
        rows.append((parameters["schedule"], *cells, f"{metrics['collapsed_runs']:.0f} of {metrics['replicates']:.0f}"))
    return _table(head, rows)


def transfer(runs: Runs) -> str:
    """The description of the run, which is sentence and table."""
    return "\n\n".join(str(runs.client.get_run(run_id).data.tags["mlflow.note.content"]) for _, run_id in runs.commands)


def matrix(runs: Runs) -> str:
    """A row a model, a column a liquid: accuracy in per cent."""
    _, run_id = runs.commands[0]
    rows = runs.rows(run_id, "transfer.csv")
    liquids = sorted({int(row["liquid"]) for row in rows})
    models = list(dict.fromkeys(row["trained_on"] for row in rows))
    found = {(row["trained_on"], int(row["liquid"])): row for row in rows}
    shown = [k for k in liquids if all((model, k) in found for model in models)]
    lines = [(model, *(f"{100 * float(found[model, k]['accuracy']):.1f}" for k in shown)) for model in models]
    return _table(("trained on", *(f"{k} (T = {temperature(k):.2f})" for k in shown)), lines)


def sweep(runs: Runs) -> str:
    """A row a batch size, a column a dropout: validation accuracy in per cent, and its largest drop."""
    _, run_id = runs.commands[0]
    rows = [row for row in runs.rows(run_id, "trials.csv") if row["state"] == "COMPLETE"]
    dropouts = sorted({float(row["dropout"]) for row in rows})
    sizes = sorted({int(float(row["batch_size"])) for row in rows})
    found = {(int(float(row["batch_size"])), float(row["dropout"])): row for row in rows}

    def cell(size: int, dropout: float) -> str:
        row = found.get((size, dropout))
        if row is None:
            return ""
        drop = 100 * float(row["largest_drop"])
        return f"{100 * float(row['val_accuracy']):.1f}" + (f" (fell {drop:.1f})" if drop >= 5 else "")

    lines = [(size, *(cell(size, dropout) for dropout in dropouts)) for size in sizes]
    return _table(("batch size", *(f"dropout {dropout:g}" for dropout in dropouts)), lines)


TABLES: dict[str, Callable[[Runs], str]] = {
    "datasets": datasets,
    "schedules": schedules,
    "transfer": transfer,
    "log": transfer,
    "matrix": matrix,
    "sweep": sweep,
}


def _recipe(runs: Runs, run_id: str) -> tuple[int, int]:
    """Liquid and glass index of a run's dataset."""
    from pathlib import Path

    from glassliquid.datasets.description import open_dataset

    dataset = open_dataset(Path("data/datasets") / runs.client.get_run(run_id).data.tags["dataset"])
    return dataset.recipe.liquid, dataset.recipe.glass


def _percent(right: int, count: int) -> str:
    low, high = wilson_interval(right, count)
    return f"{100 * right / count:.2f} ({100 * low:.1f} to {100 * high:.1f})"


def _table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    return tabulate(rows, [str(cell) for cell in head], "github", disable_numparse=True)
