"""Trajectory files: one GSD file a simulation, which OVITO, freud and MDAnalysis open.

Every stored snapshot is a frame; its `configuration.step` is the time step since the cooling started. Logged values:

| name | shape | in frames | meaning |
|---|---|---|---|
| snapshot | (1,) int32 | all | snapshot index k |
| temperature | (1,) float64 | all | kinetic temperature |
| potential_energy | (1,) float64 | all | potential energy per particle, truncated, not shifted |
| pressure | (1,) float64 | all | virial pressure |
| inherent_energy | (1,) float64 | of inherent structures | e_IS, the energy per particle of the local minimum |
| cooling/temperature, cooling/potential_energy, cooling/pressure | (201,) float64 | the first | the same at all indices |
"""

import bisect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glassliquid.errors import UserError, listed
from glassliquid.files import replacing, whole_number
from glassliquid.physics.engine import Cooling
from glassliquid.physics.potential import DIAMETERS, SPECIES, box_length, species_counts
from glassliquid.physics.protocol import INTERVALS, LARGEST_PARTICLES, Protocol
from glassliquid.trajectories import gsd_file
from glassliquid.trajectories.gsd_file import open_gsd, read_array

SCHEMA_VERSION = (1, 4)
"""Of GSD's schema `hoomd` that the files are written in."""

LOG_SNAPSHOT = "snapshot"
CURVES = ("temperature", "potential_energy", "pressure")
"""Logged values of every simulated snapshot, fields of `Cooling` and `CoolingCurve` as well."""
LOG_INHERENT_ENERGY = "inherent_energy"
LOG_COOLING = "cooling/"
"""Prefix of the curves over all 201 indices, in the first frame."""

DENSEST = 4.0
"""Particles for each sigma_AA^2; more have no room, and drawing them would take gigabytes."""
SHORTEST_SIDE, LONGEST_SIDE = 1e-3, 1e6
"""Sides of a box [sigma_AA]; others are taken for damage, and single precision could not tell places in them."""


@dataclass(frozen=True)
class Configuration:
    """One snapshot."""

    snapshot: int
    """Snapshot index k."""
    positions: NDArray[np.floating]
    """Coordinates in [-L/2, L/2) [sigma_AA], shape (N, 2)."""
    types: NDArray[np.uint32]
    """0 for A, 1 for B, shape (N,)."""
    length: float
    """Side of the square periodic box L [sigma_AA]."""
    log: dict[str, float]
    """The scalar values of the table above."""


@dataclass(frozen=True)
class CoolingCurve:
    """Thermodynamics of one simulation at all indices 0..200, each of shape (201,)."""

    temperature: NDArray[np.float64]
    potential_energy: NDArray[np.float64]
    pressure: NDArray[np.float64]


def particle_types(particles: int) -> NDArray[np.uint32]:
    """Type ids in the order of particle ids: the A particles first, shape (N,)."""
    return np.repeat(np.arange(len(SPECIES), dtype=np.uint32), species_counts(particles))


def write_cooling(path: Path, protocol: Protocol, cooling: Cooling) -> None:
    """Write one simulation's file, whole or not at all."""
    length, types = box_length(protocol.particles), particle_types(protocol.particles)
    curves = {name: getattr(cooling, name) for name in CURVES}
    configurations = (
        Configuration(
            snapshot, positions, types, length, {LOG_SNAPSHOT: snapshot} | {k: v[snapshot] for k, v in curves.items()}
        )
        for positions, snapshot in zip(cooling.positions, protocol.snapshots, strict=True)
    )
    write_configurations(path, protocol, configurations, {LOG_COOLING + name: curve for name, curve in curves.items()})


def write_configurations(
    path: Path,
    protocol: Protocol,
    configurations: Iterable[Configuration],
    curves: Mapping[str, NDArray[Any]] | None = None,
) -> None:
    """Write configurations of one simulation with what their logs hold, in GSD's schema `hoomd`; whole or not at all.

    They are taken one at a time, so that memory does not grow with their number. Through the library's file layer: its frame
    objects fill in and compare everything that a frame could have, which takes as long as 4 % of a small simulation.

    Args:
        path: the file.
        protocol: tells the time steps of the snapshots.
        configurations: ascending by snapshot.
        curves: what is logged in the first frame besides.
    """
    import gsd.fl

    with (
        replacing(path) as partial,
        gsd.fl.open(
            str(partial), "w", application="glassliquid", schema="hoomd", schema_version=SCHEMA_VERSION
        ) as file,
    ):
        for number, each in enumerate(configurations):
            for name, values in _arrays(each, each.snapshot * protocol.steps_per_snapshot, number == 0).items():
                file.write_chunk(name, values)
            for name, values in (curves or {}).items() if number == 0 else ():
                file.write_chunk(f"log/{name}", values)
            file.end_frame()


