"""Where a resumed training continues: in the run that was interrupted, or in a further step of its own."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from glassliquid.command_line import by_console, option
from glassliquid.errors import UserError
from glassliquid.inputs import FOLD
from glassliquid.sessions.run_lock import run_lock
from glassliquid.sessions.training_job import TrainJob
from glassliquid.settings import restored
from glassliquid.tracking import tag
from glassliquid.tracking.find_model import find_checkpoint, has_checkpoint, run_id_of
from glassliquid.tracking.given_run import RUN_ID_VARIABLE, experiment_of_command
from glassliquid.tracking.store import connect
from glassliquid.tracking.stored import StoredRun, find_run, read_json_artifact, stored_where
from glassliquid.training.checkpoint import CURRENT, State
from glassliquid.training.config import TrainConfig, format_thresholds
from glassliquid.training.trainer import is_finished

LATEST = "latest"
"""Names the newest training run that can continue."""
HOW_TO_END = "wait until it has ended, or stop it there with Ctrl-C or SIGTERM, which saves a checkpoint"
"""What to do about a run that is alive."""


@dataclass(frozen=True)
class Start:
    """A checkpoint to continue from."""

    state: State
    """The checkpoint."""
    run_id: str | None
    """The run that continues; None starts a new one."""
    changed: Mapping[str, tuple[Any, Any]]
    """Settings that differ from the checkpoint's: name to old and new value."""

    @property
    def tags(self) -> dict[str, str]:
        """Tags that link a further step to the run that it continues and show what was changed."""
        if self.run_id is not None:
            return {}
        return {
            "resumed_from": self.state.run_id,
            "resumed_at": str(self.state.iteration),
            "changed": describe_changes(self.changed) or "nothing",
        }

    def describe(self, config: TrainConfig) -> str:
        """A sentence on what is continued, and with what settings that this command did not name."""
        default = TrainConfig().shown()
        settings = ", ".join(
            f"{name} {value}"
            for name, value in config.shown().items()
            if name not in self.changed and value != default.get(name)
        )
        where = f"the run {self.state.run_id} after iteration {self.state.iteration}"
        where += f" with its {settings}" if settings else ""
        if self.run_id is not None:
            return f"Continuing {where}."
        return f"A new step from {where}; changed: {self.tags['changed']}."


@contextlib.contextmanager
def resumed(job: TrainJob, runs_folder: Path) -> Iterator[tuple[TrainJob, str | None, Start | None]]:
    """What the job becomes with the run or checkpoint that its `resume` names; in the block nobody else trains in that run.

    Gives the job, the run that continues if it is not a new one, and the checkpoint, which replicates have one each of.

    Raises:
        UserError: it cannot continue, or another command is continuing in it.
    """
    if job.resume is None:
        yield job, None, None
        return
    if job.resume == LATEST:
        job = replace(job, resume=newest_resumable(runs_folder))
        print(f"The newest training run that can continue is {job.resume}.", flush=True)
    found = _find_resumed(job, runs_folder)
    if (run_id := found[1]) is None:
        yield found
        return
    with run_lock(runs_folder, run_id):
        # Again: until a moment ago another command may have continued in this run, and it may have finished it.
        yield _find_resumed(job, runs_folder)


def newest_resumable(runs_folder: Path) -> str:
    """Id of the training run of this command's experiment that began last among those that can continue.

    Raises:
        UserError: there is none.
    """
    connect()
    experiment, name = experiment_of_command()
    unfinished = f"tags.{tag.STAGE} = 'train' and attributes.status != 'FINISHED'"
    for run in reversed(stored_where(unfinished, [experiment])):
        if run.is_part or run.has_diverged or run.lives_in is not None or tag.STUCK in run.tags:
            continue
        # The parent of replicates has no state of its own.
        if tag.REPEATS in run.tags or has_checkpoint(run.run_id, runs_folder):
            return run.run_id
    raise UserError(
        f"resume is {LATEST}, and the experiment {name!r} has no stopped training run with a checkpoint to continue from: "
        "start a new one, or name a run."
    )


def _find_resumed(job: TrainJob, runs_folder: Path) -> tuple[TrainJob, str | None, Start | None]:
    assert job.resume is not None
    connect()
    if (parent := _find_parent(job.resume)) is not None:
        return _job_of_parts(parent, job), parent.run_id, None
    for name, count in ((tag.REPEATS, job.repeats), (tag.FOLDS, job.folds)):
        if count > 1:
            raise UserError(f"{name} is {count}, but resume continues a single training run: leave one of the two out.")
    job, start = find_start(job, runs_folder)
    if FOLD in start.state.data:
        raise UserError(
            f"{job.resume} is a checkpoint of a fold, which was not trained on the dataset's training split: "
            "resume the parent run of its cross-validation, or start a new training run."
        )
    if start.run_id is not None:
        _refuse_part(start.run_id)
    return job, start.run_id, start


