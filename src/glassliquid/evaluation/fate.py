"""What became of a training run: it kept what it learned, lost it, or never learned. And what counts as chance."""

from collections.abc import Iterable, Sequence
from enum import StrEnum

from glassliquid.evaluation.scores import wilson_interval

CHANCE = 0.5
"""Accuracy of a guess where both classes have as many images."""


class Fate(StrEnum):
    """How a training run that came to its end went."""

    STAYED = "stayed"
    COLLAPSED = "collapsed"
    NEVER_LEARNED = "never learned"


def chance_of(counts: Sequence[int]) -> float:
    """Accuracy of a guess on images of which so many are of each class: it calls everything the larger one."""
    return max(counts) / sum(counts)


def is_at_chance(accuracy: float, images: int, chance: float = CHANCE) -> bool:
    """Whether an accuracy may be that of a guess: its 95 % interval (Wilson) contains chance, or lies below it.

    Args:
        accuracy: share of the images that were classified rightly.
        images: how many there are.
        chance: accuracy of a guess.
    """
    low, _ = wilson_interval(round(accuracy * images), images)
    return low <= chance


def fate_of(collapsed: bool, best_accuracy: float, images: int, chance: float = CHANCE) -> Fate:
    """The fate of a run.

    Args:
        collapsed: whether it lost what it had learned.
        best_accuracy: its highest validation accuracy.
        images: of the validation split.
        chance: as in `is_at_chance`.
    """
    if collapsed:
        return Fate.COLLAPSED
    return Fate.NEVER_LEARNED if is_at_chance(best_accuracy, images, chance) else Fate.STAYED


def worst(fates: Iterable[Fate]) -> Fate:
    """The one fate that stands for several runs: collapsed if any did, else never learned if any did not, else stayed."""
    found = set(fates)
    return next(fate for fate in (Fate.COLLAPSED, Fate.NEVER_LEARNED, Fate.STAYED) if fate in found)


def counted(fates: Iterable[Fate]) -> str:
    """How many runs had which fate, such as `2 stayed, 0 collapsed, 1 never learned`."""
    found = list(fates)
    return ", ".join(f"{found.count(fate)} {fate}" for fate in Fate)
