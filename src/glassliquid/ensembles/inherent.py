"""Inherent structures of an ensemble's snapshots: made where they are asked for, kept beside the trajectories.

All of an ensemble's are minimised by one engine, which `inherent.json` beside them names. It is the ensemble's own, unless that
cannot run where the first is asked for.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from glassliquid.ensembles.ensemble import INHERENT_FOLDER, Ensemble, Simulation
from glassliquid.ensembles.workers import WorkerPool, run_all
from glassliquid.errors import UserError, listed
from glassliquid.files import locked, read_json, remove_partials, write_json
from glassliquid.physics.engines import ENGINES, REFERENCE, best_engine, engine_of_this_process
from glassliquid.progress_bar import ShowProgress
from glassliquid.settings import Choice, Field, restored, settings, stored
from glassliquid.trajectories import trajectory
from glassliquid.trajectories.trajectory import read_inherent_energies

DESCRIPTION = "inherent.json"


@settings
class Minimiser:
    """What minimised an ensemble's inherent structures; those that do not name it are from before there was a choice."""

    engine: Annotated[str, Choice(lambda: ENGINES)] = REFERENCE
    """Name of the engine."""
    engine_version: Annotated[str, Field(max_length=100)] = ""
    """Its version."""

    def __str__(self) -> str:
        """The engine's name and version."""
        return f"{self.engine} {self.engine_version}".rstrip()


def make_inherent(ensemble: Ensemble, snapshots: Sequence[int], pool: WorkerPool, progress: ShowProgress) -> None:
    """Add the inherent structures of these snapshots, with e_IS, to what the ensemble has of them.

    A simulation's file appears whole; after an interruption the same call makes what is missing.

    Raises:
        UserError: a snapshot is not stored, or a file is damaged.
    """
    with locked(ensemble.folder / INHERENT_FOLDER, "minimising"):
        remove_partials(ensemble.folder / INHERENT_FOLDER)
        engine, wanted = _engine(ensemble), set(snapshots)
        lacking = [
            each
            for each in ensemble.simulations
            if wanted - read_inherent_energies(ensemble.inherent_path(each)).keys()
        ]
        total = len(ensemble.simulations)
        progress(done := total - len(lacking), total)
        # Each task carries its own simulation only: with all of them, 10,000 tasks would be 10,000 times as large.
        tasks = ((engine, replace(ensemble, simulations=(each,)), each, tuple(snapshots)) for each in lacking)
        for _ in run_all(pool, _minimise_one, tasks):
            done += 1
            progress(done, total)
        # Of workers that were killed while they wrote.
        remove_partials(ensemble.folder / INHERENT_FOLDER)


def inherent_energies(ensemble: Ensemble, snapshots: Sequence[int]) -> NDArray[np.float64]:
    """e_IS of snapshots in every simulation, per particle, shape (simulations, snapshots).

    Raises:
        UserError: they were not made, or a file is damaged.
    """
    energies = np.empty((len(ensemble.simulations), len(snapshots)))
    for row, simulation in zip(energies, ensemble.simulations, strict=True):
        path = ensemble.inherent_path(simulation)
        found = read_inherent_energies(path)
        if lacking := [index for index in snapshots if index not in found]:
            raise UserError(
                f"{path} lacks the inherent structure of snapshot {listed(lacking)}: run make_data with inherent=true, which minimises it."
            )
        row[:] = [found[index] for index in snapshots]
    return energies


def known_energies(ensemble: Ensemble) -> tuple[list[int], NDArray[np.float64]]:
    """The snapshots whose inherent structures every simulation has, ascending, and their e_IS, shape (simulations, snapshots)."""
    found = [read_inherent_energies(ensemble.inherent_path(each)) for each in ensemble.simulations]
    common = sorted(set.intersection(*(set(each) for each in found)))
    return common, np.array([[each[index] for index in common] for each in found]).reshape(len(found), len(common))


def minimised_by(ensemble: Ensemble) -> Minimiser:
    """The engine that minimised the ensemble's inherent structures.

    Raises:
        UserError: the file that names it is damaged.
    """
    path = ensemble.folder / INHERENT_FOLDER / DESCRIPTION
    if not path.exists():
        return Minimiser()
    return restored(
        Minimiser, read_json(path, "a folder of inherent structures"), f"The values in {path}", f"remove {path.parent}"
    )


def _engine(ensemble: Ensemble) -> str:
    """The engine to minimise with, which is recorded before anything is."""
    folder = ensemble.folder / INHERENT_FOLDER
    if not (folder / DESCRIPTION).exists() and not any(folder.glob("sim-*.gsd")):
        name = ensemble.engine
        if name is None or ENGINES.get(name).obstacle() is not None:
            name = best_engine()
        write_json(
            folder / DESCRIPTION, stored(Minimiser(engine=name, engine_version=engine_of_this_process(name).version))
        )
    return minimised_by(ensemble).engine


def _minimise_one(task: tuple[str, Ensemble, Simulation, tuple[int, ...]]) -> None:
    engine, ensemble, simulation, snapshots = task
    path = ensemble.inherent_path(simulation)
    known = {each.snapshot: each for each in trajectory.read_configurations(path)} if path.exists() else {}
    lacking = [snapshot for snapshot in snapshots if snapshot not in known]
    if not lacking:
        return
    for found in trajectory.read_configurations(ensemble.path(simulation), lacking):
        positions, energy = engine_of_this_process(engine).minimise(found.positions, found.types, found.length)
        log = {trajectory.LOG_INHERENT_ENERGY: energy}
        known[found.snapshot] = trajectory.Configuration(
            found.snapshot, positions.astype(np.float32), found.types, found.length, log
        )
    trajectory.write_configurations(path, ensemble.protocol, [known[snapshot] for snapshot in sorted(known)])
