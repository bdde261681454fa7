import numpy as np
import pytest

from glassliquid.physics.potential import box_length, energy_and_forces, species_counts
from tests.physics.configurations import LENGTH, POSITIONS, TYPES

# Kob and Andersen 1995, written out again so that a slip in the package's table shows: epsilon and sigma of each pair.
LITERATURE = {(0, 0): (1.0, 1.0), (0, 1): (1.5, 0.8), (1, 0): (1.5, 0.8), (1, 1): (0.5, 0.88)}

each_pair = pytest.mark.parametrize("types", sorted(LITERATURE), ids=["AA", "AB", "BA", "BB"])


def pair(types: tuple[int, int], distance: float, length: float = 10.0) -> tuple[float, np.ndarray]:
    """Energy of the pair (not per particle) and the forces on both, at a distance along x."""
    positions = np.array([[0.0, 0.0], [distance, 0.0]])
    energy, forces = energy_and_forces(positions, np.array(types), length)
    return 2 * energy, forces


@each_pair
def test_the_minimum_lies_at_the_sixth_root_of_two_sigma_and_is_epsilon_deep(types):
    epsilon, sigma = LITERATURE[types]
    energy, forces = pair(types, 2 ** (1 / 6) * sigma)
    # Rounding only: powers of numbers near 1 in double precision.
    assert energy == pytest.approx(-epsilon, rel=1e-14)
    assert np.abs(forces).max() < 1e-13


@each_pair
def test_the_energy_is_zero_at_sigma(types):
    _, sigma = LITERATURE[types]
    assert pair(types, sigma)[0] == pytest.approx(0, abs=1e-14)


@each_pair
@pytest.mark.parametrize("factor", [0.9, 1.0, 1.2, 1.8, 2.4])
def test_the_force_is_minus_the_derivative_of_the_energy(types, factor):
    _, sigma = LITERATURE[types]
    r, h = factor * sigma, 1e-5
    slope = (pair(types, r + h)[0] - pair(types, r - h)[0]) / (2 * h)
    # The force on the second particle, along the line from the first. The central difference is off by h^2 V'''/6,
    # V''' being at most 3e5 at 0.9 sigma, and by rounding, 1e-16 * V / h.
    assert pair(types, r)[1][1, 0] == pytest.approx(-slope, abs=1e-4)


@each_pair
def test_the_energy_is_truncated_at_the_cutoff_and_not_shifted(types):
    epsilon, sigma = LITERATURE[types]
    inside, outside = pair(types, 2.5 * sigma * (1 - 1e-12)), pair(types, 2.5 * sigma * (1 + 1e-12))
    jump = 4 * epsilon * (2.5**-12 - 2.5**-6)
    # The energy changes by 1e-12 times sigma V' over the two distances, and V' is below 0.1 there.
    assert inside[0] == pytest.approx(jump, abs=1e-12)
    assert outside[0] == 0
    assert not outside[1].any()


@each_pair
@pytest.mark.parametrize("distance", [0.7, 0.95, 1.9])
def test_the_nearest_periodic_image_interacts(types, distance):
    length = 6.0
    direct, _ = pair(types, distance, length)
    through_the_wall, forces = pair(types, length - distance, length)
    # Rounding: length - distance is inexact in the last bit and the steepest V' is 1e4.
    assert through_the_wall == pytest.approx(direct, abs=1e-10)
    assert forces[1, 0] == pytest.approx(-pair(types, distance, length)[1][1, 0], abs=1e-9)


def test_forces_sum_to_zero():
    _, forces = energy_and_forces(POSITIONS, TYPES, LENGTH)
    assert np.abs(forces).max() > 1
    assert np.abs(forces.sum(axis=0)).max() < 1e-13 * np.abs(forces).sum()  # rounding of the sum


def test_energy_and_forces_do_not_see_a_shift_or_another_image():
    energy, forces = energy_and_forces(POSITIONS, TYPES, LENGTH)
    moved = POSITIONS + [1.7, -2.9] + LENGTH * np.arange(-4, 5)[:, None]
    again, forces_again = energy_and_forces(moved, TYPES, LENGTH)
    # Rounding of coordinates up to 40 (7e-15) times the steepest pair's V'' of 1e4.
    assert again == pytest.approx(energy, abs=1e-10)
    assert forces_again == pytest.approx(forces, abs=1e-9)


def test_energy_is_the_sum_over_pairs_by_the_plain_formula():
    total = 0.0
    for first in range(len(POSITIONS)):
        for second in range(first):
            epsilon, sigma = LITERATURE[TYPES[first], TYPES[second]]
            images = [
                np.hypot(*(POSITIONS[first] - POSITIONS[second] + LENGTH * np.array([i, j])))
                for i in (-1, 0, 1)
                for j in (-1, 0, 1)
            ]
            r = min(images)
            if r < 2.5 * sigma:
                total += 4 * epsilon * ((sigma / r) ** 12 - (sigma / r) ** 6)
    # Rounding of a sum of some thirty numbers.
    assert energy_and_forces(POSITIONS, TYPES, LENGTH)[0] == pytest.approx(total / len(POSITIONS), rel=1e-12)


def test_a_box_below_two_cutoffs_is_refused():
    with pytest.raises(ValueError, match=r"box length 4\.9 is below twice the cutoff 2\.5"):
        pair((0, 0), 1.0, length=4.9)


@pytest.mark.parametrize("particles", [32, 100, 256, 1024])
def test_density_and_composition(particles):
    count_a, count_b = species_counts(particles)
    assert count_a + count_b == particles
    assert abs(count_a - 0.65 * particles) <= 0.5
    assert particles / box_length(particles) ** 2 == pytest.approx(1.2, rel=1e-14)
