"""Ensembles: all simulations of one protocol, in one folder.

`ensemble.json` holds the protocol, the seed and the split of every simulation, and the versions; beside it lie the
trajectory files `sim-00001.gsd` and so on, which `making` makes.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glassliquid.ensembles.split import LARGEST_ENSEMBLE, Split, draw_split
from glassliquid.errors import UserError, listed
from glassliquid.files import check_name, read_json, whole_number
from glassliquid.physics.engine import AUTO, REFERENCE, best_engine
from glassliquid.physics.protocol import LARGEST_PARTICLES, MOST_STEPS, Protocol, check_snapshot
from glassliquid.trajectories import trajectory
from glassliquid.trajectories.trajectory import LONGEST_SIDE, SHORTEST_SIDE

FOLDER = "ensembles"
DESCRIPTION = "ensemble.json"
INHERENT_FOLDER = "inherent"
FORMAT = 1
SIMULATED, IMPORTED = "simulate", "trajectories"
"""What `make_data` calls the two sources of ensembles."""
LARGEST_SEED = 2**63 - 1
SPLIT_STREAM = 1
"""Branch of the ensemble's seed from which the split is drawn; branch 0 gives the simulations' seeds."""


@dataclass(frozen=True)
class Simulation:
    """One member of an ensemble."""

    number: int
    """Counted from 1."""
    seed: int
    """Seed of its random start, velocities and thermostat; of an imported one a number that identifies its file."""
    split: Split
    """The split that all its images belong to."""
    file: str = ""
    """The file that it was imported from, relative to the folder that was imported; empty if it was simulated."""

    @property
    def file_name(self) -> str:
        """Name of its trajectory file."""
        return f"{self.stem}.gsd"

    @property
    def stem(self) -> str:
        """Name of its files without their ending."""
        return f"sim-{self.number:05d}"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What an imported ensemble's files say, the same for all of its simulations."""

    species: tuple[str, ...]
    """What the files call A and B."""
    particles_a: int
    """How many particles are A."""
    length: float
    """Side of the box."""
    first_step: int
    """Time step at which the cooling starts."""

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Origin":
        """The inverse of `dataclasses.asdict`; KeyError, TypeError or ValueError if it is none."""
        species, length = value["species"], value["length"]
        if type(species) is not list or not all(type(name) is str for name in species):
            raise ValueError("the species are no list of names")
        if type(length) not in (int, float) or not SHORTEST_SIDE <= length <= LONGEST_SIDE:
            raise ValueError(f"the side of the box is {str(length)[:40]}")
        return cls(
            species=tuple(species),
            particles_a=whole_number(value["particles_a"], 0, LARGEST_PARTICLES),
            length=float(length),
            first_step=whole_number(value["first_step"], -MOST_STEPS, MOST_STEPS),
        )


@dataclass(frozen=True)
class Ensemble:
    """An ensemble as `ensemble.json` describes it; its files may not all be there yet."""

    folder: Path
    preset: str
    protocol: Protocol
    seed: int
    simulations: tuple[Simulation, ...]
    origin: Origin | None = None
    """None if it was simulated here."""
    engine: str | None = None
    """Name of the engine that makes all of its simulations; None if it was imported."""

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def source(self) -> str:
        """Where its configurations come from, as `make_data` calls it."""
        return SIMULATED if self.origin is None else IMPORTED

    @property
    def digest(self) -> str:
        """Fingerprint of what determines the simulations: the protocol, the seed and their number, or their files."""
        content = {"protocol": self.protocol.to_json(), "seed": self.seed, "simulations": len(self.simulations)}
        if self.engine not in (None, REFERENCE):
            # Only then: datasets and checkpoints refer to ensembles from before there were other engines.
            content |= {"engine": self.engine}
        if self.origin is not None:
            content |= {"origin": asdict(self.origin), "files": [simulation.file for simulation in self.simulations]}
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


def plan_ensemble(
    folder: Path, preset: str, protocol: Protocol, simulations: int, seed: int, engine: str = REFERENCE
) -> Ensemble:
    """The ensemble that this protocol and seed define; nothing is written.

    Args:
        folder: where it is or will be; its name is the ensemble's.
        preset: name of the preset that the protocol was derived from, for the record.
        protocol: how each simulation is run.
        simulations: how many.
        seed: source of all randomness, zero or more.
        engine: name of the engine, or `auto`: the one that the ensemble was begun with, or else the fastest that can run here.
    """
    check_name("ensemble", folder.name)
    check_seed(seed)
    splits = draw_split(simulations, np.random.default_rng([seed, SPLIT_STREAM]))
    # Of 64 bits: among 10,000 seeds of 32 bits two are likely to coincide.
    seeds = np.random.SeedSequence(seed).generate_state(simulations, np.uint64)
    members = (Simulation(k + 1, int(seeds[k]), splits[k]) for k in range(simulations))
    if engine == AUTO:
        begun = open_ensemble(folder).engine if (folder / DESCRIPTION).exists() else None
        engine = begun or best_engine()
    return Ensemble(folder, preset, protocol, seed, tuple(members), engine=engine)


def check_seed(seed: int) -> None:
    """Raise UserError unless an ensemble may have this seed."""
    if not 0 <= seed <= LARGEST_SEED:
        raise UserError(f"seed is {seed}: pass zero or a positive whole number, up to 2^63 - 1.")


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
        entries = value["simulations"]
        if type(entries) is not list or len(entries) > LARGEST_ENSEMBLE:
            raise ValueError("the simulations are no list, or too many")
        members = tuple(_member(entry) for entry in entries)
        if [member.number for member in members] != list(range(1, len(members) + 1)) or not members:
            raise ValueError("the simulations are not numbered from 1")
        origin = Origin.from_json(value["origin"]) if "origin" in value else None
        protocol = Protocol.from_json(value["protocol"])
        seed = whole_number(value["seed"], 0, LARGEST_SEED)
        engine = None if origin is not None else check_name("engine", str(value.get("engine", REFERENCE)))
        return Ensemble(folder, str(value["preset"])[:100], protocol, seed, members, origin, engine)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{folder / DESCRIPTION} is damaged ({error!r}): move the folder away and make it anew."
        ) from error


def _member(entry: dict[str, Any]) -> Simulation:
    """A simulation as the description lists it; KeyError, TypeError or ValueError if it is none."""
    if type(entry) is not dict or type(file := entry.get("file", "")) is not str:
        raise ValueError("a simulation is no object, or its file no text")
    number = whole_number(entry["number"], 1, LARGEST_ENSEMBLE)
    return Simulation(number, whole_number(entry["seed"], 0, 2**64 - 1), Split(entry["split"]), file)


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


def cooling_curves(ensemble: Ensemble, most: int) -> Iterator[trajectory.CoolingCurve]:
    """The thermodynamics over the cooling of the first `most` simulations."""
    for simulation in ensemble.simulations[:most]:
        yield trajectory.read_cooling_curve(ensemble.path(simulation))
