from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from glassliquid.evaluation.cooling_rate import rate_dependence
from glassliquid.evaluation.glass_transition import (
    INHERENT,
    POTENTIAL,
    GlassTransition,
    NoTransition,
    find_glass_transition,
)
from glassliquid.physics.protocol import temperature

MARKS = np.array([temperature(index) for index in range(201)])
A, B = -4.6, 1.78
"""Of the liquid in these tests: those of the demo ensemble's hot half."""


def invented(
    simulations: int, kink: float, generator: np.random.Generator, glass_slope: float = 0.8
) -> NDArray[np.float64]:
    """Energies that follow a + b T^(3/5) down to `kink` and are straight below.

    Simulations differ by a constant, as glasses do, and by fluctuations at each mark whose variance is proportional to T.
    """
    at_kink = A + B * kink**0.6
    mean = np.where(kink < MARKS, A + B * MARKS**0.6, at_kink + glass_slope * (MARKS - kink))
    offset = generator.normal(0, 0.02, size=(simulations, 1))
    return mean + offset + generator.normal(0, 0.05, size=(simulations, 201)) * np.sqrt(MARKS)


def test_the_interval_covers_a_known_kink_in_93_to_97_per_cent_of_repetitions():
    """600 repetitions: the share's own standard deviation is 0.9 %, so that 95 % stays between 93 and 97 with 2.2 of them."""
    generator, covered, shifts = np.random.default_rng(7), 0, []
    for kink in np.repeat([0.5, 0.7, 0.9], 200):
        found = find_glass_transition(invented(80, kink, generator), MARKS, POTENTIAL, generator, replicates=500)
        assert isinstance(found, GlassTransition), found
        covered += found.interval[0] <= kink <= found.interval[1]
        shifts.append((found.temperature - kink) / (found.interval[1] - found.interval[0]))
    assert 0.93 <= covered / 600 <= 0.97
    # In units of an interval's width, which is 3.9 standard errors: the mean of 600 has an error of 0.01.
    assert abs(np.mean(shifts)) < 0.04


def test_more_simulations_give_a_narrower_interval():
    generator = np.random.default_rng(1)
    widths = []
    for count in (50, 800):
        found = find_glass_transition(invented(count, 0.7, generator), MARKS, POTENTIAL, generator)
        assert isinstance(found, GlassTransition)
        widths.append(found.interval[1] - found.interval[0])
    # 16 times as many: a quarter, but for other windows.
    assert widths[1] == pytest.approx(widths[0] / 4, rel=0.5)


def test_the_fits_that_are_as_good_enclose_the_one_that_is_reported():
    found = find_glass_transition(
        invented(100, 0.7, np.random.default_rng(2)), MARKS, POTENTIAL, np.random.default_rng(0)
    )
    assert isinstance(found, GlassTransition)
    assert found.spread[0] <= found.temperature <= found.spread[1]
    assert found.pairs > 10
    assert found.range == (min(found.interval[0], found.spread[0]), max(found.interval[1], found.spread[1]))
    assert found.liquid.cold > found.temperature > found.glass.hot


@pytest.mark.parametrize(
    ("mean", "reason"),
    [
        (A + B * MARKS**0.6, "a liquid that never falls out of equilibrium"),
        (-3.8 + MARKS, "a glass from the beginning"),
        (np.where(MARKS > 0.7, -3.8 + 0.8 * MARKS, -3.8 - 0.14 + MARKS), "a slope that rises on cooling"),
    ],
    ids=["liquid", "glass", "reverse"],
)
def test_there_is_no_transition_without_a_slope_that_falls_on_cooling(mean: NDArray[np.float64], reason: str):
    generator = np.random.default_rng(3)
    energies = mean + generator.normal(0, 0.02, size=(100, 1)) + generator.normal(0, 0.03, size=(100, 201))
    found = find_glass_transition(energies, MARKS, POTENTIAL, generator)
    assert isinstance(found, NoTransition), reason


def test_few_marks_and_few_simulations_are_said_to_be_too_few():
    generator = np.random.default_rng(4)
    found = find_glass_transition(invented(20, 0.7, generator)[:, :6], MARKS[:6], POTENTIAL, generator)
    assert isinstance(found, NoTransition)
    assert found.reason == "6 marks in 20 simulations are too few for two branches"


def test_the_fictive_temperature_is_that_of_the_liquid_with_the_energy_of_the_coldest_glass():
    """e_IS = -3.90 + 0.10 / T down to 0.6, constant below: T_g and the fictive temperature are both 0.6."""
    marks, generator = MARKS[::10], np.random.default_rng(5)
    mean = -3.90 + 0.10 / np.maximum(marks, 0.6) * -1
    energies = mean + generator.normal(0, 0.01, size=(200, 1)) + generator.normal(0, 0.005, size=(200, len(marks)))
    found = find_glass_transition(energies, marks, INHERENT, generator)
    assert isinstance(found, GlassTransition)
    assert found.interval[0] <= 0.6 <= found.interval[1]
    assert found.fictive is not None
    value, (low, high) = found.fictive
    assert low <= 0.6 <= high
    assert low <= value <= high


def test_tg_over_the_logarithm_of_the_rate_is_a_line_with_an_interval():
    base = find_glass_transition(
        invented(60, 0.7, np.random.default_rng(6)), MARKS, POTENTIAL, np.random.default_rng(0)
    )
    assert isinstance(base, GlassTransition)
    rates = [0.1, 0.01, 0.001]
    generator = np.random.default_rng(8)

    def at(kink: float) -> GlassTransition:
        resampled = kink + generator.normal(0, 0.01, size=2000)
        return replace(base, temperature=kink, interval=(kink - 0.02, kink + 0.02), resampled=resampled)

    found = rate_dependence([at(0.7), at(0.65), at(0.6)], rates)
    assert found.slope == pytest.approx(0.05)
    assert found.intercept == pytest.approx(0.75)
    assert found.residual == pytest.approx(0, abs=1e-12)
    # The slope of three points two decades apart has the error 0.01 / sqrt(2) a decade.
    assert found.slope_interval[1] - found.slope_interval[0] == pytest.approx(2 * 1.96 * 0.01 / 2**0.5, rel=0.1)
    assert rate_dependence([at(0.7), at(0.65)], rates[:2]).residual is None
