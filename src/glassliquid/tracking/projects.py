"""Steps of a chain: entry points run as child runs, or found among those that have finished already."""

import contextlib
import hashlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from glassliquid.command_line import CONSOLE_VARIABLE, by_console
from glassliquid.errors import UserError
from glassliquid.files import locked
from glassliquid.tracking import tag
from glassliquid.tracking.given_run import STEP_KEY_VARIABLE
from glassliquid.tracking.stored import StoredRun, stored_where

LOOK_EVERY_S = 1.0
MISSING = "missing"
"""Stands for the digest of data that are not there."""
CODE = ("MLproject", "src/**/*.py", "entrypoints/**/*.py")


@dataclass(frozen=True)
class StepResult:
    """A finished step."""

    run_id: str
    reused: bool
    """Whether an earlier run with the same fingerprint was found."""
    metrics: dict[str, float]
    tags: dict[str, str]


def run_step(
    project: Path,
    locks: Path,
    entry_point: str,
    parameters: Mapping[str, str],
    inputs: Callable[[], Mapping[str, str]],
    can_resume: Callable[[StoredRun], bool] = lambda _: False,
) -> StepResult:
    """Run an entry point as a child of the active run, or reuse a finished run of the same fingerprint.

    The step's run has the fingerprint from its beginning, if its inputs are there, so that a chain that is killed finds what
    the step has done. Of two chains that come to the same step at once one runs it, and the other waits.

    Args:
        project: the project's folder.
        locks: folder of the locks by which chains wait for each other.
        entry_point: its name.
        parameters: its parameters.
        inputs: gives digests of the data that the step reads or makes; they and the code are part of the fingerprint.
            It is asked again after the step, which may have made them.
        can_resume: whether a run of the same fingerprint that was stopped or killed, or has failed, can continue; the entry
            point then gets it as its parameter `resume`.

    Raises:
        UserError: the step failed; it has printed why.
    """

    def key() -> str:
        return step_key(project, entry_point, parameters, inputs())

    while True:
        before = key()
        with locked(locks / before, f"running the step {entry_point}"):
            # Whoever was waited for may have made what this step begins with.
            if key() != before:
                continue
            if (done := _finished(entry_point, before)) is not None:
                return _result(done, reused=True)
            stopped = next((run.run_id for run in _runs_of(before) if can_resume(run)), None)
            resume = {} if stopped is None else {"resume": stopped}
            # What is missing is made by the step itself, which is told apart by what it has made, afterwards.
            known = before if MISSING not in inputs().values() else None
            try:
                run_id = _run(project, entry_point, {**parameters, **resume}, known)
            except UserError:
                # Outside of any chain another command may have continued in that run, and has refused this one.
                if stopped is not None and (done := _finished(entry_point, before)) is not None:
                    return _result(done, reused=True)
                raise
            return _result(run_id, reused=False, key=key())


def _run(project: Path, entry_point: str, parameters: Mapping[str, str], key: str | None) -> str:
    """Run an entry point in a process of its own, whose run gets a fingerprint; the run that has its results."""
    import mlflow
    from mlflow.exceptions import ExecutionException

    print(f"\nStep {entry_point}", flush=True)
    # Its own remarks name temporary folders and repeat the command line.
    logging.getLogger("mlflow.projects").setLevel(logging.WARNING)
    try:
        with _surroundings_of_step(key):
            submitted = mlflow.projects.run(
                str(project),
                entry_point=entry_point,
                parameters=dict(parameters),
                # The chain itself runs in the right environment, whichever manager made it.
                env_manager="local",
            )
    except ExecutionException as error:
        raise UserError(
            f"The step {entry_point} failed, for the reason printed above: correct it and run the same command again."
        ) from error
    return str(mlflow.MlflowClient().get_run(submitted.run_id).data.tags.get(tag.CONTINUES, submitted.run_id))


def _result(run_id: str, reused: bool, key: str | None = None) -> StepResult:
    """What a finished run found; a fingerprint that came out with it is noted on it."""
    import mlflow

    client = mlflow.MlflowClient()
    if key is not None:
        client.set_tag(run_id, tag.STEP_KEY, key)
    run = client.get_run(run_id)
    return StepResult(run_id, reused, dict(run.data.metrics), dict(run.data.tags))


@contextlib.contextmanager
def _surroundings_of_step(key: str | None) -> Iterator[None]:
    """In the block a process that is started gives its run this fingerprint, and writes command lines as this process does."""
    given = {STEP_KEY_VARIABLE: key, CONSOLE_VARIABLE: "1" if by_console() else None}
    added = {name: text for name, text in given.items() if text is not None and name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


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


def _finished(entry_point: str, key: str) -> str | None:
    """The finished run of that fingerprint, if there is one; one that another command is at work in is waited for."""
    said = False
    while True:
        runs = _runs_of(key)
        if (done := next((run.run_id for run in runs if run.status == "FINISHED"), None)) is not None:
            return done
        living = next((run for run in runs if run.lives_in is not None), None)
        if living is None:
            return None
        if not said:
            said = True
            where = f"as the run {living.run_id} ({living.lives_in})"
            print(
                f"The step {entry_point} is being run already, {where}; waiting until it has ended.",
                file=sys.stderr,
                flush=True,
            )
        time.sleep(LOOK_EVERY_S)


def _runs_of(key: str) -> list[StoredRun]:
    """The runs of that fingerprint, those that began last first."""
    import mlflow

    active = mlflow.active_run()
    experiment = active.info.experiment_id if active is not None else "0"
    return stored_where(f"tags.{tag.STEP_KEY} = '{key}'", [experiment])[::-1]
