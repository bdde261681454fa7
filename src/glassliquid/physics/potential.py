"""The two-dimensional Kob-Andersen mixture: species, pair potential and sizes.

Source: Kob and Andersen, Phys. Rev. E 51, 4626 (1995) for the potential; Bruning, St-Onge, Patterson and Kob,
J. Phys.: Condens. Matter 21, 035117 (2009) for the 65:35 composition, which does not crystallise in two dimensions.
Units are reduced Lennard-Jones units: sigma_AA = epsilon_AA = mass = k_B = 1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SPECIES = ("A", "B")
"""Names of the species; type ids 0 and 1 in files, 1 and 2 in LAMMPS."""

FRACTION_A = 0.65
"""Number fraction of species A."""

DENSITY = 1.2
"""Number density [1 / sigma_AA^2]."""

CUTOFF_FACTOR = 2.5
"""Pairs further apart than this many sigma of the pair do not interact."""

DIAMETERS = (1.0, 0.88)
"""Diameters at which A and B are drawn: sigma_AA and sigma_BB [sigma_AA]."""


@dataclass(frozen=True)
class PairCoefficients:
    """Lennard-Jones parameters of one pair of species."""

    epsilon: float
    """Depth of the well [epsilon_AA]."""
    sigma: float
    """Distance at which the energy is zero [sigma_AA]."""

    @property
    def cutoff(self) -> float:
        """Distance beyond which energy and force are zero [sigma_AA]."""
        return CUTOFF_FACTOR * self.sigma


PAIRS = {
    (0, 0): PairCoefficients(epsilon=1.0, sigma=1.0),
    (0, 1): PairCoefficients(epsilon=1.5, sigma=0.8),
    (1, 1): PairCoefficients(epsilon=0.5, sigma=0.88),
}
"""Coefficients by (smaller type id, larger type id)."""


def box_length(particles: int) -> float:
    """Side of the square box, L = sqrt(N / rho) [sigma_AA]."""
    return float(np.sqrt(particles / DENSITY))


def species_counts(particles: int) -> tuple[int, int]:
    """Numbers of A and B particles, N_A = round(0.65 N)."""
    count_a = round(FRACTION_A * particles)
    return count_a, particles - count_a


def energy_and_forces(
    positions: NDArray[np.float64], types: NDArray[np.integer], length: float
) -> tuple[float, NDArray[np.float64]]:
    """Potential energy per particle and forces, by the direct sum over pairs: the reference for the engine's tests.

    V(r) = 4 epsilon [(sigma/r)^12 - (sigma/r)^6] for r < 2.5 sigma of the pair, else 0 (truncated, not shifted);
    minimum image convention in the square periodic box. Order N^2 in time and memory: meant for small N.

    Args:
        positions: coordinates [sigma_AA], shape (N, 2).
        types: 0 for A, 1 for B, shape (N,).
        length: side of the box [sigma_AA], at least twice the largest cutoff.

    Returns:
        Energy per particle [epsilon_AA] and forces [epsilon_AA / sigma_AA], shape (N, 2).

    Raises:
        ValueError: the box is too small for the minimum image convention.
    """
    if length < 2 * CUTOFF_FACTOR:
        raise ValueError(f"box length {length} is below twice the cutoff {CUTOFF_FACTOR}")
    first, second = np.triu_indices(len(positions), k=1)
    separation = positions[first] - positions[second]
    separation -= length * np.round(separation / length)
    r2 = (separation**2).sum(axis=1)
    low, high = np.minimum(types[first], types[second]), np.maximum(types[first], types[second])
    epsilon, sigma = np.empty_like(r2), np.empty_like(r2)
    for (type_low, type_high), pair in PAIRS.items():
        here = (low == type_low) & (high == type_high)
        epsilon[here], sigma[here] = pair.epsilon, pair.sigma
    inside = r2 < (CUTOFF_FACTOR * sigma) ** 2
    first, second, separation = first[inside], second[inside], separation[inside]
    r2, epsilon, sigma = r2[inside], epsilon[inside], sigma[inside]
    s6 = (sigma**2 / r2) ** 3
    energy = float((4 * epsilon * (s6**2 - s6)).sum() / len(positions))
    pair_force = (24 * epsilon * (2 * s6**2 - s6) / r2)[:, None] * separation
    forces = np.zeros_like(positions)
    np.add.at(forces, first, pair_force)
    np.subtract.at(forces, second, pair_force)
    return energy, forces
