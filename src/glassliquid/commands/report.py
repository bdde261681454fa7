"""report: write the results log of an experiment as one self-contained HTML file."""

import time
from datetime import datetime
from pathlib import Path

from glassliquid.commands.jobs import ReportJob
from glassliquid.errors import UserError
from glassliquid.files import ABANDONED_AFTER_S, remove_partials_of, write_text
from glassliquid.layout import Layout
from glassliquid.report.artifacts import Artifacts
from glassliquid.report.entries import TRAIN, TRIAL
from glassliquid.report.log import ResultsLog, drawn_metrics
from glassliquid.report.page import render
from glassliquid.tracking.given_run import REFUSED, REHEARSAL
from glassliquid.tracking.history import (
    Experiment,
    artifact_names,
    find_experiment,
    read_artifact,
    read_curves,
    read_runs,
)
from glassliquid.tracking.run import tracked_run
from glassliquid.tracking.stored import StoredRun
from glassliquid.upkeep.housekeeping import housekeeping

NO_RESULTS = ("report", "continuation", "main", "tidy", REFUSED, REHEARSAL)
"""Stages that are left out: reports, pointers to continued runs, parents that only hold a chain together, and what did not begin."""


def run(job: ReportJob) -> None:
    """Write the report, keep it in the run, and print where it is."""
    started = time.monotonic()
    with tracked_run("report", "report") as tracked, housekeeping(tracked, Layout(job.data_dir).runs):
        experiment = find_experiment(job.experiment)
        runs = [run for run in read_runs(experiment, job.since) if run.stage not in NO_RESULTS]
        if not runs:
            when = "" if job.since is None else f" since {job.since:%Y-%m-%d %H:%M}"
            raise UserError(
                f"The experiment {experiment.name!r} has no runs to report{when}: train first, or choose another experiment "
                "or an earlier date."
            )
        page = write(experiment, runs, job.since, job.output)
        tracked.file(job.output)
        headline = (
            f"Results log of {experiment.name}: {len(runs)} runs, {len(page.encode()) / 1e6:.1f} MB, written in "
            f"{time.monotonic() - started:.1f} s to {job.output}."
        )
        tracked.describe(headline)
        print(headline)


def write(experiment: Experiment, runs: list[StoredRun], since: datetime | None, output: Path) -> str:
    """Read curves and artifacts of the runs and write the page, whole or not at all; return it."""
    trained = [run for run in runs if run.stage in (TRAIN, TRIAL)]
    artifacts = Artifacts(artifact_names, read_artifact)
    curves = read_curves(trained, drawn_metrics(trained))
    page = render(ResultsLog(experiment, runs, curves, artifacts, datetime.now().astimezone(), since))
    remove_partials_of(output, ABANDONED_AFTER_S)
    write_text(output, page)
    return page
