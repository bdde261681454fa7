"""What every command does where it begins, for the commands before it and for its own temporary files."""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from glassliquid.files import tidy
from glassliquid.memory import collect_garbage
from glassliquid.scratch import temporary_files_apart
from glassliquid.tracking import tag
from glassliquid.tracking.metrics import Delivery, send_pending
from glassliquid.tracking.page import prepare_page, way_to
from glassliquid.tracking.run import TrackedRun
from glassliquid.upkeep.stale_runs import close_stale_runs


@dataclass(frozen=True)
class Tidied:
    """What was done for earlier runs."""

    closed: dict[str, str]
    """Id and name of the runs that dead processes had left RUNNING."""
    delivery: Delivery
    """The metric points that waited."""


@contextlib.contextmanager
def housekeeping(tracked: TrackedRun, runs_folder: Path) -> Iterator[None]:
    """Tidy up the experiment of the open run, prepare its page and say where it is; in the block temporary files lie apart.

    Args:
        tracked: the run of the command.
        runs_folder: where training runs of this machine keep their metrics.
    """
    collect_garbage()  # what a command imports is there
    with temporary_files_apart():
        tidy_up(runs_folder, [tracked.experiment_id])
        prepare_page(tracked.experiment_id)
        if tag.PARENT not in tracked.opened.data.tags:  # else the chain has said it
            print(f"Page: {way_to(tracked.experiment_id, tracked.run_id)}", flush=True)
        yield


def tidy_up(runs_folder: Path, experiments: list[str]) -> Tidied:
    """Send metric points that earlier commands could not send, and close runs that a dead process left RUNNING.

    Args:
        runs_folder: where training runs of this machine keep their metrics.
        experiments: ids of those whose runs are looked at.
    """
    delivery = send_pending(runs_folder)
    if delivery.waiting:
        print(
            f"The metrics of {len(delivery.waiting)} earlier runs are still waiting in {runs_folder}.",
            file=sys.stderr,
            flush=True,
        )
    closed = close_stale_runs(experiments)
    for run_id in closed:
        tidy(runs_folder / run_id)
    return Tidied(closed, delivery)
