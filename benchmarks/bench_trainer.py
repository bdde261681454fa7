"""The trainer's own share of a training run's time: python -m benchmarks.bench_trainer [compact|cnn2018 ...].

Two training runs of the same network on the same images with the same batches, in one process, an iteration each in turn, so that
whatever else the machine does falls on both alike:
- trainer: `Trainer` with everything that a run has: metrics recorded in a journal and sent to MLflow's database, the rate's
  schedule, norms, checkpoints (cnn2018's state is 0.9 GB);
- bare: a plain PyTorch loop: shuffle, augmentation, forward, backward, optimizer, and the same validations.
What the trainer does every few seconds it does by a clock that stands still in the turns of the other. Both keep the memory
that they free, as the train command does. Target: the trainer takes at most 3 % longer, for cnn2018 5 %.

cnn2018 takes 9 GB of memory. On a busy machine the ratio of processor seconds is the one to read; the range is that of single iterations.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch.nn import functional

from benchmarks.report import print_surroundings, print_table, spread
from glassliquid.evaluation.predict import predict_logits
from glassliquid.evaluation.scores import score_logits
from glassliquid.inputs.images import Images
from glassliquid.memory import keep_freed_memory
from glassliquid.models.network import Network, build_model, seed_dropout
from glassliquid.tracking.metrics import SEND_EVERY_S, MetricJournal
from glassliquid.tracking.store import connect
from glassliquid.training.checkpoint import CURRENT
from glassliquid.training.checkpoint_writer import CheckpointWriter
from glassliquid.training.config import TrainConfig
from glassliquid.training.trainer import Trainer, TrainingData

IMAGES, VALIDATION = 560, 120
"""Sizes of the demo's training and validation splits."""
CPU = torch.device("cpu")
WAYS = ("trainer", "bare")

Validate = Callable[[Network], dict[str, float]]


@dataclass(frozen=True)
class Case:
    """A network at an image size, and how long the measurement is."""

    model: str
    image_size: int
    iterations: int
    batches_per_iteration: int = 10
    eval_every: int = 5
    target: float = 1.03


CASES = {
    "compact": Case("compact", 128, 150),
    "cnn2018": Case("cnn2018", 250, 10, target=1.05),
}


def main() -> None:
    """Measure every case in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="|".join(CASES), help="all unless given")
    parser.add_argument("--iterations", type=int, help="instead of each case's own number")
    parser.add_argument("--batches", type=int, help="in an iteration, instead of 10")
    options = parser.parse_args()
    if unknown := set(options.cases) - set(CASES):
        parser.error(f"there is no case {', '.join(sorted(unknown))}")
    given = {"iterations": options.iterations, "batches_per_iteration": options.batches}
    changes = {name: value for name, value in given.items() if value is not None}
    print_surroundings(["torch", "mlflow"], "0")
    keep_freed_memory()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        connect()
        for name in options.cases or CASES:
            rows.append(compare(replace(CASES[name], **changes), Path(folder)))
    heading = ("network", "trainer [s]", "bare [s]", "saved", "ratio of seconds", "of processor seconds", "target")
    print_table("The trainer against a bare loop: sums (median and range of single iterations)", heading, rows)


def compare(case: Case, folder: Path) -> tuple[str, ...]:
    """One row: seconds of both ways and their ratios."""
    data, validate = images(case)
    # A low rate keeps cnn2018, whose initial logits are in the thousands, from diverging on noise.
    config = TrainConfig(
        model=case.model,
        learning_rate=0.000001,
        final_learning_rate=0.0000001,
        iterations=case.iterations,
        batches_per_iteration=case.batches_per_iteration,
        eval_every=case.eval_every,
    )
    list(bare(replace(config, iterations=1, eval_every=1), data, validate))  # warms up
    turns = Turns(bare(config, data, validate))
    with_trainer(config, data, validate, folder, turns)
    walls, processors = ([taken[kind] for taken in turns.taken] for kind in (0, 1))
    label = (
        f"{case.model} at {case.image_size} px, {case.iterations} iterations of {case.batches_per_iteration} batches"
    )
    sums = (f"{sum(walls[place :: len(WAYS)]):.1f}" for place in range(len(WAYS)))
    return (label, *sums, str(len(turns.states)), ratio(walls), ratio(processors), f"<= {case.target}")


def ratio(taken: list[float]) -> str:
    """Of the sums of both ways, the trainer's last act included, and of single iterations.

    Args:
        taken: seconds of the trainer and of the bare loop in turn; the last one is the trainer's.
    """
    trainer, plain = taken[::2], taken[1::2]
    single = spread([one / other for one, other in zip(trainer, plain, strict=False)], 3)
    return f"{sum(trainer) / sum(plain):.3f} ({single})"


@dataclass
class Turns:
    """Lets the bare loop do one iteration whenever the trainer asks whether it should stop, and times both."""

    other: Iterator[None]
    turn: threading.Lock = field(default_factory=threading.Lock)
    """Held while the bare loop works."""
    taken: list[tuple[float, float]] = field(default_factory=list)
    """Wall and processor seconds of the trainer and of the bare loop in turn."""
    states: set[int] = field(default_factory=set)
    """When the current state was saved."""
    resting: float = 0.0
    """How long the bare loop has worked [s]."""
    _folder: Path = Path()
    _since: tuple[float, float] = (0.0, 0.0)

    def begin(self, folder: Path) -> None:
        """The trainer begins, with its checkpoints in `folder`."""
        self._folder = folder
        self._since = (time.perf_counter(), time.process_time())

    def clock(self) -> float:
        """The trainer's own time [s]."""
        return time.monotonic() - self.resting

    def end(self) -> None:
        """What was done since the last call was one turn."""
        now = (time.perf_counter(), time.process_time())
        self.taken.append((now[0] - self._since[0], now[1] - self._since[1]))
        self._since = now
        self.states |= {path.stat().st_mtime_ns for path in self._folder.glob(CURRENT)}

    def __call__(self) -> bool:
        """Answer that the trainer should continue, after a turn of the bare loop."""
        with self.turn:
            self.end()
            next(self.other)
            self.end()
        (wall, processor), (bare_wall, bare_processor) = self.taken[-2:]
        self.resting += bare_wall
        print(
            f"{len(self.taken) // 2}: trainer {wall:.2f} s ({processor:.2f} s of the processor), bare {bare_wall:.2f} s "
            f"({bare_processor:.2f} s)",
            file=sys.stderr,
            flush=True,
        )
        return False


