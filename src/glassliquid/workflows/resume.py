"""Where a resumed training goes on: in the run that was interrupted, or in a further step of its own."""

import contextlib
import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from glassliquid.errors import UserError
from glassliquid.tracking import registry
from glassliquid.tracking.run import RUN_ID_VARIABLE, TrackedRun
from glassliquid.tracking.store import connect
from glassliquid.tracking.stored import StoredRun, find_run
from glassliquid.training.checkpoint import CURRENT, State, restore_progress
from glassliquid.training.config import TrainConfig
from glassliquid.training.trainer import is_finished
from glassliquid.workflows.layout import Layout
from glassliquid.workflows.make_data import MakeDataConfig
from glassliquid.workflows.training_job import TrainJob

MANAGERS = {"conda": "", "uv": "--env-manager uv", "virtualenv": "--env-manager virtualenv"}
DEFAULTS = {"data_dir": Path("data"), "register_as": TrainJob.register_as, "max_hours": None, "device": TrainJob.device}


@dataclass(frozen=True)
class Start:
    """A checkpoint to go on from."""

    state: State
    """The checkpoint."""
    run_id: str | None
    """The run that goes on; None starts a new one."""
    changed: Mapping[str, tuple[Any, Any]]
    """Settings that differ from the checkpoint's: name to old and new value."""

    @property
    def story(self) -> dict[str, str]:
        """Tags that link a further step to the run that it continues and show what was changed."""
        if self.run_id is not None:
            return {}
        changes = ", ".join(f"{name} {old} -> {new}" for name, (old, new) in self.changed.items())
        return {
            "resumed_from": str(self.state["run_id"]),
            "resumed_at": str(self.state["iteration"]),
            "changed": changes or "nothing",
        }


@contextlib.contextmanager
def alone_in(runs_folder: Path, run_id: str) -> Iterator[None]:
    """Go on in a run while no other command of this data folder does.

    Raises:
        UserError: another one does.
    """
    from filelock import FileLock, Timeout

    folder = runs_folder / run_id
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".resumed", timeout=0):
            yield
    except Timeout:
        raise UserError(
            f"The run {run_id} is being continued by another command: wait until it has ended, or stop it there."
        ) from None


def find_start(job: TrainJob, runs_folder: Path) -> tuple[TrainJob, Start]:
    """Find the checkpoint that `resume` names, and what the job becomes with it.

    A setting that was left at its default is taken from the checkpoint, dataset and labels from its run. With nothing
    changed the run itself goes on; with a setting changed on purpose what follows is a further step, a run of its own.

    Raises:
        UserError: there is no such checkpoint, its run is alive, or it has nothing left to do.
    """
    assert job.resume is not None
    connect()
    state, _, _ = registry.find_checkpoint(job.resume, CURRENT, runs_folder)
    before, default = TrainConfig.from_json(state["config"]), TrainConfig()
    asked = {field.name: getattr(job.config, field.name) for field in fields(TrainConfig)}
    changed = {
        name: (getattr(before, name), value)
        for name, value in asked.items()
        if value not in (getattr(default, name), getattr(before, name))
    }
    config = replace(before, **{name: new for name, (_, new) in changed.items()})
    stored = find_run(str(state["run_id"]))
    if stored is not None:
        _refuse_living(stored)
    start = Start(state, stored.run_id if stored is not None and not changed else None, changed)
    _refuse_finished(job.resume, config, start, stored)
    if changed and stored is not None and os.environ.get(RUN_ID_VARIABLE) == stored.run_id:
        raise UserError(
            f"{', '.join(changed)} differs from the run {stored.run_id}, so what follows is a further step in a run of its "
            "own: leave out --run-id."
        )
    dataset = str(state["data"].get("name")) if job.dataset == MakeDataConfig().name else job.dataset
    job = replace(job, config=config, dataset=dataset)
    return _with_labels(job, stored, is_new_step=start.run_id is None), start


def how_to_go_on(job: TrainJob, tracked: TrackedRun) -> str:
    """The line to paste after a stop: what the run does not keep of its job is repeated in it. The store is not asked."""
    given = {name: getattr(job, name) for name in DEFAULTS if getattr(job, name) != DEFAULTS[name]}
    return f"Continue with: {resuming_line(tracked.run_id, tracked.environment, given)}"


def resuming_line(run_id: str, environment: str, given: Mapping[str, Any]) -> str:
    """The command that goes on with a training run.

    Args:
        run_id: the run.
        environment: the manager with which `mlflow run` made its environment; empty for `local`.
        given: further parameters.
    """
    manager = MANAGERS.get(environment, "--env-manager local")
    line = ["mlflow", "run", ".", "-e", "train", *manager.split(), "--run-id", run_id, "-P", f"resume={run_id}"]
    for name, value in given.items():
        line += ["-P", f"{name}={'none' if value is None else value}"]
    return shlex.join(line)


def what_is_kept(job: TrainJob, tracked: TrackedRun) -> str:
    """What a training whose tracking store was lost leaves on this machine, and the line to paste when the store is back."""
    folder = Layout(job.data_dir).runs / tracked.run_id
    if not (folder / CURRENT).exists():
        return "Nothing was trained yet: when it works again, run the same command again."
    return (
        f"Nothing of the training is lost: its state and its metrics are in {folder}. When the store works again: "
        f"{how_to_go_on(job, tracked)}"
    )


def _refuse_living(stored: StoredRun) -> None:
    if stored.lives_in is not None:
        raise UserError(
            f"The run {stored.run_id} is still running ({stored.lives_in}): wait until it has ended, or stop it there with "
            "Ctrl-C or SIGTERM, which saves its state."
        )


def _refuse_finished(name: str, config: TrainConfig, start: Start, stored: StoredRun | None) -> None:
    """A run that was killed between its last iteration and its test has the test left to do."""
    progress = restore_progress(start.state)
    iteration = int(start.state["iteration"])
    if start.run_id is not None and stored is not None and stored.status != "FINISHED":
        return
    if iteration >= config.iterations:
        raise UserError(
            f"The run of {name} has finished its {config.iterations} iterations: pass a larger number, such as "
            f"-P iterations={2 * config.iterations}, to go on from there."
        )
    if start.run_id is not None and is_finished(config, iteration, progress):
        raise UserError(
            f"The run of {name} has ended early, after {config.patience} validations without a better one: pass a larger "
            f"patience, such as -P patience={2 * (config.patience or 1)}, to go on from there."
        )


def _with_labels(job: TrainJob, stored: StoredRun | None, is_new_step: bool) -> TrainJob:
    """The job with the version, step and trial of the run that it continues, where none were given."""
    if stored is None:
        return job
    step = stored.tags.get("step")
    if is_new_step and job.step is None and (step is None or step.isdigit()):
        step = str(int(step or "1") + 1) if "version" in stored.tags else None
    return replace(
        job,
        version=job.version or stored.tags.get("version"),
        step=job.step or step,
        trial=job.trial or stored.tags.get("trial"),
    )
