"""Structure against lattices, whose answers are known, against the reference energy, and under the symmetries of the box."""

import math

import numpy as np
import pytest

from glassliquid.errors import UserError
from glassliquid.physics import structure
from glassliquid.physics.potential import box_length, energy_and_forces, species_counts
from glassliquid.physics.structure import FEATURES, G_BINS, G_CUTOFF, G_START, close_pairs, features, voronoi_cells
from glassliquid.trajectories.trajectory import particle_types, read_configurations

NAMES = [feature.name for feature in FEATURES]


def named(values: np.ndarray) -> dict[str, float]:
    return dict(zip(NAMES, values.tolist(), strict=True))


def hexagonal(rows: int) -> tuple[np.ndarray, float]:
    """A lattice of hexagons that fits a square but for a strain of 1 %: 2 * 7 rows of 12 are 12 wide and 12.12 high."""
    spacing = 12 / rows
    x, y = np.meshgrid(np.arange(rows), np.arange(14))
    positions = np.column_stack([((x + y % 2 / 2) * spacing).ravel(), (y * 12 / 14).ravel()]) - 6
    return positions, 12.0


def square(side: int, spacing: float) -> tuple[np.ndarray, float]:
    x, y = np.meshgrid(np.arange(side), np.arange(side))
    return (np.column_stack([x.ravel(), y.ravel()]) - side / 2) * spacing, side * spacing


def random(particles: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, float]:
    """Particles on a distorted square lattice, so that none are on top of each other."""
    generator = np.random.default_rng(seed)
    side = round(math.sqrt(particles))
    positions, length = square(side, box_length(particles) / side)
    types = generator.permutation(particle_types(particles))
    return positions + generator.uniform(-0.1, 0.1, positions.shape), types, length


def test_a_hexagonal_lattice_has_psi6_one_and_six_neighbours():
    positions, length = hexagonal(12)
    cells = voronoi_cells(positions, length)
    assert np.all(cells.coordination == 6)
    # The strain of 1 % turns the directions by up to half a per cent of a radian: psi6 loses (6 * 0.005)^2 / 2.
    np.testing.assert_allclose(cells.psi6, 1, atol=1e-3)
    np.testing.assert_allclose(cells.areas, 144 / 168, rtol=1e-5)


def test_g_has_peaks_at_the_distances_of_a_square_lattice_with_their_numbers_of_neighbours():
    spacing = 0.99
    positions, length = square(12, spacing)
    pairs = close_pairs(positions, np.zeros(144, dtype=int), length)
    g = structure.partial_g(pairs, np.array([144, 0]), length)
    edges = np.linspace(G_START, G_CUTOFF, G_BINS + 1)
    # Neighbours in a bin: g times density times area of the ring, of the 143 others.
    neighbours = g[0] * 143 / length**2 * np.pi * (edges[1:] ** 2 - edges[:-1] ** 2)
    shells = {1: 4, math.sqrt(2): 4, 2: 4, math.sqrt(5): 8, math.sqrt(8): 4}
    expected = np.zeros(G_BINS)
    for distance, number in shells.items():
        expected[np.searchsorted(edges, distance * spacing) - 1] += number
    expected[np.searchsorted(edges, 3 * spacing) - 1] += 4
    np.testing.assert_allclose(neighbours, expected, rtol=1e-9, atol=1e-9)
    assert not g[1:].any()


def test_particles_without_correlation_have_g_one():
    generator = np.random.default_rng(1)
    types, length = particle_types(1024), box_length(1024)
    found = [
        structure.partial_g(
            close_pairs(generator.uniform(-length / 2, length / 2, (1024, 2)), types, length),
            np.array(species_counts(1024)),
            length,
        )
        for _ in range(10)
    ]
    # Some 75,000 pairs of A, 80,000 of A and B, 22,000 of B: the mean over all bins is known to below 1 %.
    np.testing.assert_allclose(np.mean(found, axis=0).mean(axis=1), 1, atol=0.03)


def test_bonds_are_pairs_of_b_that_are_close():
    positions = np.array([[0, 0], [1.2, 0], [0, 1.4], [-3.9, 3], [3.9, 3], [-1.0, 0.0]])
    pairs = close_pairs(positions, np.array([1, 1, 1, 1, 1, 0]), 9.0)
    assert (
        structure.bonds(pairs) == 2
    )  # 1.2 apart, and 1.2 apart through the boundary; 1.4 is too far, the last is an A


