"""The engine for many small systems: vectors of eight particles, compiled by Numba, in single precision.

The compiled functions are in `physics/vectorised`; inherent structures are found in double precision.
"""

import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glassliquid.errors import UserError
from glassliquid.physics import potential
from glassliquid.physics.engine import MINIMUM_FORCE, START_DISTANCE, THERMOSTAT_TIME, Cooling, Engine
from glassliquid.physics.engines import ENGINES
from glassliquid.physics.potential import CUTOFF_FACTOR, PAIRS
from glassliquid.physics.protocol import (
    INTERVALS,
    SMALLEST_PARTICLES,
    TEMPERATURE_COLD,
    TEMPERATURE_HOT,
    TIME_STEP,
    Protocol,
)

VERSION = 1
"""Of the algorithm: changes with the bits of its results."""
RELAXATION_STEPS = 100
"""Steps downhill from the random start: close pairs have to part; the equilibration does the rest better."""
RELAXATION = math.exp(-TIME_STEP / THERMOSTAT_TIME)
"""Of the kinetic energy in one step."""
START, THERMOSTAT = range(2)
"""Branches of a simulation's seed."""
MOST_EVALUATIONS = 200_000
"""Of the forces in a minimisation; one of 4,096 particles takes a few thousand."""
SHIFT = CUTOFF_FACTOR**-12 - CUTOFF_FACTOR**-6
"""Of the shifted potential, in units of 4 epsilon of the pair."""
LARGEST_FORCE_ERROR = 1e-5
"""Relative, in the self-test: twenty times what single precision gives."""


