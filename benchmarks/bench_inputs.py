"""Image, graph and structure networks on one task: python -m benchmarks.bench_inputs speed|train|tables.

`speed` trains all of them in turns in one run. `train` trains every network with several seeds on each dataset, as `train` does but
without MLflow, and tests the best state once; each result is a file in data/inputs, so that the same command continues.
`tables` prints what is there: counts, and 95 % intervals over simulations pooled over seeds. The datasets are made by

    mlflow run . -e make_data -P name=data_12steps -P liquid=171 -P glass=195
    mlflow run . -e make_data -P name=data_12steps_inherent -P liquid=171 -P glass=195 -P inherent=true
    mlflow run . -e make_data -P name=data_12steps_null -P liquid=171 -P null=true
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import print_surroundings, print_table
from glassliquid.datasets.description import open_dataset
from glassliquid.ensembles.split import Split
from glassliquid.evaluation.intervals import pooled_interval
from glassliquid.evaluation.predict import predict_logits
from glassliquid.files import read_json, write_json
from glassliquid.layout import Layout
from glassliquid.memory import keep_freed_memory
from glassliquid.sessions.training_run import TrainingSplits, load_training_splits
from glassliquid.training.checkpoint import BEST, load_checkpoint
from glassliquid.training.config import TrainConfig
from glassliquid.training.found_model import restore_model
from glassliquid.training.trainer import Trainer

ITERATIONS = {"structure": 60, "graph": 25, "compact": 150}
"""Networks, and how long each is trained; graph is perfect on the pair 171 and 195 after 2, compact sits at chance for a while."""
DATASETS = ("data_12steps", "data_12steps_inherent", "data_12steps_null")
TARGETS = {"graph": 200, "structure": 20_000}
"""Configurations a second on two cores."""
BATCHES = {"structure": 200, "graph": 3, "compact": 20}
"""Of one measurement: some tenths of a second."""
ROUNDS = 7


class Silence:
    """Records nothing."""

    def record(self, iteration: int, metrics: object) -> None:
        """Forget the metrics."""


def main() -> None:
    """Do what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("speed", "train", "tables"))
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--datasets", nargs="*", default=list(DATASETS), help="speed takes the first")
    parser.add_argument("--models", nargs="*", default=list(ITERATIONS), choices=list(ITERATIONS))
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--iterations", type=int, help="of every network")
    parser.add_argument(
        "--pooled", action="store_true", help="tables: one row for all datasets, each with as many seeds"
    )
    parser.add_argument("--folder", type=Path, default=Path("data/inputs"), help="where the results are kept")
    options = parser.parse_args()
    keep_freed_memory()  # as every training run does
    if options.what == "speed":
        measure_speed(options.data_dir, options.datasets[0], options.models)
    elif options.what == "train":
        train_all(options)
    else:
        groups = [options.datasets] if options.pooled else [[name] for name in options.datasets]
        print_tables(options.folder, groups, options.models)


def measure_speed(data_dir: Path, name: str, models: Sequence[str]) -> None:
    """Train all networks in turns, and print configurations a second by the clock and by processor time."""
    print_surroundings(["torch"], "0")
    clock: dict[str, list[float]] = {model: [] for model in models}
    processor: dict[str, list[float]] = {model: [] for model in models}
    with tempfile.TemporaryDirectory() as folder:
        trainers = {model: _trainer(_splits(data_dir, name, model), _config(model), Path(folder)) for model in models}
        for number in range(ROUNDS + 1):
            for model, trainer in trainers.items():
                trainer.model.train()
                began, used = time.perf_counter(), time.process_time()
                for batch in range(BATCHES[model]):
                    trainer._train_batch(batch)
                if number:  # the first round warms up
                    samples = BATCHES[model] * trainer.config.batch_size
                    clock[model].append(samples / (time.perf_counter() - began))
                    processor[model].append(samples / (time.process_time() - used))
    rows = [
        (
            model,
            f"{statistics.median(clock[model]):,.0f} ({min(clock[model]):,.0f} to {max(clock[model]):,.0f})",
            f"{statistics.median(processor[model]):,.0f} ({min(processor[model]):,.0f} to {max(processor[model]):,.0f})",
            f">= {TARGETS[model]:,}" if model in TARGETS else "",
        )
        for model in models
    ]
    note = f"{name}, batch {_config(models[0]).batch_size}; medians of {ROUNDS} rounds in turns, and their range"
    print_table(
        f"Training speed ({note})", ("network", "samples/s by the clock", "samples/s and core", "target/s"), rows
    )


