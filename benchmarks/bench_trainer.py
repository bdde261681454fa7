"""The trainer's own share of a training's time: python -m benchmarks.bench_trainer [compact|cnn2018 ...].

Two ways to train the same network on the same images with the same batches, in alternating order:
- trainer: `Trainer` with everything that a run has: metrics recorded in a journal and sent to MLflow's database, the rate's
  schedule, norms, background checkpoints (cnn2018's state is 0.9 GB);
- bare: a plain PyTorch loop: shuffle, augmentation, forward, backward, optimizer, and the same validations.
Target: the trainer takes at most 3 % longer. Both keep the memory that they free, as the train command does.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch.nn import functional

from benchmarks.report import print_surroundings, print_table, spread
from glassliquid.dataset.augment import augment
from glassliquid.evaluation.predict import predict_logits
from glassliquid.evaluation.scores import score_logits
from glassliquid.models.classifier import ImageClassifier
from glassliquid.models.table import build_model, seed_dropout
from glassliquid.tracking.metrics import MetricJournal
from glassliquid.tracking.store import connect
from glassliquid.training.config import TrainConfig
from glassliquid.training.device import keep_freed_memory
from glassliquid.training.trainer import Trainer, TrainingData

IMAGES, VALIDATION = 560, 120
"""Sizes of the demo's training and validation splits."""
CPU = torch.device("cpu")
TARGET = 1.03


@dataclass(frozen=True)
class Case:
    """A network at an image size, and how long one measurement is."""

    model: str
    image_size: int
    iterations: int
    eval_every: int


CASES = {
    "compact": Case("compact", 128, 60, 5),
    "cnn2018": Case("cnn2018", 250, 20, 5),
}


def main() -> None:
    """Measure every case in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    print_surroundings(["torch", "mlflow"], "0")
    keep_freed_memory()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        connect()
        for name in options.cases:
            rows.append(compare(CASES[name], Path(folder), options.rounds))
    heading = ("network", "trainer [s]", "bare [s]", "ratio of seconds", "ratio of processor seconds", "target")
    print_table("The trainer against a bare loop", heading, rows)


def compare(case: Case, folder: Path, rounds: int) -> tuple[str, ...]:
    """One row: seconds of both ways and their ratios, a round each."""
    data, validate = images(case)
    # A low rate keeps cnn2018, whose initial logits are in the thousands, from diverging on noise.
    config = TrainConfig(
        model=case.model,
        learning_rate=0.000001,
        final_learning_rate=0.0000001,
        iterations=case.iterations,
        eval_every=case.eval_every,
    )
    ways: dict[str, Callable[[], None]] = {
        "trainer": lambda: with_trainer(config, data, validate, folder),
        "bare": lambda: bare(config, data, validate),
    }
    bare(replace(config, iterations=1, eval_every=1), data, validate)  # warms up
    walls: dict[str, list[float]] = {name: [] for name in ways}
    processors: dict[str, list[float]] = {name: [] for name in ways}
    for round_number in range(rounds):
        for name in list(ways)[:: 1 if round_number % 2 else -1]:
            wall, processor = time.perf_counter(), time.process_time()
            ways[name]()
            walls[name].append(time.perf_counter() - wall)
            processors[name].append(time.process_time() - processor)
    ratios = [
        spread([one / other for one, other in zip(taken["trainer"], taken["bare"], strict=True)], 3)
        for taken in (walls, processors)
    ]
    label = f"{case.model} at {case.image_size} px, {case.iterations} iterations"
    return (label, spread(walls["trainer"]), spread(walls["bare"]), *ratios, f"<= {TARGET}")


def images(case: Case) -> tuple[TrainingData, Callable[[ImageClassifier], dict[str, float]]]:
    """Random training images and a validation on others: the speed does not depend on what they show."""
    generator = torch.Generator().manual_seed(0)
    shape = (IMAGES + VALIDATION, case.image_size, case.image_size, 3)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    labels = torch.arange(len(pixels)) % 2
    identity = {"name": "noise", "digest": "", "image_size": case.image_size}
    validation, truth = pixels[IMAGES:], labels[IMAGES:].numpy()

    def validate(model: ImageClassifier) -> dict[str, float]:
        scores = score_logits(predict_logits(model, validation, CPU), truth)
        return {"val_accuracy": scores.accuracy, "val_loss": scores.loss, "val_auc": scores.auc}

    return TrainingData(pixels[:IMAGES], labels[:IMAGES], periodic=True, identity=identity), validate


def with_trainer(
    config: TrainConfig, data: TrainingData, validate: Callable[[ImageClassifier], dict[str, float]], folder: Path
) -> None:
    """A training as the train command does it, from the first iteration to the last checkpoint and metric."""
    from mlflow import MlflowClient

    run_id = MlflowClient().create_run("0").info.run_id
    run_folder = folder / run_id
    journal = MetricJournal(run_id, run_folder)
    trainer = Trainer(config, data, validate, journal, run_folder, run_id)
    trainer.train(lambda: False)
    journal.close()
    for path in run_folder.glob("*.pt"):
        path.unlink()


def bare(config: TrainConfig, data: TrainingData, validate: Callable[[ImageClassifier], dict[str, float]]) -> None:
    """The same work in a loop that keeps nothing."""
    generator = torch.Generator().manual_seed(0)
    model = build_model(config.model, data.identity["image_size"], config.dropout, generator)
    seed_dropout(model, generator)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)
    order = torch.randperm(IMAGES, generator=generator)
    for iteration in range(1, config.iterations + 1):
        model.train()
        for _ in range(config.batches_per_iteration):
            if len(order) < config.batch_size:
                order = torch.cat([order, torch.randperm(IMAGES, generator=generator)])
            chosen, order = order[: config.batch_size], order[config.batch_size :]
            batch = augment(data.images, generator, True, chosen, model.thinning)
            loss = functional.cross_entropy(model.read(batch), data.labels[chosen])
            loss = loss + config.l2 * sum(w.square().sum() for w in model.weight_tensors()) / 2
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        if iteration % config.eval_every == 0:
            model.eval()
            validate(model)


if __name__ == "__main__":
    main()
