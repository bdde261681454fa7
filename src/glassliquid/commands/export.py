"""export: an ensemble as LAMMPS dumps, for programs that do not read GSD."""

import contextlib
import gzip
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from glassliquid.commands.jobs import EXPORTS, ExportJob
from glassliquid.ensembles.cluster import open_pool
from glassliquid.ensembles.ensemble import Ensemble, check_stored, open_ensemble
from glassliquid.ensembles.workers import run_all
from glassliquid.errors import UserError, listed
from glassliquid.files import locked, read_json, remove_partials, replacing, write_json
from glassliquid.layout import Layout
from glassliquid.progress_bar import progress_bar
from glassliquid.trajectories.dump_writer import write_dump
from glassliquid.trajectories.trajectory import read_configurations

NOTE = "export.json"


class ExportTask(NamedTuple):
    """One simulation to export."""

    source: Path
    target: Path
    snapshots: list[int]
    steps_per_snapshot: int


def source_of(job: ExportJob) -> Ensemble:
    """The ensemble; UserError if it is not there or not complete, or something of the job does not fit it."""
    ensemble = open_ensemble(Layout(job.data_dir).ensemble(job.ensemble))
    if missing := len(ensemble.missing()):
        raise UserError(
            f"{missing} simulations of {ensemble.folder} are missing: repeat the make_data command that made it."
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
    note = {"ensemble": ensemble.name, "digest": ensemble.digest, "format": job.format, "snapshots": snapshots}
    total = len(ensemble.simulations)
    with locked(folder, "exporting"):
        _check_folder(folder, note)
        write_json(folder / NOTE, note)
        targets = [folder / f"{each.number:05d}" / EXPORTS[job.format] for each in ensemble.simulations]
        tasks = [
            ExportTask(ensemble.path(simulation), target, snapshots, ensemble.protocol.steps_per_snapshot)
            for simulation, target in zip(ensemble.simulations, targets, strict=True)
            if not target.exists()
        ]
        with (
            open_pool(job.workers, None, folder) as pool,
            progress_bar("exporting", "simulations") as report,
        ):
            report(total - len(tasks), total)
            for done, _ in enumerate(run_all(pool, export_one, tasks), start=total - len(tasks) + 1):
                report(done, total)
        # Of workers that were killed while they wrote, now or earlier.
        for each in (folder, *(target.parent for target in targets)):
            remove_partials(each)
    return total


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


def export_one(task: ExportTask) -> None:
    """Write one simulation's dump."""
    configurations = read_configurations(task.source, task.snapshots)
    with replacing(task.target) as partial, partial.open("wb") as file, contextlib.ExitStack() as stack:
        binary: Any = file
        if task.target.suffix == ".gz":
            # Without a time in the header, so that the same export gives the same bytes.
            binary = stack.enter_context(gzip.GzipFile("", "wb", 6, file, mtime=0))
        with io.TextIOWrapper(binary, "ascii") as text:
            write_dump(text, ((each.snapshot * task.steps_per_snapshot, each) for each in configurations))


def _check_folder(folder: Path, note: Mapping[str, object]) -> None:
    if (folder / NOTE).exists():
        if (found := read_json(folder / NOTE, "an export")) != note:
            differing = listed(name for name, value in note.items() if found.get(name) != value)
            raise UserError(f"{folder} holds another export (different {differing}): pass another folder as output.")
        return
    foreign = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if foreign:
        raise UserError(f"{folder} is not empty (found {listed(foreign[:3])}): pass another folder as output.")
