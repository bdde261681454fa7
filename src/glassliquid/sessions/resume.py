"""Where a resumed training goes on: in the run that was interrupted, or in a further step of its own."""

import contextlib
import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from glassliquid.errors import UserError, listed
from glassliquid.layout import Layout
from glassliquid.parameters import changed_texts, positional
from glassliquid.sessions.training_job import TrainJob
from glassliquid.settings import restored
from glassliquid.tracking import registry, tag
from glassliquid.tracking.given_run import RUN_ID_VARIABLE
from glassliquid.tracking.run import TrackedRun
from glassliquid.tracking.store import connect
from glassliquid.tracking.stored import StoredRun, find_run
from glassliquid.training.checkpoint import BEST, CONTINUES_WITH, CURRENT, State, UnusableCheckpoint, restore_progress
from glassliquid.training.config import TrainConfig, format_thresholds
from glassliquid.training.trainer import is_finished

MANAGERS = {"conda": "", "uv": "--env-manager uv", "virtualenv": "--env-manager virtualenv"}
END_IT = "wait until it has ended, or stop it there with Ctrl-C or SIGTERM, which saves its state"
"""What to do about a run that is alive."""
NOT_STORED = ("data_dir", "register_as", "max_hours", "device")
"""What a run does not store of its job."""


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
        changes = describe_changes(self.changed)
        return {
            "resumed_from": str(self.state["run_id"]),
            "resumed_at": str(self.state["iteration"]),
            "changed": changes or "nothing",
        }


