"""How a run has gone so far: best, last, and the largest fall of the validation accuracy."""

import math
from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, PlainSerializer

from glassliquid.settings import Field, settings

LEARNED = 0.90
"""A run has learned once its validation accuracy passes this."""

COLLAPSE = 0.25
"""A run has collapsed when, after learning, its accuracy falls by more than this: halfway from right to chance."""


Accuracy = Annotated[float, Field(ge=-1, le=1)]
Loss = Annotated[
    float,
    Field(ge=0, allow_inf_nan=True),
    BeforeValidator(lambda loss: math.inf if loss is None else loss),
    PlainSerializer(lambda loss: None if loss == math.inf else loss, when_used="json"),
]
"""Infinite before the first validation, which JSON has no number for: null is stored."""
Count = Annotated[int, Field(ge=0, le=2**62)]


@settings
class Progress:
    """Updated after every validation."""

    VERSION: ClassVar[int] = 1

    last_accuracy: Accuracy | None = None
    """The newest validation accuracy."""
    best_accuracy: Accuracy = -1.0
    """The highest validation accuracy."""
    best_loss: Loss = math.inf
    """The validation loss at the best checkpoint; it decides between equal accuracies."""
    best_iteration: Count = 0
    """The iteration of the best checkpoint."""
    peak: Accuracy = 0.0
    """The highest accuracy since it first passed 90 %, or 0 before that."""
    largest_drop: Accuracy = 0.0
    """The largest fall from an earlier peak after the accuracy first passed 90 %."""
    since_best: Count = 0
    """Validations since the best one."""

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
