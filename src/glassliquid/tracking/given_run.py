"""The run that `mlflow run` made for this command, before the command opens it."""

import contextlib
import os
from collections.abc import Iterator

from glassliquid.errors import UserError
from glassliquid.tracking import liveness, tag
from glassliquid.tracking.faults import shortened
from glassliquid.tracking.store import connect, raise_if_lost
from glassliquid.tracking.stored import find_run

RUN_ID_VARIABLE = "MLFLOW_RUN_ID"
EXPERIMENT_VARIABLES = ("MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID")
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


@contextlib.contextmanager
def explaining_surroundings(given: str | None) -> Iterator[None]:
    """What MLflow says of a run that it cannot open becomes a sentence that names the variables that it took it from.

    Args:
        given: what MLFLOW_RUN_ID was.

    Raises:
        UserError: MLflow knows no such run or experiment, or it was deleted.
    """
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        raise_if_lost(error)
        names = {RUN_ID_VARIABLE: given, **{name: os.environ.get(name) for name in EXPERIMENT_VARIABLES}}
        chosen = [f"{name} is {value!r}" for name, value in names.items() if value is not None]
        remedy = (
            f"{' and '.join(chosen)}: correct that or unset it"
            if chosen
            else "restore its experiment, such as with `mlflow experiments restore --experiment-id 0`, or name another one in "
            "MLFLOW_EXPERIMENT_NAME"
        )
        raise UserError(f"MLflow opens no run ({shortened(error.message).rstrip('.')}); {remedy}.") from error


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