@ENGINES.register("numba")
class Numba(Engine):
    """Compiled functions on arrays; holds nothing between simulations."""

    name = "numba"
    packages = ("numba", "llvmlite")
    speed = 4.1
    precision = np.float32

    def __init__(self) -> None:
        """Compile, if no earlier process has, and compare the forces of a small system with the direct sum.

        Raises:
            UserError: Numba is not installed, or the forces are wrong on this machine.
        """
        try:
            from glassliquid.physics.vectorised import compiler
        except ImportError as error:
            raise UserError(
                f"Numba is not installed ({error}): install the packages in requirements.lock, or pass engine=lammps."
            ) from error
        if not compiler.is_compiled():
            kept = (
                "" if compiler.CACHE_FOLDER is not None else " (it cannot be kept: no cache folder can be written to)"
            )
            print(
                f"Compiling the engine numba, once per environment; this takes about ten seconds{kept}.",
                file=sys.stderr,
            )
        from glassliquid.physics.vectorised import dynamics, forces, minimum, randomness, start, state

        self._dynamics, self._forces, self._minimum = dynamics, forces, minimum
        self._randomness, self._start, self._state = randomness, start, state
        self._cutoffs = _by_species(lambda pair: pair.cutoff)
        self._check_forces()

    @property
    def version(self) -> str:
        """Of the algorithm, and Numba's, whose compiler decides about the last bits."""
        import numba

        return f"{VERSION}-numba-{numba.__version__}"

    def prepare(self) -> None:
        """Compile what a simulation calls, by a short one; a process that simulates finds it in the cache."""
        brief = Protocol(
            particles=SMALLEST_PARTICLES, equilibration_steps=INTERVALS, cooling_steps=INTERVALS, snapshots=(INTERVALS,)
        )
        self.cool(brief, seed=1)

    def cool(self, protocol: Protocol, seed: int) -> Cooling:
        """One compiled call for the equilibration and one for the cooling, marks and stored snapshots inside."""
        length, types = self._state.mixture(protocol.particles)
        system = self._random_start(length, types, seed)
        generator = self._randomness.new_generator(seed, THERMOSTAT)
        hot = self._dynamics.Ramp(TEMPERATURE_HOT, TEMPERATURE_HOT, RELAXATION)
        self._advance(system, generator, hot, protocol.equilibration_steps, 0, (), seed)
        cooling = self._dynamics.Ramp(TEMPERATURE_HOT, TEMPERATURE_COLD, RELAXATION)
        return self._advance(system, generator, cooling, protocol.cooling_steps, INTERVALS, protocol.snapshots, seed)

    def minimise(
        self, positions: NDArray[np.floating], types: NDArray[np.integer], length: float
    ) -> tuple[NDArray[np.float64], float]:
        """Limited-memory BFGS, in double precision."""
        place = np.ascontiguousarray(np.asarray(positions, dtype=np.float64).T).ravel()
        system = self._state.new_system(positions, types, length)
        table = np.array(
            [
                _by_species(lambda pair: pair.sigma**2),
                _by_species(_strength),
                _by_species(lambda pair: 4 * pair.epsilon),
            ]
        )
        self._minimum.minimise(system, self._cutoffs, place, table, SHIFT, MINIMUM_FORCE, MOST_EVALUATIONS)
        found = place.reshape(2, -1).T
        found = found - length * np.floor(found / length + 0.5)
        energy = self._minimum.energy_of(system, self._cutoffs, np.ascontiguousarray(found.T).ravel(), table)
        return found, float(energy) / len(found)

    def energy_and_forces(
        self, positions: NDArray[np.floating], types: NDArray[np.integer], length: float
    ) -> tuple[float, NDArray[np.float64]]:
        """In single precision, as the dynamics computes them."""
        system = self._state.new_system(positions, types, length)
        energy = self._forces_of(system)
        forces = np.empty((system.particles, 2))
        for axis, values in enumerate((system.fx, system.fy)):
            forces[system.number[: system.particles], axis] = values[: system.particles]
        return energy / system.particles, forces

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
        """Velocity Verlet, with the thermostat or alone, in one compiled call."""
        system = self._state.new_system(positions, types, length)
        self._start.draw_velocities(system, self._randomness.new_generator(seed, START), temperature)
        ramp = self._dynamics.Ramp(temperature, temperature, RELAXATION if thermostat else 1.0)
        shift = 0.0 if thermostat else SHIFT
        generator = self._randomness.new_generator(seed, THERMOSTAT)
        return self._advance(system, generator, ramp, marks * steps_per_mark, marks, range(marks + 1), seed, shift)

    def _random_start(self, length: float, types: NDArray[np.int8], seed: int) -> Any:
        generator = self._randomness.new_generator(seed, START)
        x, y = start = np.empty((2, len(types)))
        if not self._start.place_at_random(generator, len(types), length, START_DISTANCE, x, y):
            raise UserError(
                f"The random start of the simulation with seed {seed} found no free space: pass another seed."
            )
        system = self._state.new_system(start.T, types, length)
        self._start.relax(system, self._cutoffs, RELAXATION_STEPS)
        self._start.draw_velocities(system, generator, TEMPERATURE_HOT)
        return system

    def _advance(
        self,
        system: Any,
        generator: NDArray[np.uint64],
        ramp: Any,
        steps: int,
        marks: int,
        stored: Sequence[int],
        seed: int,
        shift: float = 0.0,
    ) -> Cooling:
        """Some steps along a ramp, with so many equal parts between marks, of which some are stored; UserError if it explodes."""
        noted, kept = np.empty((marks + 1, 3)), np.array(stored, dtype=np.int64)
        frames = np.empty((len(kept), system.particles, 2), dtype=np.int32)
        exploded = self._dynamics.advance(
            system, generator, self._cutoffs, ramp, TIME_STEP, steps, noted, frames, kept, shift
        )
        if exploded >= 0:
            raise UserError(
                f"The simulation with seed {seed} exploded at time step {exploded}: the configuration is not physical, or the "
                "density and temperature are out of reach."
            )
        return Cooling(frames.astype(np.float64) * (system.length / self._state.GRID), *noted.T.copy())

    def _forces_of(self, system: Any) -> float:
        """Compute the forces into the system; returns its energy."""
        lists, counts = self._dynamics.build_lists(system, self._cutoffs, 0.3)
        self._forces.compute_forces(system, lists, counts)
        energy, _ = self._forces.measure(system, lists, counts, 0.0)
        return float(energy)

    def _check_forces(self) -> None:
        """The self-test: an uneven lattice of 64 particles, some of them across the boundary.

        Raises:
            UserError: the forces differ from the direct sum.
        """
        length, types = self._state.mixture(64)
        lattice = np.stack(np.meshgrid(np.arange(8), np.arange(8)), axis=-1).reshape(-1, 2) * (length / 8)
        positions = lattice + 0.05 * np.random.default_rng(0).standard_normal(lattice.shape)
        _, forces = self.energy_and_forces(positions, types, length)
        _, expected = potential.energy_and_forces(positions, types, length)
        error = float(np.sqrt(((forces - expected) ** 2).sum() / (expected**2).sum()))
        if not error < LARGEST_FORCE_ERROR:
            raise UserError(
                f"The engine numba computes wrong forces on this machine (relative error {error:.1e}): pass engine=lammps."
            )


def _by_species(value: Any) -> NDArray[np.float64]:
    """A quantity of the pairs by species, shape (2, 2)."""
    table = np.empty((2, 2))
    for (a, b), pair in PAIRS.items():
        table[a, b] = table[b, a] = value(pair)
    return table


def _strength(pair: potential.PairCoefficients) -> float:
    return 24 * pair.epsilon / pair.sigma**2
