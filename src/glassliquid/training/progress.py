"""How a run has gone so far: best, last, and the largest fall of the validation accuracy."""

import math
import sys
from dataclasses import dataclass, fields, replace
from typing import Any

from glassliquid.files import whole_number

LEARNED = 0.90
"""A run has learned once its validation accuracy passes this."""

COLLAPSE = 0.25
"""A run has collapsed when, after learning, its accuracy falls by more than this: halfway from right to chance."""


@dataclass(frozen=True)
class Progress:
    """Updated after every validation."""

    last_accuracy: float | None = None
    """The newest validation accuracy."""
    best_accuracy: float = -1.0
    """The highest validation accuracy."""
    best_loss: float = float("inf")
    """The validation loss at the best checkpoint; it decides between equal accuracies."""
    best_iteration: int = 0
    """The iteration of the best checkpoint."""
    peak: float = 0.0
    """The highest accuracy since it first passed 90 %, or 0 before that."""
    largest_drop: float = 0.0
    """The largest fall from an earlier peak after the accuracy first passed 90 %."""
    since_best: int = 0
    """Validations since the best one."""

    @classmethod
    def from_json(cls, value: Any) -> "Progress":
        """The inverse of `dataclasses.asdict`; TypeError or ValueError if it is none."""
        names = {field.name for field in fields(cls)}
        if not isinstance(value, dict) or set(value) != names:
            raise ValueError("fields are missing or unknown")
        for name in ("best_iteration", "since_best"):
            whole_number(value[name], 0, 2**62)
        numbers = {name: value[name] for name in names - {"best_iteration", "since_best", "best_loss"}}
        for name, number in numbers.items():
            if number is None and name == "last_accuracy":
                continue
            if type(number) not in (int, float) or not -1 <= number <= 1:
                raise ValueError(f"{name} is {str(number)[:40]}")
        loss = value["best_loss"]
        # Infinite before the first validation; not a number compares as false.
        if type(loss) not in (int, float) or not (abs(loss) <= sys.float_info.max or loss == math.inf):
            raise ValueError("best_loss is no number")
        return cls(**value)

    @property
    def collapsed(self) -> bool:
        """Whether the run lost what it had learned at some time."""
        return self.largest_drop > COLLAPSE

    def is_better(self, accuracy: float, loss: float) -> bool:
        """Whether a validation result beats the best one: higher accuracy, or the same with a lower loss."""
        return (accuracy, -loss) > (self.best_accuracy, -self.best_loss)

    def after(self, iteration: int, accuracy: float, loss: float) -> "Progress":
        """The progress including this validation."""
        peak = max(self.peak, accuracy) if self.peak or accuracy > LEARNED else 0.0
        updated = replace(
            self,
            last_accuracy=accuracy,
            peak=peak,
            largest_drop=max(self.largest_drop, peak - accuracy if peak else 0.0),
            since_best=self.since_best + 1,
        )
        if self.is_better(accuracy, loss):
            updated = replace(updated, best_accuracy=accuracy, best_loss=loss, best_iteration=iteration, since_best=0)
        return updated
