"""Steps of a chain: entry points run as child runs, or found among those that have finished already."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from glassliquid.errors import UserError

TAG_STEP_KEY = "step_key"
"""Fingerprint of a step: entry point, parameters, code and input data."""

CODE = ("MLproject", "src/**/*.py", "entrypoints/**/*.py")


@dataclass(frozen=True)
class StepResult:
    """A finished step."""

    entry_point: str
    run_id: str
    reused: bool
    """Whether an earlier run with the same fingerprint was found."""
    metrics: dict[str, float]
    tags: dict[str, str]


def run_step(
    project: Path, entry_point: str, parameters: Mapping[str, str], inputs: Callable[[], Mapping[str, str]]
) -> StepResult:
    """Run an entry point as a child of the active run, or reuse a finished run of the same fingerprint.

    Args:
        project: the project's folder.
        entry_point: its name.
        parameters: its parameters.
        inputs: gives digests of the data that the step reads or makes; they and the code are part of the fingerprint.
            It is asked again after the step, which may have made them.

    Raises:
        UserError: the step failed; it has printed why.
    """
    import mlflow
    from mlflow.exceptions import ExecutionException

    found = _finished(step_key(project, entry_point, parameters, inputs()))
    if found is not None:
        return _result(entry_point, found, reused=True)
    try:
        submitted = mlflow.projects.run(
            str(project),
            entry_point=entry_point,
            parameters=dict(parameters),
            # The chain itself runs in the right environment, whichever manager made it.
            env_manager="local",
            run_name=entry_point,
        )
    except ExecutionException as error:
        raise UserError(
            f"The step {entry_point} failed, for the reason printed above: mend it and run the same command again."
        ) from error
    key = step_key(project, entry_point, parameters, inputs())
    mlflow.MlflowClient().set_tag(submitted.run_id, TAG_STEP_KEY, key)
    return _result(entry_point, submitted.run_id, reused=False)


def step_key(project: Path, entry_point: str, parameters: Mapping[str, str], inputs: Mapping[str, str]) -> str:
    """Fingerprint of a step."""
    content = json.dumps([entry_point, sorted(parameters.items()), sorted(inputs.items()), code_digest(project)])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def code_digest(project: Path) -> str:
    """Fingerprint of the project's code as it lies on the disk, committed or not."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in CODE for path in project.glob(pattern)):
        digest.update(f"{path.relative_to(project)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _finished(key: str) -> str | None:
    import mlflow

    active = mlflow.active_run()
    experiment = active.info.experiment_id if active is not None else "0"
    runs = mlflow.MlflowClient().search_runs(
        [experiment], f"tags.{TAG_STEP_KEY} = '{key}' and attributes.status = 'FINISHED'", max_results=1
    )
    return runs[0].info.run_id if runs else None


def _result(entry_point: str, run_id: str, reused: bool) -> StepResult:
    import mlflow

    run = mlflow.MlflowClient().get_run(run_id)
    return StepResult(entry_point, run_id, reused, dict(run.data.metrics), dict(run.data.tags))
