"""The run that `mlflow run` made for this command, before the command opens it."""

import contextlib
import os

from glassliquid.errors import UserError
from glassliquid.tracking import liveness, tag
from glassliquid.tracking.store import connect
from glassliquid.tracking.stored import find_run

RUN_ID_VARIABLE = "MLFLOW_RUN_ID"
STEP_KEY_VARIABLE = "GLASSLIQUID_STEP_KEY"
"""Set by a chain for its steps; never set by hand."""
MOST_TAG_CHARACTERS = 5000


def take_given_run() -> str | None:
    """Id of the run that `mlflow run` made, which no other run of this process attaches to then; None without `mlflow run`.

    Raises:
        UserError: another process is at work in it.
    """
    given = os.environ.pop(RUN_ID_VARIABLE, None)
    found = None if given is None else find_run(given)
    if found is not None:
        found.refuse_living("leave out --run-id")
    return given


def take_step_key() -> dict[str, str]:
    """The tag that a chain wants the run of its step to have; none outside of a chain."""
    key = os.environ.pop(STEP_KEY_VARIABLE, None)
    return {} if key is None else {tag.STEP_KEY: key}


def point_to(given: str, continued: str) -> None:
    """Say on the run that `mlflow run` made for a resumed training which run has its numbers."""
    from mlflow import MlflowClient
    from mlflow.entities import RunTag

    pointer = {
        tag.NAME: "(continues an earlier run)",
        tag.STAGE: "continuation",
        tag.CONTINUES: continued,
        tag.NOTE: f"This command continued run `{continued}`, which holds its curves, checkpoints and model.",
        **liveness.identity_tags(),
    }
    MlflowClient().log_batch(given, tags=[RunTag(key, value) for key, value in pointer.items()])


def note_error(run_id: str, sentence: str) -> None:
    """Say on a run that was not opened why it failed; a store that cannot be reached is not another error.

    One that another process is at work in (`mlflow run --run-id`, which was refused for that) has not failed.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    with contextlib.suppress(MlflowException, UserError):
        connect()
        stored = find_run(run_id)
        if stored is not None and stored.lives_in is None:
            MlflowClient().set_tag(run_id, tag.ERROR, sentence[:MOST_TAG_CHARACTERS])
