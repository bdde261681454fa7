"""Ensembles: all simulations of one protocol, in one folder.

`ensemble.json` is written first and never changed; it holds the protocol, the seed and the split of every simulation,
and the versions. The trajectory files `sim-00001.gsd` and so on then appear one by one, each whole; what is missing
after an interruption is simulated by the next command.
"""

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glassliquid.errors import UserError, listed
from glassliquid.files import check_name, locked, read_json, remove_partials, write_json
from glassliquid.simulation import trajectory
from glassliquid.simulation.engine import engine_of_this_process
from glassliquid.simulation.protocol import Protocol, check_snapshot
from glassliquid.simulation.split import Split, draw_split
from glassliquid.simulation.workers import WorkerPool, run_all

FOLDER = "ensembles"
DESCRIPTION = "ensemble.json"
INHERENT_FOLDER = "inherent"
FORMAT = 1
SPLIT_STREAM = 1
"""Branch of the ensemble's seed from which the split is drawn; branch 0 gives the simulations' seeds."""

Report = Callable[[int, int], None]
"""Told how many tasks are done, and of how many."""


@dataclass(frozen=True)
class Simulation:
    """One member of an ensemble."""

    number: int
    """Counted from 1."""
    seed: int
    """Seed of its random start, velocities and thermostat."""
    split: Split
    """The split that all its images belong to."""

    @property
    def file_name(self) -> str:
        """Name of its trajectory file."""
        return f"{self.stem}.gsd"

    @property
    def stem(self) -> str:
        """Name of its files without their ending."""
        return f"sim-{self.number:05d}"


@dataclass(frozen=True)
class Ensemble:
    """An ensemble as `ensemble.json` describes it; its files may not all be there yet."""

    folder: Path
    preset: str
    protocol: Protocol
    seed: int
    simulations: tuple[Simulation, ...]

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def digest(self) -> str:
        """Fingerprint of what determines the simulations: the protocol, the seed and their number."""
        content = {"protocol": self.protocol.to_json(), "seed": self.seed, "simulations": len(self.simulations)}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def path(self, simulation: Simulation) -> Path:
        """Its trajectory file."""
        return self.folder / simulation.file_name

    def inherent_path(self, simulation: Simulation) -> Path:
        """The file of its inherent structures."""
        return self.folder / INHERENT_FOLDER / simulation.file_name

    def missing(self) -> list[Simulation]:
        """Simulations without a trajectory file."""
        with os.scandir(self.folder) as entries:
            present = {entry.name for entry in entries}
        return [simulation for simulation in self.simulations if simulation.file_name not in present]


def make_ensemble(
    folder: Path, preset: str, protocol: Protocol, simulations: int, seed: int, pool: WorkerPool, report: Report
) -> Ensemble:
    """Create the ensemble, or continue with what is missing of it.

    Args:
        folder: where it is or will be; its name is the ensemble's.
        preset: name of the preset that the protocol was derived from, for the record.
        protocol: how each simulation is run.
        simulations: how many.
        seed: source of all randomness, zero or more.
        pool: where the simulations run.
        report: told of the progress.

    Returns:
        The complete ensemble.

    Raises:
        UserError: the folder holds something else, or an ensemble that was made differently.
    """
    wanted = plan_ensemble(folder, preset, protocol, simulations, seed)
    with locked(folder, "making the ensemble"):
        if (folder / DESCRIPTION).exists():
            ensemble = open_ensemble(folder)
            _check_same(ensemble, wanted)
        else:
            _check_empty(folder)
            ensemble = wanted
            write_json(folder / DESCRIPTION, _to_json(ensemble))
        remove_partials(folder)
        _simulate(ensemble, pool, report)
        # Of workers that were killed while they wrote.
        remove_partials(folder)
    return ensemble


def plan_ensemble(folder: Path, preset: str, protocol: Protocol, simulations: int, seed: int) -> Ensemble:
    """The ensemble that this protocol and seed define; nothing is written."""
    check_name("ensemble", folder.name)
    if seed < 0:
        raise UserError(f"seed is {seed}: pass zero or a positive whole number.")
    splits = draw_split(simulations, np.random.default_rng([seed, SPLIT_STREAM]))
    # Of 64 bits: among 10,000 seeds of 32 bits two are likely to coincide.
    seeds = np.random.SeedSequence(seed).generate_state(simulations, np.uint64)
    members = (Simulation(k + 1, int(seeds[k]), splits[k]) for k in range(simulations))
    return Ensemble(folder, preset, protocol, seed, tuple(members))


def open_ensemble(folder: Path) -> Ensemble:
    """Read an ensemble's description.

    Raises:
        UserError: there is none, or it is damaged.
    """
    if not folder.is_dir():
        known = sorted(path.parent.name for path in folder.parent.glob(f"*/{DESCRIPTION}"))
        raise UserError(
            f"There is no ensemble {folder.name!r} in {folder.parent} (there: {listed(known)}): make it with make_data."
        )
    value = read_json(folder / DESCRIPTION, "an ensemble")
    try:
        if value["format"] != FORMAT:
            raise UserError(
                f"{folder} has format {value['format']}, and this version reads {FORMAT}: use a newer version."
            )
        members = tuple(
            Simulation(int(entry["number"]), int(entry["seed"]), Split(entry["split"]))
            for entry in value["simulations"]
        )
        if [member.number for member in members] != list(range(1, len(members) + 1)) or not members:
            raise ValueError("the simulations are not numbered from 1")
        return Ensemble(
            folder, str(value["preset"]), Protocol.from_json(value["protocol"]), int(value["seed"]), members
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{folder / DESCRIPTION} is damaged ({error!r}): move the folder away and make it anew."
        ) from error