def describe_changes(changed: Mapping[str, tuple[Any, Any]]) -> str:
    """`learning_rate 0.001 -> 0.0005, iterations 4 -> 8`; empty if nothing changed."""

    def shown(value: Any) -> str:
        return format_thresholds(value) if isinstance(value, tuple) else str(value)

    return ", ".join(f"{name} {shown(old)} -> {shown(new)}" for name, (old, new) in changed.items())


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

    A setting that was left at its default is taken from the checkpoint (unless `change` names it), dataset and labels from
    its run. With nothing changed the run itself goes on; with a setting changed on purpose what follows is a further step,
    a run of its own.

    Raises:
        UserError: there is no such checkpoint, its run is alive, or it has nothing left to do.
    """
    assert job.resume is not None
    connect()
    state, _, _ = registry.find_checkpoint(job.resume, CURRENT, runs_folder)
    before = restored(TrainConfig, state["config"], "The checkpoint's settings")
    changed = changed_settings(before, job)
    config = replace(before, **{name: new for name, (_, new) in changed.items()})
    stored = find_run(str(state["run_id"]))
    if stored is not None:
        stored.refuse_living(END_IT)
    start = Start(state, stored.run_id if stored is not None and not changed else None, changed)
    _refuse_finished(job.resume, config, start, stored)
    if changed and stored is not None and os.environ.get(RUN_ID_VARIABLE) == stored.run_id:
        raise UserError(
            f"{', '.join(changed)} differs from the run {stored.run_id}, so what follows is a further step in a run of its "
            "own: leave out --run-id."
        )
    dataset = str(state["data"].get("name")) if job.dataset == TrainJob().dataset else job.dataset
    job = replace(job, config=config, dataset=dataset)
    return _with_labels(job, stored, is_new_step=start.run_id is None), start


def check_state(state: State, runs_folder: Path) -> None:
    """Check that the run of a state can go on from it: before hours of training, not after them.

    Raises:
        UnusableCheckpoint: the state lacks something, or the best one that the run had is gone.
    """
    lacking = [name for name in CONTINUES_WITH if name not in state]
    if lacking:
        raise UnusableCheckpoint(
            f"The state of the run {state['run_id']} lacks its {listed(lacking)}, so that its training cannot go on: start anew."
        )
    best = restore_progress(state).best_iteration
    if best:
        try:
            registry.run_checkpoint(str(state["run_id"]), BEST, runs_folder)
        except UnusableCheckpoint as error:
            raise UnusableCheckpoint(
                f"The run {state['run_id']} has lost the best state that it had, that of iteration {best}, so that it cannot go "
                "on: change a setting, and a further step goes on from its last state, or start anew."
            ) from error


def refuse_part(run_id: str) -> None:
    """Refuse to go on by itself in a run that is a part of another one, which goes on with all of its parts.

    Raises:
        UserError: it is a replicate, or a trial of a sweep.
    """
    stored = find_run(run_id)
    if stored is None:
        return
    above = stored.tags.get(tag.PARENT)
    if tag.REPLICATE in stored.tags:
        raise UserError(
            f"The run {run_id} is replicate {stored.tags[tag.REPLICATE]} of the run {above}: pass -P resume={above} and, with it, "
            f"--run-id {above}."
        )
    if stored.is_part:
        raise UserError(
            f"The run {run_id} belongs to the trials of the sweep {stored.tags.get('study')}: run the same sweep again, or change a "
            "setting, and a further step goes on from there."
        )


def changed_settings(before: TrainConfig, job: TrainJob) -> dict[str, tuple[Any, Any]]:
    """The settings in which a resumed job differs from an earlier one on purpose: name to old and new value.

    `mlflow run` always passes every setting, so one at its default was changed only if `change` names it.
    """
    default, changed = TrainConfig(), {}
    for name in (field.name for field in fields(TrainConfig)):
        old, new = getattr(before, name), getattr(job.config, name)
        if new != old and (new != getattr(default, name) or name in job.change):
            changed[name] = (old, new)
    return changed


def how_it_goes_on(job: TrainJob, start: Start) -> str:
    """A sentence on what a resumed training continues, and with what settings that this command did not name."""
    default = TrainConfig()
    taken = [
        f"{name} {value}"
        for name, value in job.config.shown().items()
        if name not in start.changed and value != default.shown()[name]
    ]
    where = f"the run {start.state['run_id']} after iteration {start.state['iteration']}"
    kept = f" with its {', '.join(taken)}" if taken else ""
    if start.run_id is not None:
        return f"Going on with {where}{kept}."
    return f"A further step from {where}{kept}; changed: {start.story['changed']}."


def how_to_go_on_slower(job: TrainJob, tracked: TrackedRun) -> str:
    """The line to paste after a training has diverged: a further step from its last checkpoint at a tenth of its rates."""
    default, given, at_default = TrainConfig(), dict[str, str](), []
    for name in ("learning_rate", "final_learning_rate"):
        lower = getattr(job.config, name) / 10
        given[name] = positional(float(f"{lower:.3g}"))
        if float(given[name]) == getattr(default, name):
            at_default.append(name)
    if at_default:
        given["change"] = ",".join(at_default)
    return resuming_line(tracked.run_id, tracked.environment, {**given, **_not_stored(job)}, is_new_step=True)


def _not_stored(job: TrainJob) -> dict[str, str]:
    texts = changed_texts(job)
    return {name: texts[name] for name in NOT_STORED if name in texts}


def how_to_go_on(job: TrainJob, tracked: TrackedRun) -> str:
    """The line to paste after a stop: what the run does not keep of its job is repeated in it. The store is not asked."""
    return f"Continue with: {resuming_line(tracked.run_id, tracked.environment, _not_stored(job))}"


def resuming_line(run_id: str, environment: str, given: Mapping[str, str], is_new_step: bool = False) -> str:
    """The command that goes on with a training run.

    Args:
        run_id: the run.
        environment: the manager with which `mlflow run` made its environment; empty for `local`.
        given: further parameters.
        is_new_step: what follows is a run of its own.
    """
    manager = MANAGERS.get(environment, "--env-manager local")
    same_run = [] if is_new_step else ["--run-id", run_id]
    line = ["mlflow", "run", ".", "-e", "train", *manager.split(), *same_run, "-P", f"resume={run_id}"]
    for name, value in given.items():
        line += ["-P", f"{name}={value}"]
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
    if start.run_id is not None:  # the best state of a finished run, which is not its last one
        raise UserError(
            f"The run of {name} has finished, and this is its state after iteration {iteration}: change a setting, such as "
            f"-P iterations={2 * config.iterations}, and a further step goes on from there."
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
