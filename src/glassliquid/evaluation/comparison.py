"""Whether a network is better than the linear model on g(r), in words."""

from collections.abc import Mapping
from enum import StrEnum

STRUCTURE = "structure"
"""The network that stands beside every other one."""
LINEAR = "linear model on g(r)"
"""What it is called there."""
SIGNIFICANCE = 0.05
"""Above this probability a difference is taken for chance."""


class Verdict(StrEnum):
    """What is said of a network."""

    BETTER = "better than"
    NO_BETTER = "no better than"
    WORSE = "worse than"


def compare(right: int, linear_right: int, samples: int) -> Verdict:
    """Compare two models by how many of as many samples they classify rightly: Fisher's exact test, two-sided.

    Of one and the same samples the models tend to get the same ones right, so that the test is careful: it calls fewer
    differences real than there are.
    """
    from scipy.stats import fisher_exact

    chance = fisher_exact([[right, samples - right], [linear_right, samples - linear_right]]).pvalue
    if right == linear_right or chance >= SIGNIFICANCE:
        return Verdict.NO_BETTER
    return Verdict.BETTER if right > linear_right else Verdict.WORSE


def verdict_of(metrics: Mapping[str, float]) -> Verdict:
    """The verdict on the test split, from the metrics of a run that scored both: `test_...` and `structure_test_...`."""
    images = round(metrics["test_images"])
    right, linear_right = (round(metrics[f"{prefix}test_accuracy"] * images) for prefix in ("", "structure_"))
    return compare(right, linear_right, images)