def train_all(options: argparse.Namespace) -> None:
    """Train what is missing: a seed of every network on every dataset, then the next seed."""
    for seed in range(options.seeds):
        for name in options.datasets:
            for model in options.models:
                path = options.folder / f"{name}-{model}-{seed}.json"
                if not path.exists():
                    config = _config(model, options.iterations, seed)
                    found = train(_splits(options.data_dir, name, model), config)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write_json(path, found)
                    right = found["right"]
                    print(f"{path.stem}: {sum(right)} of {len(right)}", file=sys.stderr, flush=True)


def train(splits: TrainingSplits, config: TrainConfig) -> dict[str, Any]:
    """One training run and the answers of its best state on the test split."""
    used = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        progress = _trainer(splits, config, Path(folder)).train(lambda: False).progress
        model = restore_model(load_checkpoint(Path(folder) / BEST))
    test = model.reads.load(splits.dataset, Split.TEST, splits.device)
    called = predict_logits(model, test.values, splits.device).argmax(axis=1)
    return {
        "digest": splits.dataset.digest,
        "iterations": config.iterations,
        "best": progress.best_accuracy,
        "largest_drop": progress.largest_drop,
        "collapsed": progress.collapsed,
        "learned": progress.peak > 0,
        "simulations": test.simulations.tolist(),
        "right": (called == test.labels).tolist(),
        "processor_seconds": time.process_time() - used,
    }


def print_tables(folder: Path, groups: Sequence[Sequence[str]], models: Sequence[str]) -> None:
    """A table for each dataset, or each group of datasets whose samples stand side by side: over all seeds that are there."""
    print_surroundings(["torch", "numpy"], "of each row")
    for names in groups:
        rows = [row for model in models for row in _row(folder, names, model)]
        head = ("network", "iterations", "seeds", "test: right", "accuracy (95 % interval)", "lowest to highest seed")
        print_table(", ".join(names), (*head, "collapsed", "never above 90 %"), rows)


def _row(folder: Path, names: Sequence[str], model: str) -> Iterator[tuple[str, ...]]:
    """The row of one network, if there are results."""
    sets = [[read_json(path, "a result") for path in sorted(folder.glob(f"{name}-{model}-*.json"))] for name in names]
    if not all(sets):
        return
    # One row for each seed; simulations of different datasets are different ones.
    right = np.concatenate([np.array([each["right"] for each in found]) for found in sets], axis=1)
    simulations = np.concatenate([np.array(found[0]["simulations"]) + 10**6 * n for n, found in enumerate(sets)])
    low, high = pooled_interval(right, simulations)
    shares, trained = right.mean(axis=1), [each for found in sets for each in found]
    yield (
        model,
        f"{trained[0]['iterations']}",
        f"{len(trained)}",
        f"{right.sum()} of {right.size}",
        f"{100 * right.mean():.2f} % ({100 * low:.1f} to {100 * high:.1f})",
        f"{100 * shares.min():.1f} to {100 * shares.max():.1f}",
        f"{sum(each['collapsed'] for each in trained)} of {len(trained)}",
        f"{sum(not each['learned'] for each in trained)} of {len(trained)}",
    )


def _config(model: str, iterations: int | None = None, seed: int = 0) -> TrainConfig:
    return TrainConfig(model=model, iterations=iterations or ITERATIONS[model], seed=seed)


def _splits(data_dir: Path, name: str, model: str) -> TrainingSplits:
    return load_training_splits(open_dataset(Layout(data_dir).dataset(name)), model, "cpu")


def _trainer(splits: TrainingSplits, config: TrainConfig, folder: Path) -> Trainer:
    return Trainer(config, splits.data, splits.validate, Silence(), folder, "benchmark")


if __name__ == "__main__":
    main()
