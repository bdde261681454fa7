"""Runs of dead processes: closed, or taken over by the command that continues in them."""

import contextlib
import json
import time
from collections.abc import Iterable, Iterator

from glassliquid.tracking import tag
from glassliquid.tracking.liveness import (
    TAG_HOST,
    TAG_PROCESS,
    TAG_USER,
    identity_tags,
    is_here,
    living_process,
    silence_of,
)
from glassliquid.tracking.store import store_fault
from glassliquid.tracking.stored import StoredRun, children_of, find_run, stored_where

TAG_CLAIM = "claimed_by"
"""Which process is about to continue in a run: its identity tags, as JSON; gone again when it has opened the run."""
CLAIM_SETTLES_S = 2.0
"""How long a claim has to stand."""
CLAIM_COUNTS_S = 30.0
"""How long others leave a run alone whose claimant on another machine has not opened it."""


def close_stale_runs(experiments: list[str]) -> dict[str, str]:
    """Mark as KILLED the RUNNING runs of this user on this machine whose process is dead; return their ids and names.

    Runs of another machine or user, and those that do not say which process they belong to, are left alone; but for the
    children of a run that is closed, whose processes were killed before they could say so.
    """
    from mlflow import MlflowClient

    client, this = MlflowClient(), identity_tags()
    mine = f"tags.{TAG_HOST} = '{this[TAG_HOST]}' and tags.{TAG_USER} = '{this[TAG_USER]}'"

    def is_stale(run: StoredRun | None) -> bool:
        if run is None or run.status != "RUNNING" or not is_here(run.tags):
            return False
        return run.tags.get(TAG_PROCESS) != this[TAG_PROCESS] and run.lives_in is None

    closed = {}

    def close(run: StoredRun) -> None:
        client.set_tag(run.run_id, tag.CLOSED, this[TAG_PROCESS])
        client.set_terminated(run.run_id, "KILLED")
        closed[run.run_id] = run.name

    for run in filter(is_stale, stored_where(f"attributes.status = 'RUNNING' and {mine}", experiments)):
        # Once more: a run that is being continued says which process it belongs to before it is RUNNING again.
        if is_stale(find_run(run.run_id)):
            close(run)
            # MLflow makes the run of a step before the step begins; only the chain's own process can have made this one.
            for child in filter(_names_no_process, children_of(run.run_id)):
                if _names_no_process(find_run(child.run_id)):
                    close(child)
    return closed


def closed_runs(experiments: list[str]) -> dict[str, str]:
    """Ids and names of the runs that commands of this user on this machine have closed and that nobody was told of."""
    this = identity_tags()
    mine = f"tags.{TAG_HOST} = '{this[TAG_HOST]}' and tags.{TAG_USER} = '{this[TAG_USER]}'"
    found = stored_where(f"attributes.status = 'KILLED' and tags.{tag.CLOSED} LIKE '%' and {mine}", experiments)
    return {run.run_id: run.name for run in found}


def note_told(run_ids: Iterable[str]) -> None:
    """Somebody was told that these runs were closed."""
    from mlflow import MlflowClient

    for run_id in run_ids:
        MlflowClient().delete_tag(run_id, tag.CLOSED)


def _names_no_process(run: StoredRun | None) -> bool:
    """Whether a run is RUNNING and does not say in which process."""
    return run is not None and run.status == "RUNNING" and TAG_PROCESS not in run.tags


def take_over(run_id: str) -> bool:
    """Claim a run that no living process works in, where several commands may want it; False if another one has it.

    Each writes its claim, in one tag, and looks a moment later whose has stayed. Between looking and writing lies one call of
    the store, which takes less than that moment. A claim counts until its process has opened the run, which takes it
    back, or is dead; on another machine, where that cannot be seen, for a while.
    """
    from mlflow import MlflowClient

    found = find_run(run_id)
    if found is None or found.lives_in is not None or _is_claimed(found):
        return False
    mine = json.dumps(identity_tags())
    MlflowClient().set_tag(run_id, TAG_CLAIM, mine)
    time.sleep(CLAIM_SETTLES_S)
    found = find_run(run_id)
    return found is not None and found.tags.get(TAG_CLAIM) == mine


def _is_claimed(found: StoredRun) -> bool:
    """Whether another process, alive as far as can be told, is about to continue in a run."""
    try:
        claimant = {str(key): str(value) for key, value in json.loads(found.tags.get(TAG_CLAIM, "{}")).items()}
    except (ValueError, AttributeError, RecursionError):
        return False
    return silence_of(claimant) < CLAIM_COUNTS_S if not is_here(claimant) else living_process(claimant) is not None


def mark_killed(run_id: str) -> None:
    """Mark the run of a trial that was killed as KILLED, with its running children; a run of another store is left alone.

    So it is if the store is gone at this moment; the sweep looks again when it makes its table.
    """
    from mlflow import MlflowClient

    client = MlflowClient()
    try:
        if find_run(run_id) is None:
            return
        client.set_tag(run_id, tag.TRIAL_STATE, "KILLED")
        for child in children_of(run_id):
            if child.status == "RUNNING":
                client.set_terminated(child.run_id, "KILLED")
        client.set_terminated(run_id, "KILLED")
    except Exception as error:
        if store_fault(error) is None:
            raise


@contextlib.contextmanager
def same_end_time(run_id: str) -> Iterator[None]:
    """Let a finished run that is opened again in the block keep its duration on the MLflow page."""
    from mlflow import MlflowClient

    client = MlflowClient()
    ended = client.get_run(run_id).info.end_time
    yield
    client.set_terminated(run_id, "FINISHED", ended)
