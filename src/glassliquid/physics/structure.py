"""What physicists compute of one configuration: numbers that rotations, reflections, shifts and renumbering leave as they are.

Each configuration is in a square periodic box; units are those of `physics.potential`. Everything is computed in double precision.
Neighbours and Voronoi cells are SciPy's: freud's Voronoi construction (3.4) ends the process in some environments (docs/LOG.md).
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glassliquid.errors import UserError
from glassliquid.physics.potential import CUTOFF_FACTOR, PAIRS, SPECIES

VERSION = 1
"""Of the list of features: raise it with every change of what a feature is, of their number or their order."""

G_CUTOFF = 3.0
"""g(r) is computed up to this distance [sigma_AA]: three shells of A around A, and more than every cutoff of the potential."""
G_START = 0.6
"""No pair gets closer at these temperatures [sigma_AA]: bins below would be zero always."""
G_BINS = 48
"""Bins of each partial g(r), of 0.05 sigma_AA."""
BOND_LENGTH = 1.3
"""Two B are bonded when they are closer [sigma_AA]: between the first and the second shell of g_BB."""
SHIFTS = ((0, 0), *(shift for shift in itertools.product((-1, 0, 1), repeat=2) if shift != (0, 0)))
"""The box itself, and those around it [sides of the box]."""
SMALLEST_SIDE = 2 * G_CUTOFF
"""Side of the smallest box [sigma_AA]: in a smaller one a particle would meet two images of one neighbour."""


@dataclass(frozen=True)
class Feature:
    """One number of a configuration."""

    name: str
    """Such as `g_AB(0.975)`."""
    unit: str
    """In reduced units; 1 for a pure number."""


def _features() -> Iterator[Feature]:
    width = (G_CUTOFF - G_START) / G_BINS
    for (first, second), place in itertools.product(PAIRS, range(G_BINS)):
        yield Feature(f"g_{SPECIES[first]}{SPECIES[second]}({G_START + (place + 0.5) * width:.3f})", "1")
    for species in SPECIES:
        yield Feature(f"|psi6| of {species}, mean", "1")
        yield Feature(f"|psi6| of {species}, deviation", "1")
        yield Feature(f"coordination of {species}, mean", "1")
        yield Feature(f"coordination of {species}, deviation", "1")
        yield Feature(f"Voronoi area of {species}, mean", "sigma_AA^2")
        yield Feature(f"Voronoi area of {species}, deviation", "sigma_AA^2")
    yield Feature("B-B bonds per B", "1")
    yield Feature("potential energy per particle", "epsilon_AA")


FEATURES = tuple(_features())
"""What `features` computes, in its order."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of particles, each once."""

    members: NDArray[np.int64]
    """Places of the two particles, shape (pairs, 2)."""
    distances: NDArray[np.float64]
    """Under the minimum image convention [sigma_AA]."""
    kinds: NDArray[np.int64]
    """Places of the pairs of species in PAIRS: 0 for AA, 1 for AB, 2 for BB."""


@dataclass(frozen=True)
class Cells:
    """What the Voronoi construction says of each particle, shape (N,)."""

    psi6: NDArray[np.float64]
    """|psi6|, 1 where the neighbours stand like those of a hexagonal lattice."""
    coordination: NDArray[np.int64]
    """Voronoi neighbours."""
    areas: NDArray[np.float64]
    """Areas of the cells [sigma_AA^2]."""


def features(positions: NDArray[np.floating], types: NDArray[np.integer], length: float) -> NDArray[np.float32]:
    """The features of one configuration, as FEATURES lists them.

    Means and deviations are over the particles of a species.

    Args:
        positions: coordinates [sigma_AA], shape (N, 2).
        types: 0 for A, 1 for B, shape (N,).
        length: side of the box [sigma_AA], at least SMALLEST_SIDE.

    Raises:
        UserError: the box is too small, or a species has no particles.
    """
    counts = np.bincount(types, minlength=len(SPECIES))
    if length < SMALLEST_SIDE or not counts.all():
        raise UserError(
            f"The box is {length:.3g} wide and has {counts[0]} A and {counts[1]} B, but its structure can only be computed if it is "
            f"{SMALLEST_SIDE:g} wide or more and has both: choose an ensemble of more particles."
        )
    pairs, cells = close_pairs(positions, types, length), voronoi_cells(positions, length)
    per_particle = (cells.psi6, cells.coordination, cells.areas)
    means = [
        reduce(values[types == species])
        for species in range(len(SPECIES))
        for values in per_particle
        for reduce in (np.mean, np.std)
    ]
    scalars = [*means, bonds(pairs) / counts[1], energy(pairs) / len(types)]
    return np.concatenate([*partial_g(pairs, counts, length), scalars]).astype(np.float32)


