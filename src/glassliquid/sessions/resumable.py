"""Whether a training run can continue from what it has left."""

from pathlib import Path

from glassliquid.errors import UserError, listed
from glassliquid.tracking import tag
from glassliquid.tracking.find_model import has_checkpoint, run_checkpoint
from glassliquid.tracking.stored import StoredRun
from glassliquid.training.checkpoint import BEST, CONTINUES_WITH, CURRENT, State, UnusableCheckpoint


def can_resume(run: StoredRun, runs_folder: Path) -> bool:
    """Whether a training run has left a state to continue from; of one that is of no use it is said why.

    Raises:
        UserError: that cannot be told at this moment, or with these settings it would end there again.
    """
    if not has_checkpoint(run.run_id, runs_folder):
        return False
    if run.has_diverged:
        raise UserError(
            f"Training with these settings has diverged, in the run {run.run_id}: choose another seed or model, or continue that run at a lower "
            "learning rate, as its page says."
        )
    why_not = run.tags.get(tag.STUCK)
    try:
        check_state(run_checkpoint(run.run_id, CURRENT, runs_folder), runs_folder)
    except UnusableCheckpoint as error:
        why_not = str(error)
    if why_not:
        print(
            f"The training of the run {run.run_id} cannot continue, and that run is left as it is: {why_not}",
            flush=True,
        )
    return not why_not


def check_state(state: State, runs_folder: Path) -> None:
    """Check that the run of a state can continue from it: before hours of training, not after them.

    Raises:
        UnusableCheckpoint: the state lacks something, or the best one that the run had is gone.
    """
    lacking = [name for name in CONTINUES_WITH if not getattr(state, name)]
    if lacking:
        raise UnusableCheckpoint(
            f"The state of the run {state.run_id} lacks its {listed(lacking)}, so its training cannot continue: start a new training run."
        )
    if best := state.progress.best_iteration:
        try:
            run_checkpoint(state.run_id, BEST, runs_folder)
        except UnusableCheckpoint as error:
            raise UnusableCheckpoint(
                f"The run {state.run_id} has lost its best checkpoint, that of iteration {best}, so it cannot continue: change a "
                "setting, so that a new step continues from its last checkpoint, or start a new training run."
            ) from error
