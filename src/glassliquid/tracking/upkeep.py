"""What every command does for the runs before it: points that wait are sent, runs of dead processes are closed."""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from glassliquid.tracking.liveness import TAG_HOST, TAG_PROCESS, TAG_USER, identity_tags, living_process
from glassliquid.tracking.metrics import send_pending
from glassliquid.tracking.stored import children_of, find_run, runs_where


def tidy_up(runs_folder: Path, experiment: str) -> None:
    """Send metric points that earlier commands could not send, and close runs that a dead process left RUNNING."""
    waiting = send_pending(runs_folder)
    if waiting:
        print(f"The metrics of {waiting} earlier runs still wait in {runs_folder}.", file=sys.stderr, flush=True)
    close_stale_runs([experiment])


def close_stale_runs(experiments: list[str]) -> list[str]:
    """Mark as KILLED the RUNNING runs of this user on this machine whose process is dead; return their ids.

    Runs of another machine or user, and those that do not say which process they belong to, are left alone.
    """
    from mlflow import MlflowClient

    client, this = MlflowClient(), identity_tags()
    mine = f"tags.{TAG_HOST} = '{this[TAG_HOST]}' and tags.{TAG_USER} = '{this[TAG_USER]}'"
    runs = runs_where(f"attributes.status = 'RUNNING' and {mine}", experiments)
    stale = [
        run.info.run_id
        for run in runs
        if run.data.tags.get(TAG_PROCESS) != this[TAG_PROCESS] and living_process(run.data.tags) is None
    ]
    for run_id in stale:
        client.set_terminated(run_id, "KILLED")
    return stale


def mark_killed(run_id: str, tags: Mapping[str, str]) -> None:
    """Mark a run whose process was killed as KILLED, with its running children; a run of another store is left alone."""
    from mlflow import MlflowClient

    if find_run(run_id) is None:
        return
    client = MlflowClient()
    for key, value in tags.items():
        client.set_tag(run_id, key, value)
    for child in children_of(run_id):
        if child.status == "RUNNING":
            client.set_terminated(child.run_id, "KILLED")
    client.set_terminated(run_id, "KILLED")


@contextlib.contextmanager
def same_end_time(run_id: str) -> Iterator[None]:
    """Let a finished run that is opened again in the block keep its duration on the MLflow page."""
    from mlflow import MlflowClient

    client = MlflowClient()
    ended = client.get_run(run_id).info.end_time
    yield
    client.set_terminated(run_id, "FINISHED", ended)
