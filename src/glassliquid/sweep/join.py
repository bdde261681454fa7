"""One study, several commands: which run the trials and the table belong to, and who makes the table."""

import time
from collections.abc import Callable

from glassliquid.errors import Stopped
from glassliquid.sweep.storage import OUTAGE_S
from glassliquid.sweep.study import Study
from glassliquid.tracking.store import store_fault
from glassliquid.tracking.stored import find_run
from glassliquid.upkeep.stale_runs import take_over

TAG_JOINS = "joins"
"""On the run of a further command that works on a study: the run that has the study's trials and table."""
TAG_TRIALS = "trials"
"""On the run that the table belongs to: of how many trials it is."""
LOOK_EVERY_S = 5.0
PARENT_WITHIN_S = 30.0
"""How soon after it made a study a command says which run the trials belong to."""


def parent_of(study: Study, store: str, alone: bool) -> tuple[str | None, bool]:
    """The run that the study's trials belong to, if it is in this tracking store, and whether it lives in another process.

    One whose process is dead is this command's from now on, unless another one takes it at the same moment.
    """
    deadline = time.monotonic() + PARENT_WITHIN_S
    while not (study.created or study.parent_run(store) or study.trials()) and time.monotonic() < deadline:
        time.sleep(0.2)
    run_id = study.parent_run(store)
    stored = None if run_id is None else find_run(run_id)
    if stored is None:
        return None, False
    # Whoever holds the lock of the file is the only one, whatever a run says that was left a moment ago elsewhere.
    return stored.run_id, not (alone or take_over(stored.run_id))


def left_to_make_table(parent: str, slots: int, should_stop: Callable[[], bool]) -> bool:
    """Wait until the table of a study that is complete is there; True if it has become this command's to make.

    Args:
        parent: the run that the table belongs to, which another command had.
        slots: of how many trials it is to be.
        should_stop: asked now and then.

    Raises:
        Stopped: `should_stop` answered True.
    """
    answered_at = time.monotonic()
    while True:
        try:
            if _has_table(parent, slots):
                return False
            if take_over(parent):
                print("The command that was to make the table has ended without it: this one makes it.", flush=True)
                return True
            answered_at = time.monotonic()
        except Exception as error:
            if store_fault(error) is None or time.monotonic() - answered_at > OUTAGE_S:
                raise
        if should_stop():
            raise Stopped("Stopped before the table was made.")
        time.sleep(LOOK_EVERY_S)


def _has_table(parent: str, slots: int) -> bool:
    """Whether a run has a table of so many trials, or will have one of more; a deleted one is not waited for."""
    found = find_run(parent)
    if found is None:
        return True
    trials = int(found.tags[TAG_TRIALS]) if found.tags.get(TAG_TRIALS, "").isdecimal() else 0
    if found.status == "FINISHED":
        return trials >= slots
    return found.lives_in is not None and trials > slots
