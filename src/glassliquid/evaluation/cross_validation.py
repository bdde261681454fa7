"""What the folds of a cross-validation say together: the accuracy over all simulations, and whether the folds agree.

Two intervals answer two questions.

- Pooled: how often are the networks of these folds right on simulations that nobody has seen? Simulations are the unit: the two
  images of one are right or wrong together, and `combined_interval` takes their correlation into account. The folds' training sets
  overlap, so that their errors on average are correlated; but each is tested on simulations that no other is tested on, and given the
  trained networks these tests are independent of one another. For the mean accuracy of just these networks the interval
  therefore holds (Bayle, Bayle, Janson, Mackey, NeurIPS 2020; its coverage is tested).
- Mean over folds (Student's t): how well does such a training run come out, if it is done once more? It sees that two training runs differ.
  Since the training sets overlap, the folds' accuracies are not independent, and no unbiased estimate of their mean's variance exists
  (Bengio and Grandvalet, J. Mach. Learn. Res. 5, 1089, 2004): it may be somewhat too narrow for a training run on other simulations.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glassliquid.evaluation.comparison import SIGNIFICANCE
from glassliquid.evaluation.intervals import combined_interval
from glassliquid.evaluation.scores import GLASS
from glassliquid.evaluation.transfer import shared_fate

PERMUTATIONS = 2000
"""A chance of 5 % is then known to half a per cent."""


@dataclass(frozen=True)
class Tested:
    """What the network of one fold said of the simulations that it was not trained on."""

    logits: NDArray[np.floating]
    """Shape (n, 2)."""
    labels: NDArray[np.integer]
    """Class indices, shape (n,)."""
    simulations: NDArray[np.integer]
    """Shape (n,)."""


@dataclass(frozen=True)
class Pooled:
    """All folds together."""

    simulations: int
    images: int
    right: int
    """How many images were classified rightly."""
    interval: tuple[float, float]
    """95 % interval of the accuracy."""
    chance: float
    """Probability that folds of equally good networks differ as much as these or more."""

    @property
    def accuracy(self) -> float:
        """Right / images."""
        return self.right / self.images

    @property
    def differ(self) -> bool:
        """Whether the folds differ by more than the simulations that each was tested on explain."""
        return self.chance < SIGNIFICANCE

    def __str__(self) -> str:
        """Such as `99.17 % (119 of 120 images of 60 simulations, 95 % interval 95.4 to 99.9 %)`."""
        low, high = (100 * bound for bound in self.interval)
        counts = f"{self.right} of {self.images} images of {self.simulations} simulations"
        return f"{100 * self.accuracy:.2f} % ({counts}, 95 % interval {low:.1f} to {high:.1f} %)"


def pool(folds: Sequence[Tested], generator: np.random.Generator) -> Pooled:
    """Accuracy over the simulations of all folds, with its interval.

    Args:
        folds: no simulation is in two of them.
        generator: source of the permutations.

    Raises:
        ValueError: a simulation was tested twice, or there are none.
    """
    parts = [set(fold.simulations.tolist()) for fold in folds]
    if len(set[int]().union(*parts)) != sum(map(len, parts)):
        raise ValueError("a simulation was tested twice")
    logits, labels, simulations = (
        np.concatenate([getattr(fold, name) for fold in folds]) for name in ("logits", "labels", "simulations")
    )
    is_right = logits.argmax(axis=1) == labels
    classes = (GLASS, 1 - GLASS)
    right = [int(is_right[labels == label].sum()) for label in classes]
    counts = [int((labels == label).sum()) for label in classes]
    return Pooled(
        simulations=sum(map(len, parts)),
        images=len(labels),
        right=sum(right),
        interval=combined_interval(right, counts, shared_fate(logits, labels, simulations)),
        chance=chance_of_difference(*_by_simulation(is_right, simulations, parts), generator),
    )


def chance_of_difference(
    values: NDArray[np.floating], folds: NDArray[np.integer], generator: np.random.Generator
) -> float:
    """Permutation test of whether folds differ: how often are they as far apart if simulations are dealt to them at random?

    The distance is sum_k n_k (m_k - m)^2, with m_k the mean of the n_k simulations of fold k and m that of all; the share of
    permutations that reach it is (1 + reached) / (1 + permutations). Source: Phipson and Smyth, Stat. Appl. Genet. Mol. Biol.
    9, 39 (2010).

    Args:
        values: share of right images of each simulation, shape (n,).
        folds: number of its fold from 0, shape (n,).
        generator: source of the permutations.
    """
    sizes = np.bincount(folds)
    centred = values - values.mean()

    def distance(dealt: NDArray[np.floating]) -> float:
        return float((np.bincount(folds, weights=dealt) ** 2 / sizes).sum())

    # Sums of equal numbers in another order differ in their last bits.
    found = distance(centred) * (1 - 1e-9)
    reached = sum(distance(generator.permutation(centred)) >= found for _ in range(PERMUTATIONS))
    return (1 + reached) / (1 + PERMUTATIONS)


def _by_simulation(
    is_right: NDArray[np.bool_], simulations: NDArray[np.integer], parts: Sequence[set[int]]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Share of right images of each simulation, and its fold."""
    numbers, place = np.unique(simulations, return_inverse=True)
    shares = np.bincount(place, weights=is_right) / np.bincount(place)
    fold_of = {number: fold for fold, part in enumerate(parts) for number in part}
    return shares, np.array([fold_of[number] for number in numbers.tolist()], dtype=np.int64)
