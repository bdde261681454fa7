"""Learning-rate schedules: pure functions of the iteration and of the last validation accuracy, registered by name.

Every schedule gets a `Moment` of a training run and returns the rate of the iteration that begins then. In the formulas
r is the initial and f the final rate, L the length and t the iterations finished, so that the first one runs at t = 0.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glassliquid.registry import Registry

if TYPE_CHECKING:  # which checks its settings against the names registered here
    from glassliquid.training.config import TrainConfig

WARMUP_EPOCHS = 2
"""The warm-up schedule rises over this many epochs."""


@dataclass(frozen=True)
class Moment:
    """The beginning of an iteration."""

    config: "TrainConfig"
    """The settings of the training."""
    finished: int
    """Iterations finished, t."""
    accuracy: float | None
    """The last validation accuracy; None before the first."""
    training_samples: int
    """Size of the training split, which fixes the length of an epoch."""

    @property
    def length(self) -> int:
        """L, the iterations until the final rate: `schedule_length`, or the whole run."""
        return self.config.schedule_length or self.config.iterations

    @property
    def warmup(self) -> int:
        """w, two epochs in iterations, rounded up, at most half of the length."""
        samples_per_iteration = self.config.batch_size * self.config.batches_per_iteration
        return min(math.ceil(WARMUP_EPOCHS * self.training_samples / samples_per_iteration), self.length // 2)


SCHEDULES: Registry[Callable[[Moment], float]] = Registry("schedule")


@SCHEDULES.register("threshold")
def threshold(now: Moment) -> float:
    """The rate of the highest threshold that the last validation accuracy is above; r if it is above none."""
    rate = now.config.learning_rate
    for accuracy, above in now.config.eta_threshold:
        if now.accuracy is not None and now.accuracy > accuracy:
            rate = now.config.final_learning_rate if above is None else above
    return rate


@SCHEDULES.register("constant")
def constant(now: Moment) -> float:
    """The rate is always r."""
    return now.config.learning_rate


@SCHEDULES.register("step")
def step(now: Moment) -> float:
    """The rate is r for t < L, then f."""
    return now.config.learning_rate if now.finished < now.length else now.config.final_learning_rate


@SCHEDULES.register("linear")
def linear(now: Moment) -> float:
    """The rate is r + (f - r) min(t / L, 1)."""
    rate, final = now.config.learning_rate, now.config.final_learning_rate
    return rate + (final - rate) * min(now.finished / now.length, 1)


@SCHEDULES.register("exponential")
def exponential(now: Moment) -> float:
    """The rate is r (f / r)^min(t / L, 1)."""
    rate, final = now.config.learning_rate, now.config.final_learning_rate
    return rate * math.pow(final / rate, min(now.finished / now.length, 1))


@SCHEDULES.register("warmup")
def warmup(now: Moment) -> float:
    """The rate is r (t + 1) / (w + 1) for t < w, then r (f / r)^min((t - w) / (L - w), 1)."""
    rate, final = now.config.learning_rate, now.config.final_learning_rate
    if now.finished < now.warmup:
        return rate * (now.finished + 1) / (now.warmup + 1)
    return rate * math.pow(final / rate, min((now.finished - now.warmup) / max(now.length - now.warmup, 1), 1))