def close_pairs(positions: NDArray[np.floating], types: NDArray[np.integer], length: float) -> Pairs:
    """All pairs closer than G_CUTOFF."""
    from scipy.spatial import cKDTree

    # Twice: the remainder of a tiny negative number rounds to the length itself.
    inside = positions.astype(np.float64) % length % length
    found = cKDTree(inside, boxsize=length).query_pairs(G_CUTOFF, output_type="ndarray")
    members = found[np.lexsort(found.T)].astype(np.int64)
    first, second = members.T
    separation = inside[first] - inside[second]
    separation -= length * np.round(separation / length)
    # The places of AA, AB and BB are also the numbers of B in a pair.
    return Pairs(members, np.hypot(*separation.T), (types[first] + types[second]).astype(np.int64))


def partial_g(pairs: Pairs, counts: NDArray[np.integer], length: float) -> NDArray[np.float64]:
    """Partial pair correlations g_AA, g_AB and g_BB, shape (3, G_BINS).

    g_ab(r) = n_ab(r) L^2 / (M_ab 2 pi r dr), with n_ab the pairs in a bin of width dr at r, and M_ab all pairs of these
    species in the box, N_a (N_a - 1) / 2 or N_a N_b (Hansen and McDonald, Theory of Simple Liquids, 4th ed., 2.5): 1 for
    particles without correlation.

    Args:
        pairs: those closer than G_CUTOFF.
        counts: numbers of A and B.
        length: side of the box [sigma_AA].
    """
    edges = np.linspace(G_START, G_CUTOFF, G_BINS + 1)
    rings = np.pi * (edges[1:] ** 2 - edges[:-1] ** 2)
    found = np.array([np.histogram(pairs.distances[pairs.kinds == kind], edges)[0] for kind in range(len(PAIRS))])
    a, b = (int(count) for count in counts)
    possible = np.array([a * (a - 1) / 2, a * b, b * (b - 1) / 2])
    g: NDArray[np.float64] = found * length**2 / (np.maximum(possible, 1)[:, None] * rings)
    return g


def voronoi_cells(positions: NDArray[np.floating], length: float) -> Cells:
    """psi6, coordination and area of each particle.

    psi6 = sum over the n Voronoi neighbours of exp(6 i theta) / n, with theta the direction to a neighbour (Nelson and
    Halperin, Phys. Rev. B 19, 2457 (1979)).
    """
    from scipy.spatial import Voronoi

    count = len(positions)
    images = np.concatenate([positions + length * np.array(shift) for shift in SHIFTS], dtype=np.float64)
    near = np.abs(images).max(axis=1) < length / 2 + G_CUTOFF
    near[:count] = True
    points = images[near]
    found = Voronoi(points)
    # Each wall of a cell twice, seen from either side, and only from particles of the box: those have no infinite walls.
    centres, others = np.concatenate([found.ridge_points, found.ridge_points[:, ::-1]]).T
    walls = np.tile(np.array(found.ridge_vertices), (2, 1))
    ours = centres < count
    centres, others, walls = centres[ours], others[ours], walls[ours]
    (x, y), (u, v) = (found.vertices[walls[:, end]].T - points[centres].T for end in (0, 1))
    areas = np.bincount(centres, np.abs(x * v - y * u) / 2, count).astype(np.float64)
    directions = np.arctan2(*(points[others] - points[centres]).T[::-1])
    coordination = np.bincount(centres, minlength=count)
    total = np.hypot(*(np.bincount(centres, part(6 * directions), count) for part in (np.cos, np.sin)))
    return Cells(total / coordination, coordination, areas)


def bonds(pairs: Pairs) -> int:
    """Number of B-B bonds: pairs of B closer than BOND_LENGTH."""
    return int(((pairs.kinds == list(PAIRS).index((1, 1))) & (pairs.distances < BOND_LENGTH)).sum())


def pair_energies(pairs: Pairs) -> NDArray[np.float64]:
    """Potential energy of each pair [epsilon_AA], truncated as in `physics.potential.energy_and_forces`, shape (pairs,)."""
    epsilon, sigma = (np.array([getattr(pair, name) for pair in PAIRS.values()]) for name in ("epsilon", "sigma"))
    scaled = sigma[pairs.kinds] / pairs.distances
    s6 = np.where(scaled * CUTOFF_FACTOR > 1, scaled, 0.0) ** 6
    found: NDArray[np.float64] = 4 * epsilon[pairs.kinds] * (s6**2 - s6)
    return found


def energy(pairs: Pairs) -> float:
    """Potential energy of the whole box [epsilon_AA]."""
    return float(pair_energies(pairs).sum())


def particle_energies(pairs: Pairs, count: int) -> NDArray[np.float64]:
    """Potential energy of each of `count` particles: half of the energy of its pairs [epsilon_AA], shape (count,)."""
    # Each pair is counted for both of its particles.
    halves = np.repeat(pair_energies(pairs) / 2, 2)
    return np.bincount(pairs.members.ravel(), halves, count).astype(np.float64)
