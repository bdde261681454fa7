"""Better, worse or neither, by Fisher's exact test."""

import numpy as np
import pytest

from glassliquid.evaluation.comparison import Verdict, compare, verdict_of


@pytest.mark.parametrize(
    ("right", "linear_right", "samples", "expected"),
    [
        (100, 100, 100, Verdict.NO_BETTER),
        (100, 96, 100, Verdict.NO_BETTER),  # p = 0.12
        (100, 94, 100, Verdict.BETTER),  # 0.029
        (94, 100, 100, Verdict.WORSE),
        (5, 0, 5, Verdict.BETTER),  # 2 / C(10, 5) = 0.008
        (3, 0, 3, Verdict.NO_BETTER),  # 2 / C(6, 3) = 0.1
        (0, 0, 1, Verdict.NO_BETTER),
    ],
)
def test_a_difference_that_chance_makes_is_none(right: int, linear_right: int, samples: int, expected: Verdict):
    assert compare(right, linear_right, samples) is expected


def test_the_verdict_is_read_from_the_metrics_of_a_run():
    metrics = {"test_images": 120.0, "test_accuracy": 1.0, "structure_test_images": 120.0}
    assert verdict_of({**metrics, "structure_test_accuracy": 119 / 120}) is Verdict.NO_BETTER
    assert verdict_of({**metrics, "structure_test_accuracy": 100 / 120}) is Verdict.BETTER


def test_of_equal_models_few_are_called_better_or_worse():
    """Two models of accuracy 0.8 on 200 images of their own, 500 times: at most 5 % of the pairs differ in words."""
    drawn = np.random.default_rng(0).binomial(200, 0.8, (500, 2))
    found = [compare(int(right), int(other), 200) for right, other in drawn]
    assert np.mean([verdict is not Verdict.NO_BETTER for verdict in found]) < 0.06
