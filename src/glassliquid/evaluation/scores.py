"""Accuracy and its interval, confusion matrix, area under the ROC curve, and loss, from logits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glassliquid.errors import UserError
from glassliquid.roc import CONFIDENCE

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
    confusion: tuple[tuple[int, int], tuple[int, int]]
    """How many images of each class (row) were called each class (column), glass first."""

    def class_accuracy(self, label: int) -> float:
        """Share of the class's images that were classified rightly; nan if it has none."""
        row = self.confusion[label]
        return row[label] / sum(row) if sum(row) else float("nan")

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
    from sklearn.metrics import confusion_matrix, roc_auc_score

    if len(labels) == 0:
        raise UserError("There are no images to score: choose a dataset or split that has some.")
    check_finite(logits)
    log_p = log_probabilities(logits)
    called = logits.argmax(axis=1)
    right = int((called == labels).sum())
    (gg, gl), (lg, ll) = confusion_matrix(labels, called, labels=[GLASS, 1 - GLASS]).tolist()
    both = len(np.unique(labels)) == 2
    return Scores(
        images=len(labels),
        right=right,
        accuracy=right / len(labels),
        interval=wilson_interval(right, len(labels)),
        auc=float(roc_auc_score(labels == GLASS, log_p[:, GLASS] - log_p[:, 1 - GLASS])) if both else float("nan"),
        loss=float(-log_p[np.arange(len(labels)), labels].mean()),
        confusion=((gg, gl), (lg, ll)),
    )


def glass_probabilities(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """P(glass) = exp(x_glass) / (exp(x_glass) + exp(x_liquid)) from logits x of shape (n, 2); shape (n,)."""
    from scipy.special import expit

    wide = logits.astype(np.float64)
    return np.asarray(expit(wide[:, GLASS] - wide[:, 1 - GLASS]))


def check_finite(logits: NDArray[np.floating]) -> None:
    """Raise UserError if a logit is infinite or not a number."""
    if not np.isfinite(logits).all():
        raise UserError(
            "The model's output for some image is not finite, so its weights have diverged: choose another model."
        )


def log_probabilities(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Log of the softmax over the classes, shape (n, 2)."""
    from scipy.special import log_softmax

    return np.asarray(log_softmax(logits.astype(np.float64), axis=1))
