"""The run that `mlflow run` made for this command, before the command opens it."""

import contextlib
import json
import os
from collections.abc import Iterator

from glassliquid.errors import UserError
from glassliquid.tracking import liveness, tag
from glassliquid.tracking.faults import is_refused, shortened
from glassliquid.tracking.store import connect, raise_if_lost
from glassliquid.tracking.stored import find_run

RUN_ID_VARIABLE = "MLFLOW_RUN_ID"
EXPERIMENT_VARIABLES = ("MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID")
STEP_KEY_VARIABLE = "GLASSLIQUID_STEP_KEY"
"""Set by a chain for its steps; never set by hand."""
LAUNCH_VARIABLE = "GLASSLIQUID_LAUNCH"
"""Set by the console command: entry point, folder of the project and parameters, as JSON; never set by hand."""
MOST_TAG_CHARACTERS = 5000
DEFAULT_EXPERIMENT = "0"
LONGEST_NAME = 120
REFUSED = "refused"
"""The stage of a run whose command did not begin."""
REHEARSAL = "rehearsal"
"""The stage of a run whose command has kept nothing."""


def take_given_run() -> tuple[str | None, str | None]:
    """Id of the run that `mlflow run` made, which no other run of this process attaches to then, and the name that a user gave it.

    Both are None without `mlflow run`, the name also without `--run-name`.

    Raises:
        UserError: another process is at work in it.
    """
    given = os.environ.pop(RUN_ID_VARIABLE, None)
    found = None if given is None else find_run(given)
    if found is not None:
        found.refuse_living("leave out --run-id")
    return given, None if found is None else own_name(found.name)


def kept_name(run_id: str | None) -> str | None:
    """The name of an earlier run that is continued; None for a new one."""
    earlier = None if run_id is None else find_run(run_id)
    return None if earlier is None else earlier.name


def take_launch(is_new: bool) -> tuple[dict[str, str], dict[str, str]]:
    """Tags and parameters that `mlflow run` would have given the run of this command, which the console command has started.

    Both are empty for other commands, and for a run that is not new and has them.
    """
    launch = os.environ.pop(LAUNCH_VARIABLE, None)
    if launch is None or not is_new:
        return {}, {}
    from mlflow.tracking._tracking_service.utils import _get_git_url_if_present
    from mlflow.utils import mlflow_tags
    from mlflow.utils.git_utils import get_git_commit, get_git_repo_url

    entry_point, project, parameters = json.loads(launch)
    tags = {
        mlflow_tags.MLFLOW_PROJECT_ENTRY_POINT: entry_point,
        mlflow_tags.MLFLOW_PROJECT_BACKEND: "local",
        mlflow_tags.MLFLOW_SOURCE_TYPE: "PROJECT",
        mlflow_tags.MLFLOW_SOURCE_NAME: _get_git_url_if_present(project),
        mlflow_tags.MLFLOW_GIT_COMMIT: get_git_commit(project),
        mlflow_tags.MLFLOW_GIT_REPO_URL: get_git_repo_url(project),
    }
    return {name: value for name, value in tags.items() if value is not None}, parameters


def experiment_of_command() -> tuple[str, str]:
    """Id and name of the experiment that this command's run is in, or will be in.

    Raises:
        UserError: there is no such experiment as the environment's variables name.
    """
    from mlflow import MlflowClient

    client = MlflowClient()
    number = os.environ.get("MLFLOW_EXPERIMENT_ID")
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME")
    given = os.environ.get(RUN_ID_VARIABLE)
    with explaining_surroundings(given):
        if given:
            number = client.get_run(given).info.experiment_id
        found = (
            client.get_experiment_by_name(name)
            if name and not number
            else client.get_experiment(number or DEFAULT_EXPERIMENT)
        )
    if found is None:
        raise UserError(f"MLFLOW_EXPERIMENT_NAME is {name!r}, but there is no such experiment: correct it.")
    return str(found.experiment_id), str(found.name)


def own_name(name: str) -> str | None:
    """The name of a run if a person gave it; None if MLflow has made it up, such as `funny-auk-650`."""
    from mlflow.utils import name_utils

    words = name.split("-")
    is_made_up = (
        len(words) == 3
        and words[0] in name_utils._GENERATOR_PREDICATES
        and words[1] in name_utils._GENERATOR_NOUNS
        and words[2].isdecimal()
    )
    return None if is_made_up else name


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
        names = {RUN_ID_VARIABLE: given, **{name: os.environ.get(name) for name in EXPERIMENT_VARIABLES}}
        chosen = [f"{name} is {value!r}" for name, value in names.items() if value is not None]
        if not (chosen and is_refused(error)):
            raise_if_lost(error)
        remedy = (
            f"{' and '.join(chosen)}: correct that or unset it"
            if chosen
            else "restore its experiment, for example with `mlflow experiments restore --experiment-id 0`, or name another one in "
            "MLFLOW_EXPERIMENT_NAME"
        )
        raise UserError(f"MLflow cannot open a run ({shortened(error.message).rstrip('.')}); {remedy}.") from error


def take_step_key() -> dict[str, str]:
    """The tag that a chain wants the run of its step to have; none outside of a chain."""
    key = os.environ.pop(STEP_KEY_VARIABLE, None)
    return {} if key is None else {tag.STEP_KEY: key}


def point_to(given: str, continued: str, name: str | None) -> None:
    """Say on the run that `mlflow run` made for a resumed training which run has its numbers; a name that a user gave it stays."""
    from mlflow import MlflowClient
    from mlflow.entities import RunTag

    pointer = {
        tag.NAME: name or "(continues an earlier run)",
        tag.STAGE: "continuation",
        tag.CONTINUES: continued,
        tag.NOTE: f"This command continued run `{continued}`, which holds its curves, checkpoints and model.",
        **liveness.identity_tags(),
    }
    MlflowClient().log_batch(given, tags=[RunTag(key, value) for key, value in pointer.items()])


def note_rehearsal(entry_point: str, found: str) -> None:
    """Say on the run that `mlflow run` made, if it did, that this command has kept nothing, and what it has found."""
    run_id = os.environ.get(RUN_ID_VARIABLE)
    if run_id is None:
        return
    from mlflow import MlflowClient
    from mlflow.entities import RunTag

    connect()
    stored = find_run(run_id)
    name = None if stored is None else own_name(stored.name)
    tags = {tag.STAGE: REHEARSAL, tag.NOTE: found, tag.NAME: name or f"rehearsal of {entry_point}"}
    MlflowClient().log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def note_error(run_id: str, sentence: str, entry_point: str) -> None:
    """Say on a run that was not opened what it was for and why it failed; a store that cannot be reached is not another error.

    One that another process is at work in (`mlflow run --run-id`, which was refused for that) has not failed.
    """
    from mlflow import MlflowClient
    from mlflow.entities import RunTag
    from mlflow.exceptions import MlflowException

    with contextlib.suppress(MlflowException, UserError):
        connect()
        stored = find_run(run_id)
        if stored is not None and stored.lives_in is None:
            tags = {
                tag.ERROR: sentence[:MOST_TAG_CHARACTERS],
                tag.STAGE: REFUSED,
                tag.NOTE: sentence,
                tag.NAME: own_name(stored.name) or f"{entry_point}: {sentence}"[:LONGEST_NAME],
            }
            # It stays: `mlflow run` fails itself when its run is deleted.
            MlflowClient().log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
