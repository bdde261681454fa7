"""The worker processes of a sweep and what keeps them busy: claim, hand out, watch, mark, until every trial has ended."""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from glassliquid.errors import Stopped, UserError
from glassliquid.sweep import study as kept
from glassliquid.sweep.job import SweepJob
from glassliquid.sweep.storage import StorageSilent, answering
from glassliquid.sweep.study import Row, Study
from glassliquid.sweep.trial import STORE_WITHIN_S
from glassliquid.sweep.trial_run import RUN, work
from glassliquid.tracking import tag
from glassliquid.tracking.liveness import HEARTBEAT_EVERY_S, identity_tags, is_here, living_process, send_heartbeat
from glassliquid.tracking.run import TrackedRun
from glassliquid.upkeep.stale_runs import mark_killed

LOOK_EVERY_S = 1.0
BEAT_EVERY_S = 15.0
DEATHS = 3
"""A trial whose workers died this often ends the sweep."""
HOPELESS = 3
"""So many failed trials, and none that ended well, end the sweep."""
END_WITHIN_S = 60.0
"""How long workers have to end their iteration before they are killed."""

Report = Callable[[list[Row]], None]
"""Told all trials, every second."""


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    row: Row | None = None


class Workers:
    """The worker processes of this command."""

    def __init__(self, job: SweepJob, study: Study, parent_run: str, count: int) -> None:
        """Start `count` processes, which share the cores."""
        self._job, self._study, self._parent_run = job, study, parent_run
        self._owner = identity_tags()
        self._threads = threads_of(job.jobs)
        self._deaths: Counter[int] = Counter()
        self._beaten_at = self._signed_at = time.monotonic()
        self._workers = [self._start() for _ in range(count)]

    def run(self, slots: int, tracked: TrackedRun, should_stop: Callable[[], bool], report: Report) -> list[Row]:
        """Work until every slot is done, by these workers or those of other commands; return the trials.

        Raises:
            Stopped: `should_stop` answered True; trials that ran are marked.
            UserError: a trial cannot be run at all, or none of the first can be trained.
        """
        points, answered_at = self._job.points, time.monotonic()
        while True:
            if should_stop():
                raise Stopped("The sweep was stopped; trials that have ended stay, those that ran will be run again.")
            try:
                rows = self._look(slots, points, report)
                if len(kept.done(rows, slots)) >= slots:
                    return rows
                answered_at = time.monotonic()
            except StorageSilent as error:
                if error.cannot_be_written:
                    raise UserError(
                        f"The study cannot be written ({error}): free some space, then run the same command again."
                    ) from error
                # The workers train on meanwhile, and their results wait as long.
                if time.monotonic() - answered_at > STORE_WITHIN_S:
                    raise UserError(
                        f"The storage has not answered for {STORE_WITHIN_S:.0f} s ({error}): start it and run the same command "
                        "again."
                    ) from error
            self._give_signs(tracked)
            self._wait()

    def _look(self, slots: int, points: list[dict[str, float]] | None, report: Report) -> list[Row]:
        """Look at all trials, mark dead ones, hand out new ones."""
        with answering():
            self._study.queue(slots, points, max(kept.AHEAD, 2 * self._job.jobs))
            rows = self._study.rows()
            report(rows)
            _check_hope(rows)
            self._mark_dead(rows)
            self._hand_out(slots)
            self._beat()
            return rows

    def end(self) -> None:
        """End the processes; what they were running is marked as killed."""
        for worker in self._workers:
            # One that waits for a trial is told that there are no more; one that trains ends its iteration.
            with contextlib.suppress(OSError):
                worker.pipe.send(None)
            if worker.process.is_alive() and worker.row is not None:
                worker.process.terminate()
        deadline = time.monotonic() + END_WITHIN_S
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            if worker.row is not None:
                self._kill(worker.row)
            worker.pipe.close()
        self._workers = []

    def _start(self) -> _Worker:
        # Spawned, not forked: a forked copy of a process that has threads (PyTorch, MLflow) can deadlock.
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        arguments = (self._job, self._study.name, self._parent_run, self._threads, os.getpid(), there)
        process = context.Process(target=work, args=arguments, daemon=True)
        process.start()
        there.close()
        return _Worker(process, here)

    def _hand_out(self, slots: int) -> None:
        for worker in self._workers:
            if worker.row is None:
                worker.row = self._study.claim(slots, self._owner)
                if worker.row is None:
                    return
                with contextlib.suppress(BrokenPipeError):  # its death is noticed next
                    worker.pipe.send(worker.row)

    def _wait(self) -> None:
        """Wait for an answer or a death, for a second at most."""
        watched: list[Any] = [worker.pipe for worker in self._workers]
        multiprocessing.connection.wait(watched, LOOK_EVERY_S)
        for place, worker in enumerate(self._workers):
            try:
                while worker.pipe.poll():
                    error = worker.pipe.recv()
                    worker.row = None
                    if error is not None:
                        raise UserError(error)
            except (EOFError, ConnectionResetError):
                self._workers[place] = self._replaced(worker)

    def _replaced(self, worker: _Worker) -> _Worker:
        worker.process.join()
        worker.pipe.close()
        # Without a trial it died between two: that is counted on its own.
        slot, what = -1, "A worker process"
        if worker.row is not None:
            self._kill(worker.row)
            slot, what = worker.row.slot, f"The worker of trial {worker.row.number}"
        self._deaths[slot] += 1
        died = f"{what} died (exit code {worker.process.exitcode})"
        if self._deaths[slot] >= DEATHS:
            raise UserError(
                f"{died}, as others did before with the same settings: see what it printed above; if it printed nothing the "
                "machine may be out of memory: run the same command with fewer jobs or smaller batch sizes."
            )
        print(f"{died}; what it was running is run again.", file=sys.stderr, flush=True)
        return self._start()

    def _mark_dead(self, rows: list[Row]) -> None:
        """Mark the running trials of commands that are dead: at once on this machine, after a silence on another."""
        mine = {worker.row.trial_id for worker in self._workers if worker.row is not None}
        silent = {row.trial_id for row in self._study.silent(rows, time.monotonic())}
        for row in rows:
            if row.state != kept.RUNNING or row.trial_id in mine:
                continue
            owner = row.attributes.get(kept.OWNER)
            if owner is None:
                dead = row.trial_id in silent
            elif is_here(owner):
                dead = living_process(owner) is None
            else:
                dead = row.trial_id in silent
            if dead:
                self._kill(row)

    def _kill(self, row: Row) -> None:
        try:
            with answering():
                if not self._study.kill(row.trial_id):
                    return
                # The run was made after the trial was claimed.
                run_id = next((r.attributes.get(RUN) for r in self._study.rows() if r.trial_id == row.trial_id), None)
        except StorageSilent:
            return  # the next command finds the trial, and that its owner is dead
        if run_id is not None:
            mark_killed(str(run_id), {tag.TRIAL_STATE: kept.KILLED})

    def _beat(self) -> None:
        now = time.monotonic()
        if now - self._beaten_at >= BEAT_EVERY_S:
            self._beaten_at = now
            for worker in self._workers:
                if worker.row is not None:
                    self._study.beat(worker.row.trial_id)

    def _give_signs(self, tracked: TrackedRun) -> None:
        now = time.monotonic()
        if now - self._signed_at >= HEARTBEAT_EVERY_S:
            self._signed_at = now
            # A tracking server that is gone at this moment only makes the sweep look silent.
            with contextlib.suppress(Exception):
                send_heartbeat([tracked.run_id])


@contextlib.contextmanager
def workers_of(job: SweepJob, study: Study, parent_run: str, count: int) -> Iterator[Workers]:
    """The worker processes, which end with the block."""
    workers = Workers(job, study, parent_run, count)
    try:
        yield workers
    finally:
        workers.end()


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_of(jobs: int) -> int:
    """Threads of each worker, so that together they have one for each core; fewer if OMP_NUM_THREADS says so."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    share = max(1, cores() // jobs)
    return min(share, int(given)) if given.isdecimal() and int(given) > 0 else share


def _check_hope(rows: list[Row]) -> None:
    failed = [row for row in rows if row.state == kept.FAILED]
    if len(failed) >= HOPELESS and not any(row.state in (kept.COMPLETE, kept.PRUNED) for row in rows):
        raise UserError(
            f"The first {len(failed)} trials all failed, the last with: {failed[-1].attributes[kept.ERROR]} Mend it or search "
            "elsewhere, under another study name."
        )
