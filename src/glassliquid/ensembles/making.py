"""Make an ensemble: its description first, then the simulations that are missing, on many processes.

`ensemble.json` is never changed. The trajectory files appear one by one, each whole; what is missing after an interruption
is made by the next command.
"""

import importlib.metadata
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from glassliquid.command_line import option
from glassliquid.ensembles.differences import ensemble_differences
from glassliquid.ensembles.ensemble import DESCRIPTION, Ensemble, Simulation, open_ensemble
from glassliquid.ensembles.workers import Task, WorkerPool, run_all
from glassliquid.errors import UserError, listed
from glassliquid.files import locked, remove_partials, write_json
from glassliquid.physics.engines import engine_of_this_process
from glassliquid.physics.protocol import Protocol
from glassliquid.progress_bar import ShowProgress
from glassliquid.settings import stored
from glassliquid.trajectories import trajectory


def make_ensemble(wanted: Ensemble, pool: WorkerPool, progress: ShowProgress) -> Ensemble:
    """Create the planned ensemble, or continue with what is missing of it.

    Args:
        wanted: what `plan_ensemble` gave.
        pool: where the simulations run.
        progress: called with the progress.

    Returns:
        The complete ensemble.

    Raises:
        UserError: the folder holds something else, or an ensemble that was made differently, or the engine cannot run here.
    """
    tasks = ((str(wanted.engine), wanted.protocol, each, wanted.path(each)) for each in wanted.simulations)
    return complete_ensemble(wanted, _simulate_one, tasks, pool, progress)


def complete_ensemble(
    wanted: Ensemble,
    make_one: Callable[[Task], None],
    tasks: Iterable[Task],
    pool: WorkerPool,
    progress: ShowProgress,
) -> Ensemble:
    """Create the ensemble's description if there is none yet, and make the simulations whose files are missing.

    Args:
        wanted: what the ensemble is to be.
        make_one: writes the file of one simulation.
        tasks: what `make_one` needs, for each simulation in order.
        pool: where it runs.
        progress: called with the progress.

    Raises:
        UserError: the folder holds something else, or an ensemble that was made differently.
    """
    folder = wanted.folder
    with locked(folder, "making the ensemble"):
        ensemble = present_ensemble(wanted)
        if ensemble is None:
            ensemble = replace(wanted, versions=_versions(wanted))
            write_json(folder / DESCRIPTION, stored(ensemble))
        remove_partials(folder)
        missing = {simulation.number for simulation in ensemble.missing()}
        total = len(ensemble.simulations)
        done = total - len(missing)
        progress(done, total)
        lacking = (task for number, task in enumerate(tasks, start=1) if number in missing)
        for _ in run_all(pool, make_one, lacking):
            done += 1
            progress(done, total)
        # Of workers that were killed while they wrote.
        remove_partials(folder)
    return ensemble


def present_ensemble(wanted: Ensemble) -> Ensemble | None:
    """The ensemble that is there under a name, which may lack files; None if there is none.

    Args:
        wanted: what it is to be.

    Raises:
        UserError: it was made differently, or its folder holds something else.
    """
    if (wanted.folder / DESCRIPTION).exists():
        ensemble = open_ensemble(wanted.folder)
        _check_same(ensemble, wanted)
        return ensemble
    if wanted.folder.exists():
        _check_empty(wanted.folder)
    return None


def _simulate_one(task: tuple[str, Protocol, Simulation, Path]) -> None:
    engine, protocol, simulation, path = task
    trajectory.write_cooling(path, protocol, engine_of_this_process(engine).cool(protocol, simulation.seed))


def _check_same(present: Ensemble, wanted: Ensemble) -> None:
    if differences := ensemble_differences(present, wanted):
        raise UserError(
            f"The ensemble {present.name!r} was made differently ({'; '.join(differences)}): pass its values "
            f"(its preset is {present.preset!r}), or another name with {option('ensemble', 'NAME')}."
        )


def _check_empty(folder: Path) -> None:
    foreign = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if foreign:
        raise UserError(
            f"{folder} holds files but no {DESCRIPTION} (found {listed(foreign[:3])}), so it is not an ensemble: move them "
            f"away or pass another name with {option('ensemble', 'NAME')}."
        )


def _versions(ensemble: Ensemble) -> dict[str, str]:
    versions = {"gsd": importlib.metadata.version("gsd"), "numpy": np.__version__}
    if ensemble.engine is not None:
        versions[ensemble.engine] = engine_of_this_process(ensemble.engine).version
    return versions
