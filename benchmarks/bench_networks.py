"""Training speed of `compact` against `cnn2018` at 250 pixels, side by side: python -m benchmarks.bench_networks."""

import statistics
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.report import print_surroundings, print_table
from glassliquid.inputs.images import Images
from glassliquid.memory import keep_freed_memory
from glassliquid.training.config import TrainConfig
from glassliquid.training.trainer import Trainer, TrainingData

ROUNDS = 5
BATCH = 80
CASES = (("cnn2018", 250, 1), ("compact", 250, 20), ("compact", 128, 20))
"""Network, image size, and the batches in one measurement: about a second's work each, more for the slow network."""
SEED = 0


class Silence:
    """Records nothing."""

    def record(self, iteration: int, metrics: object) -> None:
        """Forget the metrics."""


def trainer(model: str, size: int, folder: Path) -> Trainer:
    """A trainer on random images: the speed does not depend on what they show."""
    generator = torch.Generator().manual_seed(SEED)
    images = torch.randint(0, 256, (2 * BATCH, size, size, 3), dtype=torch.uint8, generator=generator)
    labels = torch.arange(2 * BATCH) % 2
    # A low rate keeps cnn2018, whose initial logits are in the thousands, from diverging on noise.
    config = TrainConfig(model=model, batch_size=BATCH, learning_rate=0.000001, schedule="constant", seed=SEED)
    data = TrainingData(images, labels, Images(size), {"name": "noise", "digest": "", "image_size": size})
    return Trainer(config, data, lambda _model: {}, Silence(), folder, "benchmark")


def main() -> None:
    """Measure all cases in turn, several rounds, and print images a second and ratios to cnn2018."""
    print_surroundings(["torch"], str(SEED))
    keep_freed_memory()  # as every training does
    with tempfile.TemporaryDirectory() as folder:
        trainers = [trainer(model, size, Path(folder)) for model, size, _ in CASES]
        speeds: list[list[float]] = [[] for _ in CASES]
        for round_number in range(ROUNDS + 1):
            for (_, _, batches), each, found in zip(CASES, trainers, speeds, strict=True):
                each.model.train()
                started = time.perf_counter()
                for batch in range(batches):
                    each._train_batch(batch)
                if round_number:  # the first round warms up
                    found.append(batches * BATCH / (time.perf_counter() - started))
    ratios = [statistics.median(a / b for a, b in zip(found, speeds[0], strict=True)) for found in speeds]
    rows = [
        (
            f"{model} at {size} px",
            f"{statistics.median(found):.1f}",
            f"{min(found):.1f} to {max(found):.1f}",
            f"{ratio:.0f}",
        )
        for (model, size, _), found, ratio in zip(CASES, speeds, ratios, strict=True)
    ]
    note = f"batch {BATCH}, augmentation, forward, backward and Adam; medians of {ROUNDS} rounds, seed {SEED}"
    print_table(f"Training speed ({note})", ("network", "images/s", "range", "times cnn2018"), rows)


if __name__ == "__main__":
    main()
