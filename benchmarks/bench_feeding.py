"""What it costs to feed a training run from a dataset of PNG files: python -m benchmarks.bench_feeding [DATASET].

- Against tensors in memory: the same training of `compact` from the dataset's decoded cache (memory-mapped) and from a copy of
  its images in memory. Target: at most 3 % longer.
- Against files: one epoch of batches, each read as `compact` reads them, from the cache and through a folder of image files
  with a DataLoader of two workers, as torchvision's ImageFolder and ToTensor do it (open, convert, scale, transpose, stack).
  Target: at least 10 times as fast.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from benchmarks.report import print_surroundings, print_table, spread
from glassliquid.datasets.description import Dataset, open_dataset
from glassliquid.ensembles.split import Split
from glassliquid.inputs import Samples
from glassliquid.inputs.images import Images
from glassliquid.inputs.images.decoded import load_split
from glassliquid.training.batches import ShuffledBatches
from glassliquid.training.config import TrainConfig
from glassliquid.training.trainer import Trainer, TrainingData

ROUNDS = 5
BATCH = 80
EPOCHS = 10
"""Epochs read from the cache in one measurement; one through the DataLoader takes as long."""


class ImageFolder(TorchDataset[tuple[Tensor, int]]):
    """Images below folders named after their class, decoded when they are asked for."""

    def __init__(self, folder: Path) -> None:
        """List the files."""
        classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
        self.files = [(path, place) for place, name in enumerate(classes) for path in sorted((folder / name).iterdir())]

    def __len__(self) -> int:
        """How many images."""
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """One image, float32, channels first, and its class."""
        path, label = self.files[index]
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        return torch.from_numpy(pixels).permute(2, 0, 1).contiguous().float().div_(255), label


class Silence:
    """Records nothing."""

    def record(self, iteration: int, metrics: object) -> None:
        """Forget the metrics."""


def main() -> None:
    """Measure both."""
    dataset = open_dataset(Path("data/datasets") / (sys.argv[1] if len(sys.argv) > 1 else "data_liquid5"))
    train = load_split(dataset, Split.TRAIN)
    print_surroundings(["torch", "pillow", "numpy"], "0")
    against_memory(dataset, train)
    against_files(dataset, train)


def against_memory(dataset: Dataset, train: Samples) -> None:
    """Train from the memory map and from memory, in turn."""
    mapped = torch.from_numpy(train.values)
    sources = {"decoded cache": mapped, "memory": mapped.clone()}
    labels = torch.from_numpy(train.labels)
    reads = Images.of_recipe(dataset.recipe)
    config = TrainConfig(batch_size=BATCH, iterations=15, eval_every=1000, schedule="constant")
    taken: dict[str, list[float]] = {name: [] for name in sources}
    processors: dict[str, list[float]] = {name: [] for name in sources}
    for round_number in range(ROUNDS + 1):
        for name in list(sources)[:: 1 if round_number % 2 else -1]:
            data = TrainingData(sources[name], labels, reads, reads.identity(dataset))
            with tempfile.TemporaryDirectory() as folder:
                trainer = Trainer(
                    config, data, lambda _: {"val_accuracy": 0.5, "val_loss": 1.0}, Silence(), Path(folder), ""
                )
                wall, processor = time.perf_counter(), time.process_time()
                trainer.train(lambda: False)
                if round_number:  # the first round warms up
                    taken[name].append(time.perf_counter() - wall)
                    processors[name].append(time.process_time() - processor)
    ratios = [
        spread([one / other for one, other in zip(each["decoded cache"], each["memory"], strict=True)], 3)
        for each in (taken, processors)
    ]
    print_table(
        f"Training compact on {dataset.name}: {config.iterations} iterations",
        ("from the decoded cache [s]", "from memory [s]", "ratio of seconds", "ratio of processor seconds", "target"),
        [(*(spread(each) for each in taken.values()), *ratios, "<= 1.03")],
    )


def against_files(dataset: Dataset, train: Samples) -> None:
    """Read batches from the cache and through a DataLoader, in turn."""
    images = torch.from_numpy(train.values)
    loader = DataLoader(
        ImageFolder(dataset.folder / Split.TRAIN.value), BATCH, shuffle=True, num_workers=2, persistent_workers=True
    )

    def cache() -> int:
        batches = ShuffledBatches(len(images), BATCH, torch.Generator().manual_seed(0))
        count = EPOCHS * len(images) // BATCH
        for _ in range(count):
            images[batches.next()].permute(0, 3, 1, 2).float().div_(255)
        return count * BATCH

    def files() -> int:
        return sum(len(labels) for _, labels in loader)

    speeds: dict[str, list[float]] = {"cache": [], "files": []}
    ways: dict[str, Callable[[], int]] = {"cache": cache, "files": files}
    for round_number in range(ROUNDS + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            count = way()
            if round_number:  # the first round starts the workers and fills the page cache
                speeds[name].append(count / (time.perf_counter() - started))
    ratio = spread([one / other for one, other in zip(speeds["cache"], speeds["files"], strict=True)], 1)
    print_table(
        f"Feeding float32 batches of {BATCH} images of {dataset.recipe.image_size} pixels",
        ("decoded cache [images/s]", "ImageFolder, DataLoader of 2 workers [images/s]", "ratio", "target"),
        [(spread(speeds["cache"], 0), spread(speeds["files"], 0), ratio, ">= 10")],
    )


if __name__ == "__main__":
    main()
