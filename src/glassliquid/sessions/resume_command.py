"""What a training run says of continuing: the command to paste after a stop, and what a resumed one continues."""

import contextlib
from collections.abc import Iterator, Mapping

from glassliquid.command_line import command_line
from glassliquid.errors import Stopped, TimeIsUp
from glassliquid.layout import Layout
from glassliquid.parameters import changed_texts, positional
from glassliquid.sessions.training_job import TrainJob
from glassliquid.tracking import tag
from glassliquid.tracking.run import TrackedRun
from glassliquid.tracking.store import hurried, raise_if_lost
from glassliquid.training.checkpoint import CURRENT
from glassliquid.training.config import TrainConfig

MANAGERS = {"conda": "", "uv": "--env-manager uv", "virtualenv": "--env-manager virtualenv"}
NOT_STORED = ("data_dir", "register_as", "max_hours", "upload_every", "figure_every", "device")
"""What a run does not store of its job, so that the command repeats it."""


def resume_command(run_id: str, environment: str, given: Mapping[str, str], is_new_step: bool = False) -> str:
    """The command that continues a training run.

    Args:
        run_id: the run.
        environment: the manager with which `mlflow run` made its environment; empty for `local`.
        given: further parameters.
        is_new_step: what follows is a run of its own.
    """
    manager = MANAGERS.get(environment, "--env-manager local")
    same_run = [] if is_new_step else ["--run-id", run_id]
    return command_line("train", {"resume": run_id, **given}, [*manager.split(), *same_run])


def continue_with(job: TrainJob, tracked: TrackedRun) -> str:
    """The sentence to print after a stop. The store is not asked."""
    return f"Continue with: {resume_command(tracked.run_id, tracked.environment, _not_stored(job))}"


def command_with_lower_rate(job: TrainJob, tracked: TrackedRun) -> str:
    """The command after a training run has diverged: a further step from its last checkpoint at a tenth of its rates."""
    default, given = TrainConfig(), dict[str, str]()
    for name in ("learning_rate", "final_learning_rate"):
        given[name] = positional(float(f"{getattr(job.config, name) / 10:.3g}"))
    if at_default := [name for name, rate in given.items() if float(rate) == getattr(default, name)]:
        given["change"] = ",".join(at_default)
    return resume_command(tracked.run_id, tracked.environment, {**given, **_not_stored(job)}, is_new_step=True)


@contextlib.contextmanager
def saying_how_to_resume(job: TrainJob, tracked: TrackedRun) -> Iterator[None]:
    """Add to the sentence of a stop, or of a lost tracking store, how the training continues."""
    try:
        yield
    except Stopped as stopped:
        sentence = f"{stopped} {continue_with(job, tracked)}"
        # Also on the run's page: `mlflow run` marks a run that Ctrl-C stopped as FAILED, whatever this process says.
        with contextlib.suppress(Exception), hurried():  # a store that is gone is no reason to lose the sentence
            tracked.describe(f"{sentence}\n\n{job.caption}")
            if isinstance(stopped, TimeIsUp):
                tracked.tags({tag.ENDED_BY: "max_hours"})
        raise type(stopped)(sentence) from stopped
    except Exception as error:
        raise_if_lost(error, _saved_here(job, tracked))
        raise


def _saved_here(job: TrainJob, tracked: TrackedRun) -> str:
    """What a training run whose tracking store was lost has saved on this machine, and how to continue when the store is back."""
    folder = Layout(job.data_dir).runs / tracked.run_id
    if not (folder / CURRENT).exists():
        return "Nothing was trained yet: when it works again, run the same command again."
    return (
        f"Nothing of the training run is lost: its checkpoint and its metrics are in {folder}. When the store works again: "
        f"{continue_with(job, tracked)}"
    )


def _not_stored(job: TrainJob) -> dict[str, str]:
    texts = changed_texts(job)
    return {name: texts[name] for name in NOT_STORED if name in texts}
