"""The training runs of `transition`: each is short, and what it has found is kept in a file of its own, so that none is made twice."""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from glassliquid.ensembles.split import Split
from glassliquid.evaluation.predict import predict_logits
from glassliquid.evaluation.scores import GLASS
from glassliquid.evaluation.transfer import LIQUID
from glassliquid.files import read_json, write_json
from glassliquid.models.network import Network
from glassliquid.sessions.cooling_samples import CoolingSamples
from glassliquid.settings import restored, settings, stored
from glassliquid.training.config import TrainConfig
from glassliquid.training.trainer import Trainer, TrainingData

HELD_OUT = (Split.VALIDATION, Split.TEST)
"""Both: no state is chosen, so nothing of the validation split has gone into a training run."""


@settings
class Answers:
    """What a training run has found: the evidence logit(glass) - logit(liquid) of held-out snapshots."""

    VERSION: ClassVar[int] = 1

    validation: tuple[tuple[float, ...], ...]
    """Of each simulation of the validation split at each snapshot."""
    test: tuple[tuple[float, ...], ...]
    """The same of the test split."""

    @property
    def held_out(self) -> NDArray[np.float64]:
        """Of both splits, shape (simulations, snapshots)."""
        return np.array([*self.validation, *self.test])


@dataclass(frozen=True)
class Learner:
    """Trains one kind of network on the snapshots of a cooling."""

    config: TrainConfig
    """Of all its training runs but for the seed."""
    samples: CoolingSamples
    device: torch.device
    folder: Path
    """Where the answers are kept."""
    each_trained: Callable[[], None] = lambda: None
    """Called after each training; not for answers that were there."""

    def missing(self, guesses: Sequence[int], seeds: Sequence[int]) -> int:
        """How many training runs of these guesses and of the two ends are still to be made."""
        names = [_of_guess(guess, seed) for guess in guesses for seed in seeds] + [_of_ends(seed) for seed in seeds]
        return sum(not self._path(name).exists() for name in names)

    def guess(self, guess: int, seed: int) -> Answers:
        """Train on all snapshots, those before the guess as liquid and the others as glass; or read what that has given."""
        labels = np.where(np.array(self.samples.snapshots) < guess, LIQUID, GLASS)
        return self._answers(_of_guess(guess, seed), labels, slice(None), seed)

    def ends(self, seed: int) -> Answers:
        """Train on the first snapshot as liquid and the last as glass; or read what that has given."""
        ends = slice(None, None, len(self.samples.snapshots) - 1)
        return self._answers(_of_ends(seed), np.array([LIQUID, GLASS]), ends, seed)

    def _path(self, name: str) -> Path:
        return self.folder / f"{self.config.model}-{name}.json"

    def _answers(self, name: str, labels: NDArray[np.int64], snapshots: slice, seed: int) -> Answers:
        path = self._path(name)
        if path.exists():
            remedy = f"remove {path} and run the same command again"
            return restored(Answers, read_json(path, "what a training run has found"), f"The values in {path}", remedy)
        model = self._train(labels, snapshots, seed)
        found = {split: self._evidence(model, split) for split in HELD_OUT}
        answers = Answers(validation=found[Split.VALIDATION], test=found[Split.TEST])
        write_json(path, stored(answers))
        self.each_trained()
        return answers

    def _train(self, labels: NDArray[np.int64], snapshots: slice, seed: int) -> Network:
        samples = self.samples
        places = samples.places(Split.TRAIN)
        all_labels = torch.from_numpy(np.tile(labels, len(places))).to(self.device)
        # The training split comes first, so that a part of the array serves it without a copy.
        values = samples.values[: places.size]
        if places[:, snapshots].size < places.size:
            values = values[torch.from_numpy(places[:, snapshots].ravel())]
        data = TrainingData(values, all_labels, samples.reads, samples.identity)
        config = TrainConfig(
            **{**vars(self.config), "seed": seed, "batch_size": min(self.config.batch_size, len(all_labels))}
        )
        aside = self.folder / ".training"
        aside.mkdir(parents=True, exist_ok=True)
        try:
            # Nothing is chosen by validation: the last state is the one that counts.
            trainer = Trainer(config, data, _no_validation, _Unrecorded(), aside, "")
            trainer.train(lambda: False)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return trainer.model

    def _evidence(self, model: Network, split: Split) -> tuple[tuple[float, ...], ...]:
        places = self.samples.places(split)
        logits = predict_logits(model.eval(), self.samples.values, self.device, places.ravel()).astype(np.float64)
        evidence = (logits[:, GLASS] - logits[:, LIQUID]).reshape(places.shape)
        return tuple(tuple(float(value) for value in row) for row in evidence)


class _Unrecorded:
    """Curves of some dozens of short training runs would tell nobody anything."""

    def record(self, iteration: int, metrics: Mapping[str, float]) -> None:
        """Keep nothing."""


def _no_validation(_model: Network) -> dict[str, float]:
    return {"val_accuracy": 0.0, "val_loss": 0.0}


def _of_guess(guess: int, seed: int) -> str:
    return f"guess-{guess}-seed-{seed}"


def _of_ends(seed: int) -> str:
    return f"ends-seed-{seed}"


def answers_of_guesses(learner: Learner, guesses: Sequence[int], seeds: Sequence[int]) -> NDArray[np.float64]:
    """Share of the held-out snapshots that were classified rightly, shape (seeds, simulations, guesses)."""
    snapshots = np.array(learner.samples.snapshots)
    columns = []
    for guess in guesses:
        right = []
        for seed in seeds:
            is_glass = learner.guess(guess, seed).held_out > 0
            right.append((is_glass == (snapshots >= guess)).mean(axis=1))
        columns.append(right)
    return np.moveaxis(np.array(columns), 0, 2)


def answers_of_ends(learner: Learner, seeds: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Evidence for glass of networks that learned the two ends: of the validation split there, and of the test split everywhere.

    Shapes (seeds, simulations, 2) and (seeds, simulations, snapshots).
    """
    validation, test = [], []
    for seed in seeds:
        found = learner.ends(seed)
        validation.append(np.array(found.validation)[:, [0, -1]])
        test.append(np.array(found.test))
    return np.array(validation), np.array(test)


def fingerprint(parts: Mapping[str, object]) -> str:
    """Sixteen hexadecimal digits that stand for what determines a set of training runs."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]
