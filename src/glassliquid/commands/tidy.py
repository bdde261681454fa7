"""tidy: what every command does for the runs before it, asked for by itself, in all experiments, and said in words."""

from pathlib import Path

from glassliquid.commands.jobs import TidyJob
from glassliquid.files import remove_abandoned
from glassliquid.layout import Layout
from glassliquid.sessions.resume_command import resume_command
from glassliquid.sessions.training_job import TrainJob
from glassliquid.tracking import tag
from glassliquid.tracking.find_model import has_checkpoint
from glassliquid.tracking.history import all_experiments, find_experiment
from glassliquid.tracking.run import tracked_run
from glassliquid.tracking.store import connect
from glassliquid.tracking.stored import find_run
from glassliquid.upkeep.housekeeping import Tidied, housekeeping, tidy_up
from glassliquid.upkeep.stale_runs import closed_runs, note_told

AGAIN = ("main", "make_data", "size", "sweep", "transition")
"""Commands that find by themselves what is there already."""


def run(job: TidyJob) -> None:
    """Close runs of dead processes, send waiting metrics, remove half-written files, and print what was done."""
    connect()
    layout = Layout(job.data_dir)
    experiments = all_experiments() if job.experiment is None else [find_experiment(job.experiment)]
    tidied = tidy_up(layout.runs, [experiment.experiment_id for experiment in experiments])
    removed = remove_abandoned(job.data_dir)
    untold = closed_runs([experiment.experiment_id for experiment in experiments])
    with tracked_run("tidy", "tidy") as tracked, housekeeping(tracked, layout.runs):
        tracked.metrics(
            {
                "closed_runs": len(tidied.closed),
                "sent_points": sum(tidied.delivery.sent.values()),
                "waiting_runs": len(tidied.delivery.waiting),
                "removed_files": len(removed),
            }
        )
        found = "\n".join(_lines(job, tidied, untold, len(removed)))
        tracked.describe(found)
        print(found, flush=True)
        note_told(untold)


def _lines(job: TidyJob, tidied: Tidied, untold: dict[str, str], removed: int) -> list[str]:
    closed, delivery = tidied.closed, tidied.delivery
    runs_folder = Layout(job.data_dir).runs
    lines = [f"Runs that dead processes had left RUNNING, now KILLED: {len(closed)}."]
    lines += _named(closed, job.data_dir)
    if others := {run_id: name for run_id, name in untold.items() if run_id not in closed}:
        lines.append(f"Closed earlier by other commands: {len(others)}.")
        lines += _named(others, job.data_dir)
    points = sum(delivery.sent.values())
    lines.append(f"Waiting metric points sent: {points}, from {len(delivery.sent)} runs.")
    if delivery.waiting:
        lines.append(
            f"Metric points that are still waiting in {runs_folder}, because this tracking "
            f"store does not accept them (it may not be the one they were made for): those of {', '.join(delivery.waiting)}."
        )
    lines.append(f"Half-written files removed: {removed}.")
    return lines


def _named(runs: dict[str, str], data_dir: Path) -> list[str]:
    """A line for each run, with how it continues."""
    return [f"- {run_id} ({name}). {_going_on(run_id, data_dir)}".rstrip() for run_id, name in runs.items()]


def _going_on(run_id: str, data_dir: Path) -> str:
    """How to continue with a run that was closed; nothing for a part of another one, which continues with it."""
    stored = find_run(run_id)
    stage = "" if stored is None else stored.tags.get(tag.STAGE)
    if stored is None or set(tag.PARTS) & stored.tags.keys():
        return ""
    if stage in AGAIN:
        return "Run the same command again to continue."
    if stage != "train" or not (stored.has_parts or has_checkpoint(run_id, Layout(data_dir).runs)):
        return ""
    given = {} if data_dir == TrainJob().data_dir else {"data_dir": str(data_dir)}
    return f"Continue with: {resume_command(run_id, stored.tags.get(tag.ENVIRONMENT, ''), given)}"
