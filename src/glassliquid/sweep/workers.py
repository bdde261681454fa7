"""The worker processes of a command: each runs one trial after another; the command watches them until all have ended."""

import contextlib
import functools
import multiprocessing.connection
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import optuna
import torch

from glassliquid.datasets.description import open_dataset
from glassliquid.errors import Stopped, UserError
from glassliquid.files import storage_fault
from glassliquid.layout import Layout
from glassliquid.processes import WorkerContext
from glassliquid.sessions.stopping import kind_of_stop
from glassliquid.sessions.training_run import load_training_splits
from glassliquid.sweep.algorithms import PRUNERS
from glassliquid.sweep.job import SweepJob
from glassliquid.sweep.storage import StorageLost, open_storage
from glassliquid.sweep.study import ERROR, State, Study, TrialRecord, finished
from glassliquid.sweep.trial import RUN, TrialRunner
from glassliquid.tracking.liveness import HEARTBEAT_EVERY_S, TAG_PROCESS, send_heartbeat
from glassliquid.tracking.store import connect
from glassliquid.upkeep.stale_runs import mark_killed

LOOK_EVERY_S = 1.0
BEAT_EVERY_S = 15.0
MOST_DEATHS = 3
"""A trial whose workers died this often ends the sweep."""
MOST_FAILED = 3
"""So many failed trials, and none that ended well, end the sweep."""
END_WITHIN_S = 60.0
"""How long workers have to end their iteration before they are killed."""
ORPHAN_ENDS_WITHIN_S = 30.0
"""How long a worker whose command is gone has to end its iteration before it ends at once."""


@dataclass(frozen=True)
class Worker:
    """A worker process, as its command sees it."""

    process: BaseProcess
    errors: Connection
    """Gives the sentence of an error that ends the whole sweep."""


class Workers(contextlib.AbstractContextManager["Workers"]):
    """The worker processes of this command, which end with the block."""

    def __init__(self, job: SweepJob, study: Study, parent_run: str, count: int) -> None:
        """Start `count` processes, which share the cores; the runs of their trials are children of `parent_run`."""
        self._study = study
        arguments = (job, study.name, parent_run, threads_of(job.jobs), os.getpid())
        self._start = functools.partial(_start, *arguments)
        self._deaths: Counter[int] = Counter()
        self._workers = [self._start() for _ in range(count)]

    def run(
        self, slots: int, should_stop: Callable[[], bool], run_id: str, show: Callable[[list[TrialRecord]], None]
    ) -> list[TrialRecord]:
        """Wait until the study has `slots` finished trials, by these workers or those of other commands; return all trials.

        Args:
            slots: how many trials the study is to have.
            should_stop: asked every second.
            run_id: the run that shows that this command lives.
            show: told all trials, every second.

        Raises:
            Stopped: `should_stop` answered True.
            UserError: workers die again and again, or end with an error that no other trial would be spared either.
        """
        beaten_at = signed_at = time.monotonic()
        while True:
            if should_stop():
                raise kind_of_stop(should_stop)(
                    "The sweep was stopped; finished trials are kept, and those that were running will be run again."
                )
            trials = self._study.trials()
            show(trials)
            if len(finished(trials, slots)) >= slots:
                return trials
            self._replace_dead(trials)
            kill_abandoned(self._study)
            self._study.retry_killed(slots)
            now = time.monotonic()
            if now - beaten_at >= BEAT_EVERY_S:
                beaten_at = now
                for trial in filter(None, (_trial_of(worker, trials) for worker in self._workers)):
                    self._study.beat(trial)
            if now - signed_at >= HEARTBEAT_EVERY_S:
                signed_at = now
                # A tracking server that is gone at this moment only makes the sweep look silent.
                with contextlib.suppress(Exception):
                    send_heartbeat([run_id])
            multiprocessing.connection.wait([worker.process.sentinel for worker in self._workers], LOOK_EVERY_S)

    def __exit__(self, *_error: object) -> None:
        """End the processes; what they were running is marked as killed."""
        for worker in self._workers:
            worker.process.terminate()
        deadline = time.monotonic() + END_WITHIN_S
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            worker.process.kill()
            worker.process.join()
        # Where the storage is gone, the next command finds the trials, and that their workers are dead.
        with contextlib.suppress(Stopped, StorageLost):
            kill_abandoned(self._study)

    def _replace_dead(self, trials: Sequence[TrialRecord]) -> None:
        for place, worker in enumerate(self._workers):
            if worker.process.is_alive():
                continue
            with contextlib.suppress(EOFError):  # it died without a word
                raise UserError(worker.errors.recv())
            trial = _trial_of(worker, trials)
            slot, what = (trial.slot, f"The worker of trial {trial.number}") if trial else (-1, "A worker process")
            self._deaths[slot] += 1
            died = f"{what} died (exit code {worker.process.exitcode})"
            if self._deaths[slot] >= MOST_DEATHS:
                raise UserError(
                    f"{died}, as others did before with the same settings: see what it printed above; if it printed nothing, the "
                    "machine may be out of memory: run the same command with fewer jobs or smaller batch sizes."
                )
            print(f"{died}; its trial is run again.", file=sys.stderr, flush=True)
            self._workers[place] = self._start()


