"""Inherent structures of an ensemble's snapshots: made where they are asked for, kept beside the trajectories."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from glassliquid.ensembles.ensemble import INHERENT_FOLDER, Ensemble, Simulation
from glassliquid.ensembles.workers import Report, WorkerPool, run_all
from glassliquid.files import locked, remove_partials
from glassliquid.physics.engines.lammps import engine_of_this_process
from glassliquid.trajectories import trajectory


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
        # Of workers that were killed while they wrote.
        remove_partials(ensemble.folder / INHERENT_FOLDER)


def inherent_energies(ensemble: Ensemble, snapshot: int) -> NDArray[np.float64]:
    """e_IS of one snapshot in every simulation, per particle, shape (simulations,); UserError if they were not made."""
    paths = (ensemble.inherent_path(simulation) for simulation in ensemble.simulations)
    found = (trajectory.read_configurations(path, [snapshot])[0].log for path in paths)
    return np.array([log[trajectory.LOG_INHERENT_ENERGY] for log in found])


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
    trajectory.write_configurations(path, ensemble.protocol, [known[snapshot] for snapshot in sorted(known)])