def read_configurations(path: Path, snapshots: list[int] | None = None, with_log: bool = True) -> list[Configuration]:
    """Read stored snapshots, all of them or those named, in the order asked for; without their logs if these are not needed.

    Through the library's file layer: its frame objects take three times as long, a sixth of the time of drawing.

    Raises:
        UserError: the file is missing or damaged, or does not hold one of the snapshots.
    """
    try:
        with open_gsd(path) as file:
            if snapshots is None:
                snapshots = [_snapshot(file, frame) for frame in range(file.nframes)]
            frames = [_frame_of(file, snapshot) for snapshot in snapshots]
            if missing := [snapshot for snapshot, frame in zip(snapshots, frames, strict=True) if frame is None]:
                held = [_snapshot(file, frame) for frame in range(file.nframes)]
                raise UserError(
                    f"{path} does not hold snapshot {listed(missing)} (it holds {listed(held)}): choose one of these."
                )
            logged = file.find_matching_chunk_names("log/") if with_log else []
            names = [name for name in logged if not name.startswith(f"log/{LOG_COOLING}")]
            pairs = zip(frames, snapshots, strict=True)
            return [_configuration(file, frame, snapshot, names) for frame, snapshot in pairs if frame is not None]
    except gsd_file.ERRORS as error:
        raise _damaged(path, error) from error


def read_inherent_energies(path: Path) -> dict[int, float]:
    """e_IS of every inherent structure in a file, by snapshot index, in ascending order; nothing if there is no such file.

    Raises:
        UserError: the file is damaged.
    """
    if not path.exists():
        return {}
    try:
        with open_gsd(path) as file:
            return {
                _snapshot(file, frame): float(read_array(file, frame, f"log/{LOG_INHERENT_ENERGY}", (1,))[0])
                for frame in range(file.nframes)
            }
    except gsd_file.ERRORS as error:
        raise _damaged(path, error) from error


def read_cooling_curve(path: Path) -> CoolingCurve:
    """Read the thermodynamics at all indices; UserError if the file is missing or damaged."""
    try:
        with open_gsd(path) as file:
            shape = (INTERVALS + 1,)
            return CoolingCurve(
                **{name: read_array(file, 0, f"log/{LOG_COOLING}{name}", shape, gsd_file.REAL) for name in CURVES}
            )
    except gsd_file.ERRORS as error:
        raise _damaged(path, error) from error


def _arrays(configuration: Configuration, step: int, is_first: bool) -> dict[str, NDArray[Any]]:
    """The arrays of one frame by their names in the schema; what later frames leave out is that of the first."""
    length, types = configuration.length, configuration.types
    coordinates = np.zeros((len(types), 3), dtype=np.float32)
    coordinates[:, :2] = configuration.positions
    # Rounding to single precision can carry a coordinate onto the upper edge, which belongs to the other side.
    half = np.float32(length / 2)
    if coordinates.max() >= half:
        coordinates[coordinates >= half] = -half
    frame: dict[str, NDArray[Any]] = {"configuration/step": np.array([step], dtype=np.uint64)}
    if is_first:
        frame |= {
            "configuration/dimensions": np.array([2], dtype=np.uint8),
            # The third length has no meaning in two dimensions; readers that compute a volume need it not to be zero.
            "configuration/box": np.array([length, length, 1, 0, 0, 0], dtype=np.float32),
            "particles/N": np.array([len(types)], dtype=np.uint32),
            # Names are rows of characters, each ended by a zero.
            "particles/types": np.array([[ord(name), 0] for name in SPECIES], dtype=np.int8),
            "particles/typeid": types,
            "particles/diameter": np.array(DIAMETERS, dtype=np.float32)[types],
        }
    frame["particles/position"] = coordinates
    frame |= {f"log/{name}": np.array([value]) for name, value in configuration.log.items()}
    return frame | {f"log/{LOG_SNAPSHOT}": np.array([configuration.snapshot], dtype=np.int32)}


def _snapshot(file: Any, frame: int) -> int:
    snapshot = int(read_array(file, frame, f"log/{LOG_SNAPSHOT}", (1,), gsd_file.WHOLE)[0])
    if not 0 <= snapshot <= INTERVALS:
        raise ValueError(f"frame {frame} is of snapshot {snapshot}")
    return snapshot


def _frame_of(file: Any, snapshot: int) -> int | None:
    """The frame of a snapshot; frames ascend by snapshot, so that a few of them have to be looked at."""
    frame = bisect.bisect_left(range(file.nframes), snapshot, key=lambda place: _snapshot(file, place))
    return frame if frame < file.nframes and _snapshot(file, frame) == snapshot else None


def _configuration(file: Any, frame: int, snapshot: int, names: list[str]) -> Configuration:
    count = whole_number(int(read_array(file, frame, "particles/N", (1,), gsd_file.NATURAL)[0]), 1, LARGEST_PARTICLES)
    positions = read_array(file, frame, "particles/position", (count, 3), gsd_file.REAL)[:, :2]
    types = read_array(file, frame, "particles/typeid", (count,), gsd_file.NATURAL)
    length = float(read_array(file, frame, "configuration/box", (6,), gsd_file.REAL)[0])
    if not (SHORTEST_SIDE <= length <= LONGEST_SIDE and count <= DENSEST * length**2):
        raise ValueError(f"the side of its box is {length:g} for {count} particles")
    # Not a number is not within the box either.
    if not (np.abs(positions).max() <= 0.501 * length and types.max() < len(SPECIES)):
        raise ValueError(f"snapshot {snapshot} has a particle outside the box, or of an unknown type")
    log = {
        name.removeprefix("log/"): float(read_array(file, frame, name, (1,))[0])
        for name in names
        if file.chunk_exists(frame, name)
    }
    return Configuration(snapshot, positions, types, length, log)


def _damaged(path: Path, error: Exception) -> UserError:
    if isinstance(error, FileNotFoundError):
        return UserError(f"{path} is missing: run make_data again, which simulates what an ensemble lacks.")
    return UserError(f"{path} is damaged ({error}): delete it and run make_data again, which simulates it again.")