@pytest.mark.parametrize("seed", range(3))
def test_the_energy_is_that_of_the_potential(seed: int):
    positions, types, length = random(144, seed)
    expected, _ = energy_and_forces(positions, types, length)
    assert structure.energy(close_pairs(positions, types, length)) / 144 == pytest.approx(expected, rel=1e-12)
    assert named(features(positions, types, length))["potential energy per particle"] == pytest.approx(
        expected, rel=1e-6
    )


def test_the_energy_of_a_snapshot_is_that_of_the_engine(ensemble):
    for found in read_configurations(ensemble.path(ensemble.simulations[0])):
        energy = named(features(found.positions, found.types, found.length))["potential energy per particle"]
        # Stored in single precision, which the steep core magnifies.
        assert energy == pytest.approx(found.log["potential_energy"], abs=2e-4)


def test_statistics_are_those_of_each_species():
    positions, types, length = random(144)
    cells, found = voronoi_cells(positions, length), named(features(positions, types, length))
    for species, name in enumerate("AB"):
        chosen = types == species
        for what, values in (
            ("|psi6|", cells.psi6),
            ("coordination", cells.coordination),
            ("Voronoi area", cells.areas),
        ):
            assert found[f"{what} of {name}, mean"] == pytest.approx(values[chosen].mean(), rel=1e-5)
            assert found[f"{what} of {name}, deviation"] == pytest.approx(values[chosen].std(), rel=1e-5)
    assert cells.areas.sum() == pytest.approx(length**2, rel=1e-5)


@pytest.mark.parametrize("particles", [49, 64, 144, 400])
def test_cells_fill_the_box_and_have_six_neighbours_in_the_mean(particles: int):
    """Euler's formula on the torus, for the smallest box and for points without any order, whose cells are the largest."""
    _, _, length = random(particles)
    cells = voronoi_cells(np.random.default_rng(particles).uniform(-length / 2, length / 2, (particles, 2)), length)
    assert cells.coordination.mean() == 6
    assert cells.areas.sum() == pytest.approx(length**2, rel=1e-9)


def test_psi6_is_that_of_freud():
    """An independent opinion, on a lattice so little disturbed that the Voronoi neighbours are the six nearest."""
    import freud

    positions, length = hexagonal(12)
    positions = positions + np.random.default_rng(3).uniform(-0.06, 0.06, positions.shape)
    points = np.pad(positions, ((0, 0), (0, 1)))
    nearest = {"num_neighbors": 6, "exclude_ii": True}
    system = freud.locality.AABBQuery(freud.box.Box.square(length), points)
    expected = np.abs(freud.order.Hexatic(k=6).compute(system, neighbors=nearest).particle_order)
    cells = voronoi_cells(positions, length)
    assert np.all(cells.coordination == 6)
    assert expected.min() < 0.95
    np.testing.assert_allclose(cells.psi6, expected, atol=1e-5)


@pytest.mark.parametrize("symmetry", ["shift", "mirror", "turn", "renumber"])
def test_symmetries_change_nothing(symmetry: str):
    positions, types, length = random(144)
    before = features(positions, types, length)
    if symmetry == "shift":
        positions = (positions + [0.31 * length, -0.47 * length] + length / 2) % length - length / 2
    elif symmetry == "mirror":
        positions = positions * [-1, 1]
    elif symmetry == "turn":
        positions = positions @ [[0, 1], [-1, 0]]
    else:
        order = np.random.default_rng(2).permutation(144)
        positions, types = positions[order], types[order]
    np.testing.assert_allclose(features(positions, types, length), before, rtol=2e-5, atol=2e-5)


def test_exchanging_the_species_does():
    positions, types, length = random(144)
    assert not np.allclose(features(positions, types, length), features(positions, 1 - types, length), atol=0.1)


def test_features_are_named_once_in_a_fixed_order():
    assert len(set(NAMES)) == len(FEATURES) == 3 * G_BINS + 14
    assert NAMES[0] == "g_AA(0.625)"
    assert NAMES[2 * G_BINS - 1] == "g_AB(2.975)"
    assert NAMES[-1] == "potential energy per particle"
    assert {feature.unit for feature in FEATURES} == {"1", "sigma_AA^2", "epsilon_AA"}


@pytest.mark.parametrize("particles", [16, 25])
def test_a_box_that_is_too_small_is_refused(particles: int):
    with pytest.raises(UserError, match=r"wide and has .* more particles"):
        features(*random(particles))


def test_a_species_that_is_missing_is_refused():
    positions, _, length = random(144)
    with pytest.raises(UserError, match="144 A and 0 B"):
        features(positions, np.zeros(144, dtype=int), length)
