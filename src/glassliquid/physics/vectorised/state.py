"""The arrays of one system: what the compiled functions read and write, and how lengths and forces are scaled in them.

Positions are whole numbers, 2^-32 of the box side: they wrap round by themselves, a difference is the minimum image, and no
particle can be lost. Lengths squared divide by the pair's sigma squared in the same unit, so that t = (sigma / r)^2 is one
division, and the cutoff of 2.5 sigma is t > 0.16 for every pair of species.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glassliquid.physics.potential import CUTOFF_FACTOR, PAIRS, box_length, species_counts
from glassliquid.physics.vectorised.lanes import LANES

GRID = 2.0**32
"""Positions to a box side."""
MOST_NEIGHBOURS = 96
"""Room on a list of one cluster and one species to begin with; lists that overflow grow."""


class System(NamedTuple):
    """One system, its particles sorted by place; arrays of N are padded to a multiple of eight by copies of the last particle."""

    x: NDArray[np.int32]
    y: NDArray[np.int32]
    listed_x: NDArray[np.int32]
    """Positions at which the neighbour lists were made."""
    listed_y: NDArray[np.int32]
    vx: NDArray[np.float32]
    vy: NDArray[np.float32]
    fx: NDArray[np.float32]
    fy: NDArray[np.float32]
    species: NDArray[np.int8]
    """0 for A, 1 for B."""
    number: NDArray[np.int32]
    """The particle's place in the arrays that the caller knows."""
    ratio: NDArray[np.float32]
    """(sigma / unit)^2 of the particle with A and with B, shape (2, padded); 0 for padding, which then feels no force."""
    strength: NDArray[np.float32]
    """24 epsilon unit / sigma^2 of the same pairs, shape (2, padded)."""
    depth: NDArray[np.float32]
    """4 epsilon of the same pairs, shape (2, padded)."""
    table: NDArray[np.float32]
    """The three of every species of particle, shape (3, 2, 2): quantity, species of the particle, species of the neighbour."""
    length: float
    """Side of the box [sigma_AA]."""
    particles: int


def new_system(positions: NDArray[np.floating], types: NDArray[np.integer], length: float) -> System:
    """A system at rest.

    Args:
        positions: coordinates [sigma_AA], shape (N, 2).
        types: 0 for A, 1 for B, shape (N,).
        length: side of the box [sigma_AA].
    """
    particles = len(types)
    padded = -(-particles // LANES) * LANES
    source = np.minimum(np.arange(padded), particles - 1)
    x, y = _to_grid(np.asarray(positions, dtype=np.float64), length)[source].T.copy()
    species = np.asarray(types, dtype=np.int8)[source]
    unit = length / GRID
    table = np.zeros((3, 2, 2), dtype=np.float32)
    for (a, b), pair in PAIRS.items():
        values = ((pair.sigma / unit) ** 2, 24 * pair.epsilon * unit / pair.sigma**2, 4 * pair.epsilon)
        table[:, a, b] = table[:, b, a] = values
    ratio, strength, depth = np.ascontiguousarray(table[:, species, :].transpose(0, 2, 1))
    for values_by_lane in (ratio, strength, depth):
        values_by_lane[:, particles:] = 0
    return System(
        x=x,
        y=y,
        listed_x=np.zeros(padded, dtype=np.int32),
        listed_y=np.zeros(padded, dtype=np.int32),
        vx=np.zeros(padded, dtype=np.float32),
        vy=np.zeros(padded, dtype=np.float32),
        fx=np.zeros(padded, dtype=np.float32),
        fy=np.zeros(padded, dtype=np.float32),
        species=species,
        number=np.arange(padded, dtype=np.int32),
        ratio=ratio,
        strength=strength,
        depth=depth,
        table=table,
        length=length,
        particles=particles,
    )


def mixture(particles: int) -> tuple[float, NDArray[np.int8]]:
    """Side of the box and species of the particles, A before B."""
    count_a, count_b = species_counts(particles)
    return box_length(particles), np.repeat(np.array([0, 1], dtype=np.int8), (count_a, count_b))


def _to_grid(coordinates: NDArray[np.float64], length: float) -> NDArray[np.int32]:
    fraction = coordinates / length
    whole = np.rint((fraction - np.floor(fraction + 0.5)) * GRID).astype(np.int64)
    return whole.astype(np.int32)  # 2^31 wraps to -2^31, which is the same place


SMALLEST_RATIO = np.float32(1 / CUTOFF_FACTOR**2)
"""t = (sigma / r)^2 at the cutoff."""
