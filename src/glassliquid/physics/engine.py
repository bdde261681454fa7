"""What an engine is: the program that simulates.

To add one, write a module of `physics/engines` that registers a subclass of `Engine` under the module's name. It must be
importable where the engine cannot run: import what it needs in `__init__`, and raise UserError there if that is missing.
`tests/physics/test_engines.py` then tests it.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from glassliquid.errors import UserError
from glassliquid.physics.protocol import Protocol

THERMOSTAT_TIME = 0.1
"""Relaxation time of the thermostat [tau]. The kinetic temperature lags behind the set one by about the cooling rate
times twice this time: 0.008 for the fastest preset, less than the spread of a single snapshot."""

START_DISTANCE = 0.7
"""No two particles of the random start are closer than this [sigma_AA]; the minimiser separates the rest. At 0.5 the
start is so uneven that the energy takes twice as long to reach its equilibrium."""

MINIMUM_FORCE = 1e-8
"""Minimising ends when the norm of all forces is below this [epsilon_AA / sigma_AA]."""


@dataclass(frozen=True)
class Cooling:
    """What one simulation produces."""

    positions: NDArray[np.float64]
    """Stored snapshots, wrapped into [-L/2, L/2) [sigma_AA], shape (stored, N, 2)."""
    temperature: NDArray[np.float64]
    """Kinetic temperature at every mark, of a cooling the indices 0..200, shape (marks,)."""
    potential_energy: NDArray[np.float64]
    """Potential energy per particle, truncated, not shifted, at every mark, shape (marks,)."""
    pressure: NDArray[np.float64]
    """Virial pressure [epsilon_AA / sigma_AA^2] at every mark, shape (marks,)."""


class Engine(ABC):
    """Simulates the mixture of `potential`; one instance serves many simulations one after the other.

    Positions have shape (N, 2) [sigma_AA], types are 0 for A and 1 for B, shape (N,), and `length` is the side of the square
    periodic box [sigma_AA]. What an instance did before changes no result. Making one raises UserError if the engine cannot
    run on this machine.
    """

    name: ClassVar[str]
    """The name of its module."""
    packages: ClassVar[tuple[str, ...]]
    """Distributions that it is made of; their versions must be the same on all workers of a cluster."""
    speed: ClassVar[float]
    """Atom steps a second of one core, relative to LAMMPS's, measured on the demo preset; `auto` takes the fastest."""

    precision: ClassVar[type[np.floating]] = np.float64
    """In which it computes forces; its tests' tolerances follow from it."""

    @property
    @abstractmethod
    def version(self) -> str:
        """Its version, or those of what it is made of, in one word."""

    def prepare(self) -> None:  # noqa: B027 - most have nothing to do
        """Do what the first simulation on a machine would have to do for all that follow; nothing, unless an engine compiles."""

    @abstractmethod
    def cool(self, protocol: Protocol, seed: int) -> Cooling:
        """Simulate: random start, minimise, equilibrate at T = 2.0, cool linearly to T = 0.05.

        Velocity Verlet with the stochastic velocity rescaling thermostat of Bussi, Donadio and Parrinello,
        J. Chem. Phys. 126, 014101 (2007), which samples the canonical ensemble and disturbs the dynamics little.
        The same protocol and seed give the same bits on the same machine and version.

        Raises:
            UserError: the dynamics left what is physical.
        """

    @abstractmethod
    def minimise(
        self, positions: NDArray[np.floating], types: NDArray[np.integer], length: float
    ) -> tuple[NDArray[np.float64], float]:
        """The inherent structure of a configuration: the local energy minimum below it.

        The shifted potential is minimised: it has the same forces and the same minimum as the truncated one, but no
        jump at the cutoff for a line search to fail on. The energy is then taken from the truncated potential.

        Returns:
            Positions of the minimum, wrapped into [-L/2, L/2), shape (N, 2), and e_IS, its energy per particle.
        """

    @abstractmethod
    def energy_and_forces(
        self, positions: NDArray[np.floating], types: NDArray[np.integer], length: float
    ) -> tuple[float, NDArray[np.float64]]:
        """Truncated energy per particle and forces, shape (N, 2), as its dynamics has them."""

    @abstractmethod
    def hold(
        self,
        positions: NDArray[np.floating],
        types: NDArray[np.integer],
        length: float,
        temperature: float,
        marks: int,
        steps_per_mark: int,
        thermostat: bool = True,
        seed: int = 1,
    ) -> Cooling:
        """Dynamics at one temperature, from velocities drawn for it: what the engines are compared by.

        Without the thermostat (NVE) the shifted potential is used, also in the energies: it has no jump at the cutoff, so its
        total energy is conserved. The seed, from 1, is that of the velocities and the thermostat.

        Returns:
            Positions and thermodynamics at the start and after each of `marks` times `steps_per_mark` steps.
        """

    @classmethod
    def obstacle(cls) -> str | None:
        """Why it cannot run on this machine, as a sentence that says what to do; None if it can."""
        try:
            cls()
        except UserError as error:
            return str(error)
        return None
