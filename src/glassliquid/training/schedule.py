"""Learning-rate schedules: pure functions of the iteration and of the last validation accuracy."""

import math
from collections.abc import Callable

from glassliquid.training.config import TrainConfig

WARMUP_EPOCHS = 2
"""The warm-up schedule rises over this many epochs."""

Schedule = Callable[[int, float | None], float]
"""Gives the rate of an iteration (counted from 1), told the last validation accuracy (None before the first)."""


def make_schedule(config: TrainConfig, training_images: int) -> Schedule:
    """The schedule that the settings name.

    With r the initial and f the final rate, L the length and t = iteration - 1 (so that the first iteration runs at t = 0):

    | schedule | rate |
    |---|---|
    | constant | r |
    | threshold | the rate of the highest threshold that the last validation accuracy is above; r if it is above none |
    | step | r for t < L, then f |
    | linear | r + (f - r) min(t / L, 1) |
    | exponential | r (f / r)^min(t / L, 1) |
    | warmup | r (t + 1) / (w + 1) for t < w, then r (f / r)^min((t - w) / (L - w), 1); w = two epochs in iterations |

    Args:
        config: the settings.
        training_images: size of the training split, which fixes the length of an epoch.
    """
    rate, final = config.learning_rate, config.final_learning_rate
    length = config.schedule_length or config.iterations
    if config.schedule == "constant":
        return lambda _iteration, _accuracy: rate
    if config.schedule == "threshold":
        return _threshold(config)
    if config.schedule == "step":
        return lambda iteration, _accuracy: rate if iteration <= length else final
    if config.schedule == "linear":
        return lambda iteration, _accuracy: rate + (final - rate) * min((iteration - 1) / length, 1)
    if config.schedule == "exponential":
        return lambda iteration, _accuracy: rate * math.pow(final / rate, min((iteration - 1) / length, 1))
    return _warmup(rate, final, length, warmup_iterations(config, training_images))


def warmup_iterations(config: TrainConfig, training_images: int) -> int:
    """Two epochs in iterations, rounded up, at most half of the schedule's length."""
    images_per_iteration = config.batch_size * config.batches_per_iteration
    length = config.schedule_length or config.iterations
    return min(math.ceil(WARMUP_EPOCHS * training_images / images_per_iteration), length // 2)


def _threshold(config: TrainConfig) -> Schedule:
    def rate(_iteration: int, accuracy: float | None) -> float:
        chosen = config.learning_rate
        for threshold, above in config.eta_threshold:
            if accuracy is not None and accuracy > threshold:
                chosen = config.final_learning_rate if above is None else above
        return chosen

    return rate


def _warmup(rate: float, final: float, length: int, warmup: int) -> Schedule:
    def schedule(iteration: int, _accuracy: float | None) -> float:
        place = iteration - 1
        if place < warmup:
            return rate * (place + 1) / (warmup + 1)
        return rate * math.pow(final / rate, min((place - warmup) / max(length - warmup, 1), 1))

    return schedule