def check_stored(ensemble: Ensemble, what: str, snapshot: int) -> None:
    """Raise UserError unless the ensemble stores this snapshot; the message names the nearest that are."""
    check_snapshot(what, snapshot)
    stored = ensemble.protocol.snapshots
    if snapshot not in stored:
        nearest = sorted(sorted(stored, key=lambda index: abs(index - snapshot))[:4])
        raise UserError(
            f"{what} is {snapshot}, which the ensemble {ensemble.name!r} does not store (nearest: {listed(nearest)}): "
            f"choose one of {listed(stored)}."
        )


def make_inherent(ensemble: Ensemble, snapshots: list[int], pool: WorkerPool, report: Report) -> None:
    """Add the inherent structures of these snapshots, with e_IS, to what the ensemble has of them."""
    with locked(ensemble.folder / INHERENT_FOLDER, "minimising"):
        remove_partials(ensemble.folder / INHERENT_FOLDER)
        # Each task carries its own simulation only: with all of them, 10,000 tasks would be 10,000 times as large.
        tasks = [
            (replace(ensemble, simulations=(simulation,)), simulation, tuple(snapshots))
            for simulation in ensemble.simulations
        ]
        for done, _ in enumerate(run_all(pool, _minimise_one, tasks), start=1):
            report(done, len(tasks))


def inherent_energies(ensemble: Ensemble, snapshot: int) -> NDArray[np.float64]:
    """e_IS of one snapshot in every simulation, per particle, shape (simulations,); UserError if they were not made."""
    paths = (ensemble.inherent_path(simulation) for simulation in ensemble.simulations)
    found = (trajectory.read_configurations(path, [snapshot])[0].log for path in paths)
    return np.array([log[trajectory.LOG_INHERENT_ENERGY] for log in found])


def cooling_curves(ensemble: Ensemble, most: int) -> Iterator[trajectory.CoolingCurve]:
    """The thermodynamics over the cooling of the first `most` simulations."""
    for simulation in ensemble.simulations[:most]:
        yield trajectory.read_cooling_curve(ensemble.path(simulation))


def _simulate(ensemble: Ensemble, pool: WorkerPool, report: Report) -> None:
    tasks = [(ensemble.protocol, simulation, ensemble.path(simulation)) for simulation in ensemble.missing()]
    total = len(ensemble.simulations)
    done = total - len(tasks)
    report(done, total)
    for _ in run_all(pool, _simulate_one, tasks):
        done += 1
        report(done, total)


def _simulate_one(task: tuple[Protocol, Simulation, Path]) -> None:
    protocol, simulation, path = task
    trajectory.write_cooling(path, protocol, engine_of_this_process().cool(protocol, simulation.seed))


def _minimise_one(task: tuple[Ensemble, Simulation, tuple[int, ...]]) -> None:
    ensemble, simulation, snapshots = task
    path = ensemble.inherent_path(simulation)
    known = {each.snapshot: each for each in trajectory.read_configurations(path)} if path.exists() else {}
    lacking = [snapshot for snapshot in snapshots if snapshot not in known]
    if not lacking:
        return
    for found in trajectory.read_configurations(ensemble.path(simulation), lacking):
        positions, energy = engine_of_this_process().minimise(found.positions, found.types, found.length)
        log = {trajectory.LOG_INHERENT_ENERGY: energy}
        known[found.snapshot] = trajectory.Configuration(
            found.snapshot, positions.astype(np.float32), found.types, found.length, log
        )
    trajectory.write_inherent(path, ensemble.protocol, [known[snapshot] for snapshot in sorted(known)])


def _check_same(present: Ensemble, wanted: Ensemble) -> None:
    differences = []
    for what, here, asked in (
        *((name, value, wanted.protocol.to_json()[name]) for name, value in present.protocol.to_json().items()),
        ("simulations", len(present.simulations), len(wanted.simulations)),
        ("seed", present.seed, wanted.seed),
    ):
        if here != asked:
            differences.append(f"{what} is {_brief(here)} there and {_brief(asked)} here")
    if differences:
        raise UserError(
            f"The ensemble {present.name!r} was made differently ({'; '.join(differences)}): pass its values "
            f"(its preset is {present.preset!r}), or another name with -P ensemble=NAME."
        )


def _check_empty(folder: Path) -> None:
    foreign = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if foreign:
        raise UserError(
            f"{folder} holds files but no {DESCRIPTION} (found {listed(foreign[:3])}), so it is not an ensemble: move them "
            "away or pass another name with -P ensemble=NAME."
        )


def _brief(value: object) -> str:
    return listed(value) if isinstance(value, list) else str(value)


def _to_json(ensemble: Ensemble) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "name": ensemble.name,
        "preset": ensemble.preset,
        "seed": ensemble.seed,
        "protocol": ensemble.protocol.to_json(),
        "versions": {
            "lammps": engine_of_this_process().version,
            "gsd": importlib.metadata.version("gsd"),
            "numpy": np.__version__,
        },
        "simulations": [
            {"number": member.number, "seed": member.seed, "split": member.split.value}
            for member in ensemble.simulations
        ],
    }
