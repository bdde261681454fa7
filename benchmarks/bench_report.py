"""How long the results log of 200 runs takes, and how large it is: python -m benchmarks.bench_report.

Fills a tracking database with runs as the entry points leave them (parameters, tags, curves of 1,500 iterations as in
the research log, pictures and tables as artifacts), then times `report` as its user starts it, in a process of its own.
With `--keep FOLDER` the database and the page stay there, to look at.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.report import print_surroundings, print_table
from glassliquid.datasets.draw import DrawConfig, draw
from glassliquid.plots.images import examples_figure

SEED = 1
ITERATIONS, EVAL_EVERY = 1_500, 5
DATASETS = (5, 15, 35, 60, 171)
RUNS = {
    "training runs": 150,
    "replicate parents": 2,
    "replicates": 16,
    "sweep": 1,
    "trials": 20,
    "transfer": 5,
    "failed": 1,
}
"""With a make_data run a dataset these are 200."""
DAY_MS = 86_400_000
START_MS = 1_511_654_400_000
"""2017-11-26, the first day of the research log."""
LARGEST_BATCH = 1000


class Store:
    """A tracking database and a clock that moves on by a few hours from run to run."""

    def __init__(self, folder: Path) -> None:
        """Make the database in `folder`."""
        import mlflow

        mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
        self.client = mlflow.MlflowClient()
        self.experiment = self.client.create_experiment("results", artifact_location=str(folder / "artifacts"))
        self.now = START_MS
        self.made = 0

    def run(
        self,
        name: str,
        tags: dict[str, str],
        params: dict[str, Any] | None = None,
        metrics: dict[str, float] | None = None,
        curves: dict[str, list[tuple[int, float]]] | None = None,
        note: str = "",
        parent: str | None = None,
        status: str = "FINISHED",
    ) -> str:
        """Keep one run; return its id."""
        from mlflow.entities import Metric, Param

        self.now += DAY_MS // 10
        self.made += 1
        tags = {**tags, "mlflow.runName": name, "mlflow.note.content": note, "git_commit": "0" * 40}
        if parent is not None:
            tags["mlflow.parentRunId"] = parent
        run_id = str(self.client.create_run(self.experiment, self.now, tags).info.run_id)
        points = [Metric(key, value, self.now, step) for key, curve in (curves or {}).items() for step, value in curve]
        points += [Metric(key, value, self.now, 0) for key, value in (metrics or {}).items()]
        self.client.log_batch(run_id, params=[Param(key, str(value)) for key, value in (params or {}).items()])
        for start in range(0, len(points), LARGEST_BATCH):
            self.client.log_batch(run_id, metrics=points[start : start + LARGEST_BATCH])
        self.client.set_terminated(run_id, status, self.now + 600_000)
        return run_id


def fill(folder: Path) -> int:
    """Fill a database in `folder`; return the number of runs."""
    store, rng = Store(folder), np.random.default_rng(SEED)
    for liquid in DATASETS:
        _make_data(store, liquid, rng)
    for number in range(RUNS["training runs"]):
        _training(store, rng, DATASETS[number % len(DATASETS)], f"V{number // 2 + 1}-S1-T{number % 2 + 1}")
    for parent in range(RUNS["replicate parents"]):
        _replicates(store, rng, DATASETS[parent], RUNS["replicates"] // RUNS["replicate parents"])
    _sweep(store, rng, RUNS["trials"])
    for liquid in DATASETS:
        _transfer(store, liquid)
    store.run(
        "compact data_liquid99 batch 80",
        {"stage": "train", "error": "There is no dataset 'data_liquid99': make it with make_data."},
        status="FAILED",
    )
    return store.made


def _make_data(store: Store, liquid: int, rng: np.random.Generator) -> None:
    run_id = store.run(f"make_data data_liquid{liquid}", {"stage": "make_data", **_data_tags(liquid)}, note="Dataset.")
    liquid_image, glass_image = (_particles(rng) for _ in range(2))
    store.client.log_figure(run_id, examples_figure(liquid_image, glass_image, "liquid", "glass"), "examples.png")
    recipe = {"liquid": liquid, "glass": 200, "ensemble": "demo", "inherent": False, "image_size": 128}
    temperatures = {"liquid": 2 - 1.95 * liquid / 200, "glass": 0.05}
    images = {"train": 560, "validation": 120, "test": 120}
    store.client.log_dict(run_id, {"recipe": recipe, "temperatures": temperatures, "images": images}, "dataset.json")


def _training(
    store: Store, rng: np.random.Generator, liquid: int, label: str, parent: str | None = None, stage: str = "train"
) -> tuple[str, dict[str, float]]:
    schedule = str(rng.choice(["threshold", "constant", "step"]))
    collapses = schedule == "constant" and rng.random() < 0.4
    curves = _curves(rng, collapses)
    accuracy = [value for _, value in curves["val_accuracy"]]
    metrics = {
        "best_val_accuracy": max(accuracy),
        "final_val_accuracy": accuracy[-1],
        "largest_drop": 0.49 if collapses else float(rng.uniform(0, 0.05)),
        "best_iteration": float(EVAL_EVERY * (1 + int(np.argmax(accuracy)))),
        "test_accuracy": 119 / 120,
        "test_accuracy_low": 0.954,
        "test_accuracy_high": 0.999,
        "test_images": 120.0,
    }
    version, step, trial = (part[1:] for part in label.split("-"))
    params: dict[str, Any] = {
        "model": "compact",
        "batch_size": int(rng.choice([10, 20, 30, 50, 80, 100])),
        "learning_rate": 0.001,
        "final_learning_rate": 0.0001,
        "schedule": schedule,
        "schedule_length": 550,
        "eta_threshold": "0.9",
        "l2": 0.01,
        "dropout": 0.5,
        "augment": True,
        "seed": int(rng.integers(1000)),
        "iterations": ITERATIONS,
    }
    tags = {"stage": stage, "version": version, "step": step, "trial": trial, **_data_tags(liquid)}
    tags["collapsed"] = str(collapses).lower()
    name = f"{label} compact data_liquid{liquid} batch {params['batch_size']}"
    return store.run(name, tags, params, metrics, curves, parent=parent), {
        **metrics,
        "batch_size": params["batch_size"],
    }


def _curves(rng: np.random.Generator, collapses: bool) -> dict[str, list[tuple[int, float]]]:
    step = np.arange(1, ITERATIONS + 1)
    rise = 1 / (1 + np.exp(-(step - rng.uniform(40, 300)) / rng.uniform(10, 60)))
    accuracy = 0.5 + 0.49 * rise + rng.normal(0, 0.006, ITERATIONS)
    if collapses:
        accuracy[int(rng.uniform(0.5, 0.9) * ITERATIONS) :] = 0.5
    loss = 0.7 * np.exp(-3 * rise) * np.exp(rng.normal(0, 0.05, ITERATIONS))
    rate = np.where(accuracy > 0.9, 1e-4, 1e-3)
    evaluated = slice(EVAL_EVERY - 1, None, EVAL_EVERY)
    return {
        "loss": _points(step, loss),
        "learning_rate": _points(step, rate),
        "val_accuracy": _points(step[evaluated], np.clip(accuracy, 0, 1)[evaluated]),
        "val_loss": _points(step[evaluated], 1.1 * loss[evaluated]),
    }


def _points(steps: Any, values: Any) -> list[tuple[int, float]]:
    return [(int(step), float(value)) for step, value in zip(steps, values, strict=True)]


def _replicates(store: Store, rng: np.random.Generator, liquid: int, count: int) -> None:
    tags = {"stage": "train", "repeats": str(count), **_data_tags(liquid)}
    parent = store.run(f"compact data_liquid{liquid} batch 80", tags, note=f"{count} replicates with {count} seeds.")
    for number in range(count):
        _training(store, rng, liquid, f"V0-S1-T{number + 1}", parent)


def _sweep(store: Store, rng: np.random.Generator, count: int) -> None:
    parent = store.run(
        "sweep data_liquid5",
        {"stage": "sweep", **_data_tags(5)},
        note="Best of 20 trials: batch size 50, dropout 0.31, validation accuracy 99.17 %.",
    )
    rows = ["trial,state,batch_size,best_val_accuracy,run_id"]
    for number in range(count):
        run_id, found = _training(store, rng, 5, f"V0-S1-T{number + 1}", parent, "trial")
        rows.append(f"{number},COMPLETE,{found['batch_size']},{found['best_val_accuracy']},{run_id}")
    store.client.log_text(parent, "\n".join(rows) + "\n", "trials.csv")


def _transfer(store: Store, liquid: int) -> None:
    sentence = f"glass-liquid v{liquid} (trained on liquid {liquid}) holds to T = 0.84 and calls everything glass below T = 0.6."
    tags = {"stage": "transfer_eval", "sentence": sentence, **_data_tags(liquid)}
    table = "| liquid | T | accuracy |\n| --- | --- | --- |\n| 5 | 1.95 | 100.0 % |\n| 140 | 0.64 | 50.0 % |"
    run_id = store.run(f"transfer of data_liquid{liquid}", tags, note=f"{sentence}\n\n{table}")
    figure = Figure(figsize=(8, 4), layout="constrained")
    figure.add_subplot().plot([1.95, 1.4, 1.0, 0.83, 0.64, 0.3], [1, 1, 1, 0.93, 0.5, 0.5], marker="o")
    store.client.log_figure(run_id, figure, "transfer.png")
    store.client.log_text(run_id, "liquid,accuracy\n5,1.0\n140,0.5\n", "transfer.csv")


def _data_tags(liquid: int) -> dict[str, str]:
    return {"dataset": f"data_liquid{liquid}", "dataset_digest": f"{liquid:016x}"}


def _particles(rng: np.random.Generator) -> np.ndarray:
    count, length = 256, 14.6
    return draw(rng.uniform(0, length, (count, 2)), rng.integers(0, 2, count), length, DrawConfig())


def main() -> None:
    """Fill the database, write the report three times, print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--keep", type=Path)
    keep = parser.parse_args().keep
    print_surroundings(["mlflow", "jinja2", "matplotlib"], str(SEED))
    with tempfile.TemporaryDirectory() as temporary:
        folder = (keep or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        started = time.perf_counter()
        count = fill(folder)
        filled = time.perf_counter() - started
        environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}"}
        command = [sys.executable, "-m", "entrypoints.report", "--experiment", "results"]
        rows = []
        for attempt in range(3):
            page = folder / "results_log.html"
            started = time.perf_counter()
            done = subprocess.run(
                [*command, "--output", str(page)], env=environment, capture_output=True, text=True, check=True
            )
            seconds = time.perf_counter() - started
            inside = re.search(r"in ([\d.]+) s", done.stdout)
            rows.append(
                (
                    attempt + 1,
                    f"{seconds:.1f}",
                    inside.group(1) if inside else "?",
                    f"{page.stat().st_size / 1e6:.2f}",
                )
            )
        title = f"Results log of {count} runs (made in {filled:.0f} s), {ITERATIONS} iterations a training run"
        print_table(title, ("attempt", "seconds, with start-up", "seconds, without", "MB"), rows)


if __name__ == "__main__":
    main()
