"""Physical fields: numbers of each particle of a snapshot and of its inherent structure.

A rotation, reflection, shift or renumbering of a configuration leaves them as they are. Energy, Voronoi cells and their units are
those of `physics.structure`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glassliquid.errors import UserError
from glassliquid.physics.structure import SMALLEST_SIDE, close_pairs, particle_energies, voronoi_cells

VERSION = 1
"""Of FIELDS: raise it with every change of what a field is, of their number or their order."""
SNAPSHOT, INHERENT = "snapshot", "inherent structure"


@dataclass(frozen=True)
class ParticleField:
    """One number of each particle."""

    column: str
    """Its name in tables that programs read, such as `inherent_psi6`."""
    name: str
    """What it is, such as `modulus of psi6`."""
    state: str
    """Where: SNAPSHOT or INHERENT; empty for the distance between them."""
    unit: str
    """In reduced units; 1 for a pure number."""

    def __str__(self) -> str:
        """Such as `modulus of psi6 (inherent structure)`."""
        return f"{self.name} ({self.state})" if self.state else self.name


_QUANTITIES = (
    ("energy", "potential energy", "epsilon_AA"),
    ("psi6", "modulus of psi6", "1"),
    ("area", "Voronoi area", "sigma_AA^2"),
    ("coordination", "coordination", "1"),
)
MOVED = ParticleField("moved", "distance moved to the inherent structure", "", "sigma_AA")
FIELDS = (
    *(ParticleField(column, name, SNAPSHOT, unit) for column, name, unit in _QUANTITIES),
    *(ParticleField(f"inherent_{column}", name, INHERENT, unit) for column, name, unit in _QUANTITIES),
    MOVED,
)
"""What `particle_fields` computes, in its order."""


def particle_fields(
    positions: NDArray[np.floating], minimum: NDArray[np.floating], types: NDArray[np.integer], length: float
) -> NDArray[np.float64]:
    """The fields of one snapshot, as FIELDS lists them.

    A particle's potential energy is half of that of its pairs, so that the sum over particles is the system's; |psi6|, area and
    coordination are those of its Voronoi cell.

    Args:
        positions: coordinates in the snapshot [sigma_AA], shape (N, 2).
        minimum: of the same particles in its inherent structure [sigma_AA], shape (N, 2).
        types: 0 for A, 1 for B, shape (N,).
        length: side of the periodic box [sigma_AA], at least `physics.structure.SMALLEST_SIDE`.

    Returns:
        Shape (N, fields).

    Raises:
        UserError: the box is too small.
    """
    if length < SMALLEST_SIDE:
        raise UserError(
            f"The box is {length:.3g} wide, but energies and neighbours of its particles can only be computed if it is {SMALLEST_SIDE:g} "
            "wide or more: choose an ensemble of more particles."
        )
    of_states = (column for state in (positions, minimum) for column in _fields_of(state, types, length))
    return np.column_stack([*of_states, distances_moved(positions, minimum, length)])


def distances_moved(before: NDArray[np.floating], after: NDArray[np.floating], length: float) -> NDArray[np.float64]:
    """How far each particle is from where it was, the shorter way through the periodic box [sigma_AA], shape (N,)."""
    moved = after.astype(np.float64) - before
    moved -= length * np.round(moved / length)
    return np.asarray(np.hypot(*moved.T))


def _fields_of(
    positions: NDArray[np.floating], types: NDArray[np.integer], length: float
) -> tuple[NDArray[np.float64], ...]:
    """Potential energy, |psi6|, Voronoi area and coordination of each particle in one state."""
    cells = voronoi_cells(positions, length)
    energies = particle_energies(close_pairs(positions, types, length), len(types))
    return energies, cells.psi6, cells.areas, cells.coordination.astype(np.float64)
