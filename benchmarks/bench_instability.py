"""The research log's own experiment: does a threshold on the accuracy keep training runs from collapsing?

python -m benchmarks.bench_instability DATASET [--iterations 60] [--repeats 8]

Both networks, a constant rate of 0.001 against 0.001 lowered to 0.0001 above 90 % validation accuracy, `repeats` seeds each, on one
dataset, with the settings of the log (batch 80, dropout 0.5, augmentation, L2 0.01 for cnn2018) and a validation after every iteration.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import print_surroundings, print_table
from glassliquid.datasets.description import open_dataset
from glassliquid.evaluation.spread import spread
from glassliquid.sessions.training_run import TrainingSplits, load_training_splits
from glassliquid.training.config import TrainConfig
from glassliquid.training.progress import Progress
from glassliquid.training.trainer import Trainer

L2 = {"compact": 0.0001, "cnn2018": 0.01}
SCHEDULES = ("constant", "threshold")


class Silence:
    """Records nothing."""

    def record(self, iteration: int, metrics: object) -> None:
        """Forget the metrics."""


def main() -> None:
    """Train everything and print a row a run, and a summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="name, or folder")
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--models", nargs="*", default=list(L2), choices=list(L2))
    options = parser.parse_args()
    folder = Path(options.dataset)
    dataset = open_dataset(folder if folder.is_dir() else Path("data/datasets") / folder)
    splits = load_training_splits(dataset, options.models[0], "auto")
    print_surroundings(["torch"], f"0 to {options.repeats - 1}")
    started = time.monotonic()
    rows, summary = [], []
    for model in options.models:
        for schedule in SCHEDULES:
            found = [train(splits, model, schedule, seed, options.iterations) for seed in range(options.repeats)]
            rows += [(model, schedule, seed, *figures(progress)) for seed, progress in enumerate(found)]
            summary.append((model, schedule, *summarised(found)))
    note = (
        f"{dataset.name}, {dataset.recipe.image_size} pixels, {len(splits.data.labels)} training images, {options.iterations} "
        f"iterations, {time.monotonic() - started:.0f} s in all"
    )
    head = ("best [%]", "final [%]", "largest drop [%]", "collapsed")
    print_table(f"Every run ({note})", ("network", "rate", "seed", *head), rows)
    means = tuple(f"{name}, mean +- standard deviation" for name in head[:3])
    print_table(f"Over {options.repeats} seeds", ("network", "rate", *means, "collapsed", "never above 90 %"), summary)


def train(splits: TrainingSplits, model: str, schedule: str, seed: int, iterations: int) -> Progress:
    """One training."""
    config = TrainConfig(model=model, schedule=schedule, seed=seed, iterations=iterations, l2=L2[model], eval_every=1)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(config, splits.data, splits.validate, Silence(), Path(folder), "benchmark")
        progress = trainer.train(lambda: False).progress
    print(f"{model}, {schedule}, seed {seed}: {', '.join(figures(progress))}", file=sys.stderr, flush=True)
    return progress


def figures(progress: Progress) -> tuple[str, ...]:
    """Best, final, largest drop and collapsed of one run."""
    values = (progress.best_accuracy, progress.last_accuracy or 0.0, progress.largest_drop)
    return (*(f"{100 * value:.2f}" for value in values), str(progress.collapsed).lower())


def summarised(found: list[Progress]) -> tuple[str, ...]:
    """The same over all runs of a setting."""
    columns = (
        [each.best_accuracy for each in found],
        [each.last_accuracy or 0.0 for each in found],
        [each.largest_drop for each in found],
    )
    cells = [f"{100 * s.mean:.2f} +- {100 * s.deviation:.2f}" for s in map(spread, columns)]
    collapsed = sum(each.collapsed for each in found)
    never = sum(each.peak == 0 for each in found)
    return (*cells, f"{collapsed} of {len(found)}", f"{never} of {len(found)}")


if __name__ == "__main__":
    main()
