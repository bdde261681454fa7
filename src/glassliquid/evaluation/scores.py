"""Accuracy and its interval, area under the ROC curve, and loss, from logits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glassliquid.errors import UserError

CONFIDENCE = 0.95
GLASS = 0
"""Class index of glass; P(glass) is its probability."""


@dataclass(frozen=True)
class Scores:
    """How a model does on some images."""

    images: int
    """How many."""
    right: int
    """How many of them were classified rightly."""
    accuracy: float
    """right / images."""
    interval: tuple[float, float]
    """95 % Wilson interval of the accuracy."""
    auc: float
    """Area under the ROC curve of P(glass); 0.5 is chance, nan if only one class is present."""
    loss: float
    """Mean cross-entropy [nats]."""

    def __str__(self) -> str:
        """Such as `99.17 % (119 of 120, 95 % interval 95.4 to 99.9 %)`."""
        low, high = (100 * bound for bound in self.interval)
        return f"{100 * self.accuracy:.2f} % ({self.right} of {self.images}, 95 % interval {low:.1f} to {high:.1f} %)"


def wilson_interval(right: int, count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's score interval of a proportion.

    (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n). Source: Wilson, J. Am. Stat. Assoc. 22, 209 (1927), as in
    scipy.stats.

    Raises:
        ValueError: count is not positive or right is outside 0..count.
    """
    from scipy.stats import binomtest

    interval = binomtest(right, count).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def score_logits(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> Scores:
    """Scores of a model's logits.

    Args:
        logits: shape (n, 2).
        labels: class indices, shape (n,).

    Raises:
        UserError: there are no images, or a logit is not finite.
    """
    from sklearn.metrics import roc_auc_score

    if len(labels) == 0:
        raise UserError("There are no images to score: choose a dataset or split that has some.")
    if not np.isfinite(logits).all():
        raise UserError(
            "The model's output is not finite on some image: its weights have diverged, choose another model."
        )
    log_p = log_probabilities(logits)
    right = int((logits.argmax(axis=1) == labels).sum())
    both = len(np.unique(labels)) == 2
    return Scores(
        images=len(labels),
        right=right,
        accuracy=right / len(labels),
        interval=wilson_interval(right, len(labels)),
        auc=float(roc_auc_score(labels == GLASS, log_p[:, GLASS] - log_p[:, 1 - GLASS])) if both else float("nan"),
        loss=float(-log_p[np.arange(len(labels)), labels].mean()),
    )


def log_probabilities(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Log of the softmax over the classes, shape (n, 2)."""
    from scipy.special import log_softmax

    return np.asarray(log_softmax(logits.astype(np.float64), axis=1))