def kill_abandoned(study: Study) -> None:
    """Mark the trials whose worker is dead, and their runs, as killed."""
    for trial in study.abandoned(study.trials(), time.monotonic()):
        if study.kill(trial) and RUN in trial.attributes:
            mark_killed(str(trial.attributes[RUN]))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_of(jobs: int) -> int:
    """Threads of each worker, so that together they have one for each core; fewer if OMP_NUM_THREADS says so."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    share = max(1, cores() // jobs)
    return min(share, int(given)) if given.isdecimal() and int(given) > 0 else share


def _trial_of(worker: Worker, trials: Sequence[TrialRecord]) -> TrialRecord | None:
    """The trial that a worker of this command runs, or ran when it died."""
    process = f"{worker.process.pid} "
    mine = (t for t in reversed(trials) if t.owner is not None and t.owner.get(TAG_PROCESS, "").startswith(process))
    return next((trial for trial in mine if trial.state in (State.RUNNING, State.KILLED)), None)


def _refuse_hopeless(trials: Sequence[TrialRecord]) -> None:
    failed = [trial for trial in trials if trial.state == State.FAILED]
    if len(failed) >= MOST_FAILED and not any(trial.state in (State.COMPLETE, State.PRUNED) for trial in trials):
        raise UserError(
            f"The first {len(failed)} trials all failed, the last with: {failed[-1].attributes[ERROR]} Change that or search "
            "elsewhere, under another study name."
        )


def _start(*arguments: object) -> Worker:
    context = WorkerContext()
    errors, theirs = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(*arguments, theirs), daemon=True)
    process.start()
    theirs.close()
    return Worker(process, errors)


def work(job: SweepJob, study: str, parent_run: str, threads: int, parent: int, errors: Connection) -> None:
    """The life of a worker: it runs trials, or waits for one, until its command ends it.

    It dies at an error that no other trial would be spared either, and leaves a sentence.
    """
    asked = _stop_with_parent(parent)
    try:
        runner = _prepare(job, study, parent_run, threads, asked.is_set)
        while not asked.is_set():
            if runner.study.has_work(job.slots):
                _refuse_hopeless(runner.study.trials())
                runner.run_next()
            else:
                asked.wait(LOOK_EVERY_S)
    except Stopped:
        pass
    except UserError as error:
        errors.send(str(error))
    except OSError as error:
        errors.send(
            storage_fault(error) or f"A trial ended with an error of the machine ({error}): run the same command again."
        )
    errors.close()
    sys.stdout.flush()
    sys.stderr.flush()
    # Python would free one by one what the system frees at once: seconds for which the command would wait.
    os._exit(0)


def _prepare(job: SweepJob, study: str, parent_run: str, threads: int, should_stop: Callable[[], bool]) -> TrialRunner:
    """Load the images and the study, once for all trials of a worker."""
    torch.set_num_threads(threads)
    connect()
    splits = load_training_splits(open_dataset(Layout(job.data_dir).dataset(job.dataset)), job.config.model, job.device)
    storage = open_storage(job.storage_address(study), should_stop)
    pruner = PRUNERS.get(job.pruner)(job.config.iterations * job.repeats, job.config.eval_every)
    loaded = optuna.load_study(storage=storage, study_name=study, pruner=pruner)
    return TrialRunner(job, Study(loaded, created=False), parent_run, splits, should_stop)


def _stop_with_parent(parent: int) -> threading.Event:
    """Leave Ctrl-C to the parent; the event is set once it asked this process to end, or is gone."""
    asked = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda _number, _frame: asked.set())

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        asked.set()
        time.sleep(ORPHAN_ENDS_WITHIN_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    return asked
