"""The training loop: train, validate, save, record, stop."""

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from glassliquid.errors import Diverged, UserError, first_line_of
from glassliquid.inputs import Input
from glassliquid.models.network import Network, build_model, seed_dropout
from glassliquid.training.batches import ShuffledBatches
from glassliquid.training.checkpoint import State, UnusableCheckpoint, is_machine_fault
from glassliquid.training.checkpoint_writer import CheckpointWriter
from glassliquid.training.config import TrainConfig
from glassliquid.training.device import autocast_type, one_thread
from glassliquid.training.moments import moments_of, restore_moments
from glassliquid.training.progress import Progress
from glassliquid.training.schedule import SCHEDULES, Moment
from glassliquid.training.uncompiled import Adam

WEIGHTS_STREAM, BATCHES_STREAM, DROPOUT_STREAM, AUGMENT_STREAM = range(4)
"""Branches of the run's seed."""

Validate = Callable[[Network], Mapping[str, float]]
"""Scores a network (in evaluation mode) on the validation split: val_accuracy, val_loss and what else is recorded."""


class Recorder(Protocol):
    """Where the numbers of a run go."""

    def record(self, iteration: int, metrics: Mapping[str, float]) -> None:
        """Keep the metrics of one iteration."""


@dataclass(frozen=True)
class TrainingData:
    """The training split, and what identifies the dataset."""

    values: Any
    """The samples, as the input keeps them."""
    labels: Tensor
    """int64, shape (n,), on the training device."""
    reads: Input
    """What the samples are."""
    identity: dict[str, Any]
    """name, digest, input with its description, and recipe, kept in checkpoints."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    iteration: int
    """Iterations finished."""
    progress: Progress
    """Best and last validation, largest drop."""
    finished: bool
    """False if it was asked to stop before its end."""
    ended_early: bool
    """Whether patience, not the number of iterations, ended it."""


def is_finished(config: TrainConfig, iteration: int, progress: Progress) -> bool:
    """Whether a run has reached its last iteration or the end of its patience."""
    return iteration >= config.iterations or (config.patience is not None and progress.since_best >= config.patience)


class Trainer:
    """One run, from its first iteration or from a checkpoint to its end."""

    def __init__(
        self, config: TrainConfig, data: TrainingData, validate: Validate, recorder: Recorder, folder: Path, run_id: str
    ) -> None:
        """Set up network, optimizer and generators from the settings' seed.

        Args:
            config: the settings.
            data: the training split; its labels are on the device that is trained on.
            validate: scores the network on the validation split.
            recorder: gets the metrics of every iteration.
            folder: checkpoints are written here.
            run_id: kept in checkpoints.

        Raises:
            UserError: the batch is larger than the training split, or the network does not suit the samples.
        """
        if config.batch_size > len(data.labels):
            raise UserError(
                f"batch_size is {config.batch_size}, but the training split has {len(data.labels)} images: pass a batch size "
                f"of {len(data.labels)} or less."
            )
        self.config, self.data = config, data
        self._validate, self._recorder = validate, recorder
        self.device = data.labels.device
        self._run_id = run_id
        self._autocast = autocast_type(config.precision, self.device)
        weights = _generator(config.seed, WEIGHTS_STREAM, torch.device("cpu"))
        self.model = build_model(config.model, data.reads, config.dropout, weights, **config.own)
        self.model.fit_scales(data.values)
        self.model.to(self.device)
        # The fused kernels update all weights in one pass; they are the fastest on every device that has them.
        self._optimizer = Adam(self.model.parameters(), lr=config.learning_rate, fused=True)
        shuffles = _generator(config.seed, BATCHES_STREAM, torch.device("cpu"))
        self._batches = ShuffledBatches(len(data.labels), config.batch_size, shuffles)
        self._dropout = _generator(config.seed, DROPOUT_STREAM, self.device)
        self._augment = _generator(config.seed, AUGMENT_STREAM, self.device)
        seed_dropout(self.model, self._dropout)
        self._schedule = SCHEDULES.get(config.schedule)
        self._writer = CheckpointWriter(folder)
        self.iteration = 0
        """Iterations finished, or the one that runs."""
        self._progress = Progress()

    def train(self, should_stop: Callable[[], bool]) -> Outcome:
        """Train until the last iteration or the end of the patience, or until `should_stop` answers True after an iteration.

        Raises:
            Diverged: the loss, the gradient or the weights are not finite; the last good checkpoint is kept.
        """
        with one_thread() if self.model.is_small else contextlib.nullcontext():
            try:
                while not self._finished:
                    metrics = self._train_iteration()
                    is_best = False
                    if self.iteration % self.config.eval_every == 0 or self.iteration == self.config.iterations:
                        scores, is_best = self._validated()
                        metrics |= {**scores, "largest_drop": self._progress.largest_drop}
                    self._recorder.record(self.iteration, metrics)
                    stop = should_stop()
                    self._writer.save(self._state, is_best=is_best, is_last=stop or self._finished)
                    if stop:
                        break
            finally:
                self._writer.finish()
        early = self._finished and self.iteration < self.config.iterations
        return Outcome(self.iteration, self._progress, self._finished, early)

    @property
    def _finished(self) -> bool:
        return is_finished(self.config, self.iteration, self._progress)

    def restore(self, state: State, is_new_step: bool = False) -> None:
        """Continue from a checkpoint of this data.

        Args:
            state: the checkpoint.
            is_new_step: its settings were changed, so best score and largest drop count from here.

        Raises:
            UserError: the checkpoint is of another network or other data.
            UnusableCheckpoint: it lacks what training needs, or that is damaged.
            UserError: the machine or its GPU has no room for it at this moment.
        """
        if state.config.model != self.config.model:
            raise UserError(
                f"The checkpoint belongs to the network {state.config.model!r}, not to {self.config.model!r}: leave out model, or start again "
                "without resume."
            )
        for key in (*self.data.reads.description(), "digest"):
            if state.data.get(key) != self.data.identity[key]:
                raise UserError(
                    f"The checkpoint was trained on the dataset {state.data['name']!r} ({key} {state.data.get(key)}), not on {self.data.identity['name']!r} ({self.data.identity[key]}): pass "
                    "its dataset."
                )
        try:
            self.model.load_state_dict(state.model)
            restore_moments(self._optimizer, state.optimizer)
            self._batches.restore(state.batches)
            self.iteration = state.iteration
            self._restore_generators(state)
        except Exception as error:  # whatever PyTorch stumbles over in a damaged state
            if is_machine_fault(error):
                raise UserError(
                    f"Training cannot continue now ({first_line_of(error)}): correct that, then run the same command again."
                ) from error
            raise UnusableCheckpoint(
                f"Training cannot continue from this checkpoint ({first_line_of(error)}): choose another."
            ) from error
        # The threshold schedule asks for the last accuracy, whichever run it was reached in.
        self._progress = Progress(last_accuracy=state.progress.last_accuracy) if is_new_step else state.progress

    def _restore_generators(self, state: State) -> None:
        """Let the generators continue, or start again where the checkpoint comes from another kind of device.

        The state of a GPU's generator means nothing to a CPU's; a run that moves is not the same bit for bit anyway.
        """
        generators = {"dropout": (DROPOUT_STREAM, self._dropout), "augment": (AUGMENT_STREAM, self._augment)}
        for name, (stream, generator) in generators.items():
            if state.device == self.device.type:
                generator.set_state(state.generators[name])
            else:
                generator.manual_seed(_seed(self.config.seed, stream, self.iteration))

    def _train_iteration(self) -> dict[str, float]:
        now = Moment(self.config, self.iteration, self._progress.last_accuracy, len(self.data.labels))
        rate = self._schedule(now)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self.iteration += 1
        self.model.train()
        started = time.perf_counter()
        total = torch.zeros((), device=self.device)
        for batch in range(1, self.config.batches_per_iteration + 1):
            total += self._train_batch(batch)
        loss = float(total) / self.config.batches_per_iteration  # waits for the device
        seconds = time.perf_counter() - started
        images = self.config.batches_per_iteration * self.config.batch_size
        gradient, weights = _norm(p.grad for p in self.model.parameters()), _norm(self.model.parameters())
        # A finite loss can have an infinite gradient; after such a step the state is not worth saving.
        for name, value in (("norm of the gradient", gradient), ("norm of the weights", weights)):
            if not math.isfinite(value):
                raise Diverged(f"The {name} is {value} after iteration {self.iteration}, which was discarded")
        return {
            "loss": loss,
            "learning_rate": rate,
            "images_per_second": images / seconds,
            "gradient_norm": gradient,
            "weight_norm": weights,
        }

    def _train_batch(self, batch: int) -> Tensor:
        chosen = self._batches.next()
        labels = self.data.labels[chosen.to(self.device)]
        reads, values = self.model.reads, self.data.values
        if self.config.augment:
            inputs = reads.augmented(values, chosen, self._augment, self.device)
        else:
            inputs = reads.batch(values, chosen, self.device)
        with torch.autocast(self.device.type, dtype=self._autocast, enabled=self._autocast is not None):
            logits = self.model(inputs)
        loss = functional.cross_entropy(logits.float(), labels)
        if self.config.l2:
            loss = loss + self.config.l2 * sum(w.square().sum() for w in self.model.weight_tensors()) / 2
        if not torch.isfinite(loss):
            raise Diverged(
                f"The loss is {float(loss.detach())} in iteration {self.iteration}, batch {batch}, so the optimizer step was skipped"
            )
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        return loss.detach()

    def _validated(self) -> tuple[dict[str, float], bool]:
        self.model.settle(self.data.values)
        self.model.eval()
        scores = dict(self._validate(self.model))
        accuracy, loss = scores["val_accuracy"], scores["val_loss"]
        is_best = self._progress.is_better(accuracy, loss)
        self._progress = self._progress.after(self.iteration, accuracy, loss)
        return scores, is_best

    def _state(self) -> State:
        return State(
            self.config,
            self.data.identity,
            self._run_id,
            self.iteration,
            self._progress,
            self.device.type,
            model=self.model.state_dict(),
            optimizer=moments_of(self._optimizer),
            batches=self._batches.state(),
            generators={"dropout": self._dropout.get_state(), "augment": self._augment.get_state()},
        )


def _generator(seed: int, stream: int, device: torch.device) -> torch.Generator:
    """An independent generator for one use of the run's seed."""
    return torch.Generator(device=device).manual_seed(_seed(seed, stream))


def _seed(*words: int) -> int:
    import numpy as np

    # Generators take 64-bit seeds; the top bit is the sign.
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0]) >> 1


def _norm(tensors: Any) -> float:
    present = [tensor.detach() for tensor in tensors if tensor is not None]
    return float(torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(tensor) for tensor in present])))
