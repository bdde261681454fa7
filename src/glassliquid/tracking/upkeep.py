"""What every command does for the runs before it: points that wait are sent, runs of dead processes are closed."""

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glassliquid.files import tidy
from glassliquid.tracking.liveness import (
    TAG_HOST,
    TAG_MACHINE,
    TAG_PROCESS,
    TAG_USER,
    identity_tags,
    is_here,
    living_process,
)
from glassliquid.tracking.metrics import Delivery, send_pending
from glassliquid.tracking.stored import children_of, find_run, runs_where

CLAIM_SETTLES_S = 2.0
"""How long a claim has to stand."""


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

    Runs of another machine or user, and those that do not say which process they belong to, are left alone; but for the
    children of a run that is closed, whose processes were killed before they could say so.
    """
    from mlflow import MlflowClient

    client, this = MlflowClient(), identity_tags()
    mine = f"tags.{TAG_HOST} = '{this[TAG_HOST]}' and tags.{TAG_USER} = '{this[TAG_USER]}'"

    def is_stale(run: Any) -> bool:
        tags = run.data.tags
        is_running = run.info.status == "RUNNING" and is_here(tags)
        return is_running and tags.get(TAG_PROCESS) != this[TAG_PROCESS] and living_process(tags) is None

    closed = {}
    for run in filter(is_stale, runs_where(f"attributes.status = 'RUNNING' and {mine}", experiments)):
        run_id = str(run.info.run_id)
        # Once more: a run that is being continued says which process it belongs to before it is RUNNING again.
        if is_stale(client.get_run(run_id)):
            client.set_terminated(run_id, "KILLED")
            closed[run_id] = str(run.info.run_name)
            for child in children_of(run_id):
                # MLflow makes the run of a step before the step begins; only the chain's own process can have made this one.
                if child.status == "RUNNING" and TAG_PROCESS not in child.tags:
                    client.set_terminated(child.run_id, "KILLED")
                    closed[child.run_id] = child.tags["mlflow.runName"]
    return closed


def take_over(run_id: str) -> bool:
    """Claim a run that a dead process has left, where several commands may want it; False if another one has it now.

    Each writes which process it is and looks a moment later whose word has stayed. Between looking and writing lies one call
    of the store, which takes less than that moment.
    """
    from mlflow import MlflowClient

    client, mine = MlflowClient(), identity_tags()
    found = find_run(run_id)
    if found is None or living_process(found.tags) is not None:
        return False
    for key, value in mine.items():
        client.set_tag(run_id, key, value)
    time.sleep(CLAIM_SETTLES_S)
    found = find_run(run_id)
    return found is not None and all(found.tags.get(key) == mine[key] for key in (TAG_HOST, TAG_MACHINE, TAG_PROCESS))


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