class PatientJournal(MetricJournal):
    """Sends in the trainer's turns only, as often as it would without the others."""

    def __init__(self, run_id: str, folder: Path, turns: Turns) -> None:
        """Wait for its turn before sending."""
        self._turns, self._sent_at = turns, turns.clock()
        super().__init__(run_id, folder)

    def _send(self, signs: bool = False) -> bool:
        with self._turns.turn:
            if not self._closing.is_set() and self._turns.clock() - self._sent_at < SEND_EVERY_S:
                return True
            self._sent_at = self._turns.clock()
            return super()._send(signs)


def images(case: Case) -> tuple[TrainingData, Validate]:
    """Random training images and a validation on others: the speed does not depend on what they show."""
    generator = torch.Generator().manual_seed(0)
    shape = (IMAGES + VALIDATION, case.image_size, case.image_size, 3)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    labels = torch.arange(len(pixels)) % 2
    identity = {"name": "noise", "digest": "", "image_size": case.image_size}
    validation, truth = pixels[IMAGES:], labels[IMAGES:].numpy()

    def validate(model: Network) -> dict[str, float]:
        scores = score_logits(predict_logits(model, validation, CPU), truth)
        return {"val_accuracy": scores.accuracy, "val_loss": scores.loss, "val_auc": scores.auc}

    return TrainingData(pixels[:IMAGES], labels[:IMAGES], Images(case.image_size), identity), validate


def with_trainer(config: TrainConfig, data: TrainingData, validate: Validate, folder: Path, turns: Turns) -> None:
    """A training run as the train command does it, from the first iteration to the last checkpoint and metric."""
    from mlflow import MlflowClient

    run_id = MlflowClient().create_run("0").info.run_id
    run_folder = folder / run_id
    journal = PatientJournal(run_id, run_folder, turns)
    trainer = Trainer(config, data, validate, journal, run_folder, run_id)
    trainer._writer = CheckpointWriter(run_folder, turns.clock)
    turns.begin(run_folder)
    trainer.train(turns)
    journal.close()
    turns.end()
    for path in run_folder.glob("*.safetensors"):
        path.unlink()


def bare(config: TrainConfig, data: TrainingData, validate: Validate) -> Iterator[None]:
    """The same work in a loop that keeps nothing; an iteration whenever it is asked for the next."""
    generator = torch.Generator().manual_seed(0)
    model = build_model(config.model, data.reads, config.dropout, generator)
    seed_dropout(model, generator)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)
    order = torch.randperm(IMAGES, generator=generator)
    for iteration in range(1, config.iterations + 1):
        model.train()
        for _ in range(config.batches_per_iteration):
            if len(order) < config.batch_size:
                order = torch.cat([order, torch.randperm(IMAGES, generator=generator)])
            chosen, order = order[: config.batch_size], order[config.batch_size :]
            batch = model.reads.augmented(data.values, chosen, generator, CPU)
            loss = functional.cross_entropy(model(batch), data.labels[chosen])
            loss = loss + config.l2 * sum(w.square().sum() for w in model.weight_tensors()) / 2
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        if iteration % config.eval_every == 0 or iteration == config.iterations:
            model.eval()
            validate(model)
        yield


if __name__ == "__main__":
    main()
