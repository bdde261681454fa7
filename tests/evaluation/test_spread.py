import math

import pytest

from glassliquid.evaluation.spread import spread


def test_mean_deviation_and_interval_of_a_known_sample():
    """Mean 5 and deviation (32 / 7)^(1/2) of eight values; t(0.975, 7) = 2.364624 from a printed table."""
    found = spread([2, 4, 4, 4, 5, 5, 7, 9])
    assert (found.count, found.mean, found.lowest, found.highest) == (8, 5, 2, 9)
    assert found.deviation == pytest.approx(math.sqrt(32 / 7))
    margin = 2.364624 * math.sqrt(32 / 7) / math.sqrt(8)
    assert found.interval == pytest.approx((5 - margin, 5 + margin), rel=1e-6)  # digits of the table


def test_one_value_has_no_spread():
    found = spread([0.5])
    assert found.mean == 0.5
    assert math.isnan(found.deviation)
    assert all(math.isnan(bound) for bound in found.interval)


def test_no_values_are_refused():
    with pytest.raises(ValueError, match="no values"):
        spread([])


def test_the_interval_of_a_mean_of_shares_holds_shares():
    found = spread([0.5, 1.0])
    # Student's quantile of one degree of freedom is 12.7, so the mean +- 12.7 * 0.354 / 2^(1/2) covers all shares.
    assert found.interval[0] < 0 and found.interval[1] > 1
    assert found.interval_of_share == (0.0, 1.0)
    narrow = spread([0.7, 0.71, 0.72])
    assert narrow.interval_of_share == narrow.interval
