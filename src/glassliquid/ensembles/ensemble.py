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
from typing import Annotated, Any, ClassVar

import numpy as np

from glassliquid.command_line import command_line, where
from glassliquid.ensembles.split import LARGEST_ENSEMBLE, LARGEST_SEED, Split, draw_split
from glassliquid.errors import UserError, did_you_mean, listed
from glassliquid.files import check_name, read_json
from glassliquid.physics.engines import REFERENCE, best_engine
from glassliquid.physics.protocol import LARGEST_PARTICLES, MOST_STEPS, Protocol
from glassliquid.settings import Field, restored, settings
from glassliquid.trajectories import trajectory
from glassliquid.trajectories.trajectory import LONGEST_SIDE, SHORTEST_SIDE

DESCRIPTION = "ensemble.json"
INHERENT_FOLDER = "inherent"
REMEDY = "move the folder away and make it again"
"""What to do about a damaged description."""
SPLIT_STREAM = 1
"""Branch of the ensemble's seed from which the split is drawn; branch 0 gives the simulations' seeds."""


@dataclass(frozen=True)
class Simulation:
    """One member of an ensemble."""

    number: Annotated[int, Field(ge=1, le=LARGEST_ENSEMBLE)]
    """Counted from 1."""
    seed: Annotated[int, Field(ge=0, lt=2**64)]
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
    particles_a: Annotated[int, Field(ge=0, le=LARGEST_PARTICLES)]
    """How many particles are A."""
    length: Annotated[float, Field(ge=SHORTEST_SIDE, le=LONGEST_SIDE)]
    """Side of the box."""
    first_step: Annotated[int, Field(ge=-MOST_STEPS, le=MOST_STEPS)]
    """Time step at which the cooling starts."""


def _from_version_1(old: dict[str, Any]) -> dict[str, Any]:
    """Version 1 was called format, repeated the folder's name, and knew one engine."""
    engine = {} if "origin" in old else {"engine": REFERENCE}
    return {name: value for name, value in old.items() if name != "name" and (name, value) != ("format", 1)} | engine


@settings
class Ensemble:
    """An ensemble as `ensemble.json` describes it; its files may not all be there yet."""

    VERSION: ClassVar[int] = 2
    UPGRADES: ClassVar[dict[int, Any]] = {1: _from_version_1}

    folder: Annotated[Path, Field(exclude=True)]
    """Where it is; not part of the description."""
    preset: Annotated[str, Field(max_length=100)]
    """Name of the preset that the protocol was derived from, for the record."""
    protocol: Protocol
    """How each simulation is run."""
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)]
    """Source of all randomness."""
    engine: Annotated[str | None, Field(pattern=r"^[a-z0-9_]{1,40}$")] = None
    """Name of the engine that makes all of its simulations; None if it was imported."""
    versions: dict[str, Annotated[str, Field(max_length=100)]] = Field(default_factory=dict)
    """Versions of the engine and the libraries that it was begun with; empty before."""
    origin: Origin | None = None
    """What its files say; None if it was simulated here."""
    simulations: Annotated[tuple[Simulation, ...], Field(min_length=1, max_length=LARGEST_ENSEMBLE)]
    """All of them, by number."""

    def __post_init__(self) -> None:
        """Check that it was either simulated or imported."""
        if (self.engine is None) == (self.origin is None):
            raise UserError("an ensemble has either an engine or an origin: make it again.")

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def engine_version(self) -> str:
        """The version of its engine that it was begun with; empty if it was imported."""
        return self.versions.get(self.engine or "", "")

    @property
    def digest(self) -> str:
        """Fingerprint of what determines the simulations: the protocol, the seed and their number, or their files."""
        content = {"protocol": asdict(self.protocol), "seed": self.seed, "simulations": len(self.simulations)}
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
    folder: Path, preset: str, protocol: Protocol, simulations: int, seed: int, engine: str | None = None
) -> Ensemble:
    """The ensemble that this protocol and seed define; nothing is written.

    Args:
        folder: where it is or will be; its name is the ensemble's.
        preset: name of the preset that the protocol was derived from, for the record.
        protocol: how each simulation is run.
        simulations: how many.
        seed: source of all randomness, zero or more.
        engine: name of the engine, or None: the one that the ensemble was begun with, or else the fastest that can run here.
    """
    check_name("ensemble", folder.name)
    check_seed(seed)
    splits = draw_split(simulations, np.random.default_rng([seed, SPLIT_STREAM]))
    # Of 64 bits: among 10,000 seeds of 32 bits two are likely to coincide.
    seeds = np.random.SeedSequence(seed).generate_state(simulations, np.uint64)
    members = (Simulation(k + 1, int(seeds[k]), splits[k]) for k in range(simulations))
    if engine is None:
        begun = open_ensemble(folder).engine if (folder / DESCRIPTION).exists() else None
        engine = begun or best_engine()
    return Ensemble(
        folder=folder, preset=preset, protocol=protocol, seed=seed, engine=engine, simulations=tuple(members)
    )


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
            f"There is no ensemble {folder.name!r} in {folder.parent}{did_you_mean(folder.name, known)} (there: {listed(known)}): "
            f"make it, and a dataset of it, with {command_line('make_data', {'name': 'NAME', 'ensemble': folder.name} | where(folder.parents[1]))}."
        )
    value = read_json(folder / DESCRIPTION, "an ensemble")
    ensemble = restored(Ensemble, {**value, "folder": str(folder)}, f"The values in {folder / DESCRIPTION}", REMEDY)
    if [member.number for member in ensemble.simulations] != list(range(1, len(ensemble.simulations) + 1)):
        raise UserError(f"{folder / DESCRIPTION} is damaged (its simulations are not numbered from 1): {REMEDY}.")
    return ensemble


def check_stored(ensemble: Ensemble, what: str, snapshot: int) -> None:
    """Raise UserError unless the ensemble stores this snapshot; the message names the nearest that are."""
    ensemble.protocol.check_stored(what, snapshot, ensemble.name)


def cooling_curves(ensemble: Ensemble, most: int) -> Iterator[trajectory.CoolingCurve]:
    """The thermodynamics over the cooling of the first `most` simulations."""
    for simulation in ensemble.simulations[:most]:
        yield trajectory.read_cooling_curve(ensemble.path(simulation))