def find_start(job: TrainJob, runs_folder: Path) -> tuple[TrainJob, Start]:
    """Find the checkpoint that `resume` names, and what the job becomes with it.

    A setting that was left at its default is taken from the checkpoint (unless `change` names it), dataset and labels from
    its run. With nothing changed the run itself continues; with a setting changed on purpose what follows is a further step,
    a run of its own.

    Raises:
        UserError: there is no such checkpoint, its run is alive, or it has nothing left to do.
    """
    assert job.resume is not None
    state, _, _ = find_checkpoint(job.resume, CURRENT, runs_folder)
    changed = changed_settings(state.config, job)
    config = replace(state.config, **{name: new for name, (_, new) in changed.items()})
    stored = find_run(state.run_id)
    if stored is not None:
        stored.refuse_living(HOW_TO_END)
    start = Start(state, stored.run_id if stored is not None and not changed else None, changed)
    _refuse_finished(job.resume, config, start, stored)
    if changed and stored is not None and os.environ.get(RUN_ID_VARIABLE) == stored.run_id:
        raise UserError(
            f"{', '.join(changed)} differs from the run {stored.run_id}, so this is a new step, in a run "
            "of its own: leave out --run-id."
        )
    dataset = str(state.data["name"]) if job.dataset == TrainJob().dataset else job.dataset
    job = replace(job, config=config, dataset=dataset)
    return _with_labels(job, stored, is_new_step=start.run_id is None), start


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


def describe_changes(changed: Mapping[str, tuple[Any, Any]]) -> str:
    """`learning_rate 0.001 -> 0.0005, iterations 4 -> 8`; empty if nothing changed."""

    def shown(value: Any) -> str:
        return format_thresholds(value) if isinstance(value, tuple) else str(value)

    return ", ".join(f"{name} {shown(old)} -> {shown(new)}" for name, (old, new) in changed.items())


def _find_parent(name: str) -> StoredRun | None:
    """The parent run of replicates or folds that `name` (a run id or `runs:/...`) names; None if it names something else."""
    run_id = run_id_of(name)
    stored = None if run_id is None else find_run(run_id)
    # A trial with repeats has parts too.
    return stored if stored is not None and stored.has_parts and stored.stage == "train" else None


def _job_of_parts(parent: StoredRun, job: TrainJob) -> TrainJob:
    """The job that the replicates or folds of an earlier parent run were asked for; `job` gives what a run does not store.

    Raises:
        UserError: all of them have finished, their process is alive, or a setting is to be changed.
    """
    kind, count = next((name, parent.tags[name]) for name in (tag.FOLDS, tag.REPEATS) if name in parent.tags)
    parts = "folds" if kind == tag.FOLDS else "replicates"
    if parent.status == "FINISHED":
        raise UserError(f"All {count} {parts} of the run {parent.run_id} have finished: start a new training run.")
    parent.refuse_living("wait until it has ended")
    description = read_json_artifact(parent.run_id, "config.json")
    config = restored(TrainConfig, description.get("config"), "The run's settings")
    asked = {
        "repeats": int(parent.tags.get(tag.REPEATS, 1)),
        "folds": int(parent.tags.get(tag.FOLDS, 1)),
        "folds_include_test": parent.tags.get(tag.FOLDS_INCLUDE_TEST) == "true",
    }
    changed, default = changed_settings(config, job), TrainJob()
    for name, before in asked.items():
        if (now := getattr(job, name)) not in (getattr(default, name), before):
            changed[name] = (before, now)
    if changed:
        raise UserError(
            f"The {parts} of the run {parent.run_id} continue as they began, and this would change them "
            f"({describe_changes(changed)}): leave that out, or start a new training run."
        )
    return replace(
        job,
        config=config,
        dataset=str(description.get("dataset")),
        repeats=asked["repeats"],
        folds=asked["folds"],
        folds_include_test=bool(asked["folds_include_test"]),
        change=(),
        resume=None,
        version=parent.tags.get("version"),
        step=parent.tags.get("step"),
    )


def _refuse_part(run_id: str) -> None:
    """Refuse to continue by itself in a replicate, a fold or a trial of a sweep: the run above continues with all of its parts."""
    stored = find_run(run_id)
    if stored is None:
        return
    above = stored.tags.get(tag.PARENT)
    for kind in tag.PARTS:
        if kind in stored.tags:
            raise UserError(
                f"The run {run_id} is {kind} {stored.tags[kind]} of the run {above}: pass {option('resume', above)}"
                f"{'' if by_console() else f' and, with it, --run-id {above}'}."
            )
    if stored.is_part:
        raise UserError(
            f"The run {run_id} is a trial of the sweep {stored.tags.get('study')}: run the same sweep again, or change a setting, "
            "so that a new step continues from there."
        )


def _refuse_finished(name: str, config: TrainConfig, start: Start, stored: StoredRun | None) -> None:
    """A run that was killed between its last iteration and its test has the test left to do."""
    is_same_run = start.run_id is not None
    if is_same_run and stored is not None and stored.status != "FINISHED":
        return
    iteration = start.state.iteration
    more = option("iterations", 2 * config.iterations)
    if iteration >= config.iterations:
        why = f"has finished its {config.iterations} iterations: pass a larger number, such as {more}, to continue from there"
    elif is_same_run and is_finished(config, iteration, start.state.progress):
        why = (
            f"has ended early, after {config.patience} validations without improvement: pass a larger patience, such as "
            f"{option('patience', 2 * (config.patience or 1))}, to continue from there"
        )
    elif is_same_run:  # the best state of a finished run, which is not its last one
        why = (
            f"has finished, and this is its checkpoint after iteration {iteration}: change a "
            f"setting, such as {more}, so that a new step continues from there"
        )
    else:
        return
    raise UserError(f"The run of {name} {why}.")


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
