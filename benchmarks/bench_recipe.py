"""How fast and how reliably `compact` learns with train's defaults: python -m benchmarks.bench_recipe data_liquid5."""

import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import torch

from benchmarks.report import print_surroundings, print_table
from glassliquid.datasets.description import open_dataset
from glassliquid.ensembles.split import Split
from glassliquid.evaluation.predict import predict_logits
from glassliquid.evaluation.scores import score_logits
from glassliquid.inputs.images import Images
from glassliquid.inputs.images.decoded import load_split
from glassliquid.models.network import Network
from glassliquid.training.config import TrainConfig
from glassliquid.training.trainer import Trainer, TrainingData

SEEDS = range(8)
TARGET = 0.99
CPU = torch.device("cpu")


class Clock:
    """Notes when the validation accuracy first reaches the target, in wall and processor time."""

    def __init__(self) -> None:
        """Start now."""
        self._wall, self._processor = time.perf_counter(), time.process_time()
        self.reached: tuple[int, float, float] | None = None

    def record(self, iteration: int, metrics: Mapping[str, float]) -> None:
        """Look at the accuracy of one iteration."""
        if self.reached is None and metrics.get("val_accuracy", 0) >= TARGET:
            self.reached = (iteration, time.perf_counter() - self._wall, time.process_time() - self._processor)


def main() -> None:
    """Train with every seed and print a row each."""
    folder = Path("data/datasets") / (sys.argv[1] if len(sys.argv) > 1 else "data_liquid5")
    dataset = open_dataset(folder)
    train, validation = load_split(dataset, Split.TRAIN), load_split(dataset, Split.VALIDATION)
    reads = Images.of_recipe(dataset.recipe)
    data = TrainingData(torch.from_numpy(train.values), torch.from_numpy(train.labels), reads, reads.identity(dataset))

    def validate(model: Network) -> dict[str, float]:
        scores = score_logits(predict_logits(model, torch.from_numpy(validation.values), CPU), validation.labels)
        return {"val_accuracy": scores.accuracy, "val_loss": scores.loss}

    print_surroundings(["torch"], f"{SEEDS.start} to {SEEDS.stop - 1}")
    rows = []
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as checkpoints:
            clock = Clock()
            trainer = Trainer(TrainConfig(seed=seed), data, validate, clock, Path(checkpoints), "benchmark")
            progress = trainer.train(lambda: False).progress
        iteration, wall, processor = clock.reached or (0, float("nan"), float("nan"))
        rows.append(
            (
                str(seed),
                str(iteration or "never"),
                f"{wall:.1f}",
                f"{processor:.1f}",
                f"{100 * progress.best_accuracy:.2f}",
                f"{100 * (progress.last_accuracy or 0):.2f}",
                f"{100 * progress.largest_drop:.2f}",
                str(progress.collapsed).lower(),
            )
        )
    heading = (
        "seed",
        "iteration at 99 %",
        "wall [s]",
        "processor [s]",
        "best [%]",
        "final [%]",
        "largest drop [%]",
        "collapsed",
    )
    note = f"{len(train)} training and {len(validation)} validation images, validations included"
    print_table(f"compact with train's defaults on {dataset.name} ({note})", heading, rows)


if __name__ == "__main__":
    main()
