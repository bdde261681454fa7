"""export: an ensemble as LAMMPS dumps, for programs that do not read GSD."""

import gzip
import io
from pathlib import Path

from glassliquid.commands.jobs import EXPORTS, ExportJob
from glassliquid.ensembles.cluster import open_pool
from glassliquid.ensembles.ensemble import Ensemble, check_stored, open_ensemble
from glassliquid.ensembles.workers import WorkerPool, run_all, worker_count
from glassliquid.errors import UserError, listed
from glassliquid.files import locked, read_json, remove_partials, replacing, write_json
from glassliquid.layout import Layout
from glassliquid.progress_bar import progress_bar
from glassliquid.trajectories.dump_writer import write_dump
from glassliquid.trajectories.trajectory import read_configurations

NOTE = "export.json"


def source_of(job: ExportJob) -> Ensemble:
    """The ensemble; UserError if it is not there or not complete, or something of the job does not fit it."""
    worker_count(job.workers)
    ensemble = open_ensemble(Layout(job.data_dir).ensemble(job.ensemble))
    if missing := len(ensemble.missing()):
        raise UserError(
            f"{missing} simulations of {ensemble.folder} are missing: run the make_data that made it again."
        )
    for snapshot in job.snapshots or ():
        check_stored(ensemble, "snapshots", snapshot)
    return ensemble


def export(job: ExportJob) -> int:
    """Write a dump of every simulation that has none in the folder yet; each appears whole.

    Returns:
        How many simulations the export has.

    Raises:
        UserError: the ensemble is incomplete, or the folder holds something else.
    """
    ensemble, folder = source_of(job), job.folder
    snapshots = list(job.snapshots or ensemble.protocol.snapshots)
    note: dict[str, object] = {
        "ensemble": ensemble.name,
        "digest": ensemble.digest,
        "format": job.format,
        "snapshots": snapshots,
    }
    with locked(folder, "exporting"):
        remove_partials(folder)
        _check_folder(folder, note)
        write_json(folder / NOTE, note)
        tasks = []
        for simulation in ensemble.simulations:
            target = folder / f"{simulation.number:05d}" / EXPORTS[job.format]
            if target.parent.is_dir():
                remove_partials(target.parent)
            if not target.exists():
                tasks.append(
                    (ensemble.path(simulation), target, ensemble.protocol.steps_per_snapshot, tuple(snapshots))
                )
        with open_pool(job.workers, None, folder) as pool:
            _export_all(tasks, len(ensemble.simulations), pool)
        # Of workers that were killed while they wrote.
        for _, target, _, _ in tasks:
            remove_partials(target.parent)
    return len(ensemble.simulations)


def run(job: ExportJob) -> None:
    """Export, and keep in MLflow what was exported."""
    from glassliquid.tracking.run import tracked_run
    from glassliquid.upkeep.housekeeping import housekeeping

    source_of(job)
    with tracked_run("export", f"export {job.ensemble}") as tracked, housekeeping(tracked, Layout(job.data_dir).runs):
        count = export(job)
        tracked.file(job.folder / NOTE)
        tracked.metrics({"simulations": count})
        headline = f"Exported {count} simulations of {job.ensemble} to {job.folder} as {job.format}."
        tracked.describe(headline)
        print(headline)


def export_one(task: tuple[Path, Path, int, tuple[int, ...]]) -> None:
    """Write one simulation's dump."""
    source, target, steps_per_snapshot, snapshots = task
    frames = ((each.snapshot * steps_per_snapshot, each) for each in read_configurations(source, list(snapshots)))
    with replacing(target) as partial, partial.open("wb") as file:
        if target.suffix == ".gz":
            # Without a time in the header, so that the same export gives the same bytes.
            with gzip.GzipFile("", "wb", 6, file, mtime=0) as squeezed, io.TextIOWrapper(squeezed, "ascii") as text:
                write_dump(text, frames)
        else:
            with io.TextIOWrapper(file, "ascii") as text:
                write_dump(text, frames)


def _export_all(tasks: list[tuple[Path, Path, int, tuple[int, ...]]], total: int, pool: WorkerPool) -> None:
    with progress_bar("exporting", "simulations") as report:
        done = total - len(tasks)
        report(done, total)
        for _ in run_all(pool, export_one, tasks):
            done += 1
            report(done, total)


def _check_folder(folder: Path, note: dict[str, object]) -> None:
    if (folder / NOTE).exists():
        if (found := read_json(folder / NOTE, "an export")) != note:
            differing = listed(name for name, value in note.items() if found.get(name) != value)
            raise UserError(f"{folder} holds another export (other {differing}): pass another folder as output.")
        return
    foreign = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if foreign:
        raise UserError(f"{folder} is not empty (found {listed(foreign[:3])}): pass another folder as output.")
