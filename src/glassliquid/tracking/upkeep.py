"""What every command does for the runs before it: points that wait are sent, runs of dead processes are closed."""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from glassliquid.files import tidy
from glassliquid.tracking.liveness import TAG_HOST, TAG_PROCESS, TAG_USER, identity_tags, living_process
from glassliquid.tracking.metrics import Delivery, send_pending
from glassliquid.tracking.stored import children_of, find_run, runs_where


@dataclass(frozen=True)
class Tidied:
    """What was done for earlier runs."""

    closed: dict[str, str]
    """Id and name of the runs that dead processes had left RUNNING."""
    delivery: Delivery
    """The metric points that waited."""


def tidy_up(runs_folder: Path, experiments: list[str]) -> Tidied:
    """Send metric points that earlier commands could not send, and close runs that a dead process left RUNNING.

    Args:
        runs_folder: where training runs of this machine keep their metrics.
        experiments: ids of those whose runs are looked at.
    """
    delivery = send_pending(runs_folder)
    if delivery.waiting:
        print(
            f"The metrics of {len(delivery.waiting)} earlier runs still wait in {runs_folder}.",
            file=sys.stderr,
            flush=True,
        )
    closed = close_stale_runs(experiments)
    for run_id in closed:
        tidy(runs_folder / run_id)
    return Tidied(closed, delivery)


def close_stale_runs(experiments: list[str]) -> dict[str, str]:
    """Mark as KILLED the RUNNING runs of this user on this machine whose process is dead; return their ids and names.

    Runs of another machine or user, and those that do not say which process they belong to, are left alone.
    """
    from mlflow import MlflowClient

    client, this = MlflowClient(), identity_tags()
    mine = f"tags.{TAG_HOST} = '{this[TAG_HOST]}' and tags.{TAG_USER} = '{this[TAG_USER]}'"
    stale = {
        str(run.info.run_id): str(run.info.run_name)
        for run in runs_where(f"attributes.status = 'RUNNING' and {mine}", experiments)
        if run.data.tags.get(TAG_PROCESS) != this[TAG_PROCESS] and living_process(run.data.tags) is None
    }
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
