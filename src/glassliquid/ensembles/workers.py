"""Many independent tasks on many processes, through the concurrent.futures interface."""

import concurrent.futures
import functools
import itertools
import os
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from typing import Annotated, Protocol, TypeVar

from glassliquid.errors import UserError, check_positive
from glassliquid.memory import keep_freed_memory
from glassliquid.processes import WorkerContext
from glassliquid.settings import Absent, Field

Task = TypeVar("Task")
Result = TypeVar("Result")


MOST_WORKERS = 10_000
"""What says more is taken for a mistake, before the machine is full of processes."""

Workers = Annotated[int | None, Field(ge=1, le=MOST_WORKERS), Absent("auto")]
"""A setting: how many worker processes; None is one per core."""

ATTEMPTS = 3
"""A task whose worker process died is tried this many times in all."""


CHECK_EVERY_S = 5.0
"""While no task finishes, the pool is asked this often whether it still has workers."""


class WorkerPool(Protocol):
    """Gives executors, and a new one after the old one broke."""

    @property
    def broken(self) -> tuple[type[BaseException], ...]:
        """What a future raises when the worker of its task died."""

    @property
    def survives(self) -> bool:
        """Whether the other tasks under way continue when a worker dies."""

    @property
    def size(self) -> int:
        """How many tasks run side by side."""

    def executor(self) -> Executor:
        """The executor to submit to."""

    def replace(self) -> None:
        """Give up the present executor, whose worker died."""

    def check(self) -> None:
        """Raise UserError if the tasks under way will never finish."""


class LocalPool:
    """Worker processes on this machine; a context manager that ends them."""

    broken: tuple[type[BaseException], ...] = (BrokenProcessPool, concurrent.futures.CancelledError)
    survives = False
    """An executor whose process died ends all of them."""

    def __init__(self, size: int) -> None:
        """Prepare `size` processes; they start with the first task."""
        check_positive("workers", size)
        self._size = size
        self._executor: Executor | None = None

    @property
    def size(self) -> int:
        """How many processes work side by side."""
        return self._size

    def executor(self) -> Executor:
        """The executor, started when it is first needed."""
        if self._executor is None:
            # Spawned, not forked: a forked copy of a process that has threads (PyTorch, MLflow) can deadlock.
            self._executor = concurrent.futures.ProcessPoolExecutor(
                self._size, WorkerContext(), _prepare_worker, (os.getpid(),)
            )
        return self._executor

    def replace(self) -> None:
        """End the processes; the next task starts new ones."""
        if self._executor is not None:
            processes = list((getattr(self._executor, "_processes", None) or {}).values())
            self._executor.shutdown(wait=False, cancel_futures=True)
            # Tasks hold no state but a partial file, so ending them at once loses nothing.
            for process in processes:
                process.terminate()
            for process in processes:
                process.join()
            self._executor = None

    def check(self) -> None:
        """The executor itself tells when a process died."""

    def __enter__(self) -> "LocalPool":
        """Return the pool."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End the processes."""
        self.replace()


def worker_count(workers: int | None) -> int:
    """The number of worker processes; None is the number of cores that this process may use."""
    if workers is not None:
        return workers
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(
    pool: WorkerPool, function: Callable[[Task], Result], tasks: Iterable[Task]
) -> Iterator[tuple[Task, Result]]:
    """Yield every task with its result, as they finish.

    Only a few tasks are in flight at a time, so memory does not grow with their number. A task whose worker died is
    run again on a new one; a task that raises ends the whole.

    Raises:
        UserError: a task's worker died three times.
    """
    failures: Counter[int] = Counter()
    numbered = enumerate(tasks)
    waiting: deque[tuple[int, Task]] = deque()
    pending: dict[Future[Result], tuple[int, Task]] = {}
    while True:
        # A cluster may have become smaller than what is under way already.
        waiting.extend(itertools.islice(numbered, max(0, 4 * pool.size - len(pending) - len(waiting))))
        broken = False
        try:
            while waiting:
                pending[pool.executor().submit(function, waiting[0][1])] = waiting[0]
                waiting.popleft()
        except pool.broken:
            # A worker died while nobody was looking, for example while the caller was busy with a result.
            broken = True
        if not pending and not broken:
            return
        lost: list[Future[Result]] = []
        for future in _finished(pool, pending):
            try:
                result = future.result()
            except pool.broken:
                lost.append(future)
                continue
            _, task = pending.pop(future)
            yield task, result
        if broken or lost:
            # Where all tasks in flight are lost, which of them killed its worker is unknown: it counts against each.
            again = [pending.pop(future) for future in (lost if pool.survives else list(pending))]
            suspects = again if pool.survives else [*again, *waiting]
            waiting = deque(sorted([*again, *waiting], key=lambda numbered_task: numbered_task[0]))
            pool.replace()
            failures.update(number for number, _ in suspects)
            if max(failures[number] for number, _ in suspects) >= ATTEMPTS:
                raise UserError(
                    f"A worker process died {ATTEMPTS} times on the same tasks: the machine may be out of memory; run the "
                    "same command with fewer workers."
                )


def run_in_order(pool: WorkerPool, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
    """Yield the results in the order of the tasks; one that comes early waits for those before it. Errors as of `run_all`."""
    early: dict[int, Result] = {}
    place = 0
    for (number, _), result in run_all(pool, functools.partial(_of_numbered, function), enumerate(tasks)):
        early[number] = result
        while place in early:
            yield early.pop(place)
            place += 1


def _of_numbered(function: Callable[[Task], Result], numbered: tuple[int, Task]) -> Result:
    return function(numbered[1])


def _finished(pool: WorkerPool, pending: Iterable[Future[Result]]) -> set[Future[Result]]:
    """Wait until a task has finished, or for a while."""
    if not (under_way := list(pending)):
        return set()
    done, _ = concurrent.futures.wait(under_way, CHECK_EVERY_S, concurrent.futures.FIRST_COMPLETED)
    if not done:
        pool.check()
    return done


def _prepare_worker(parent: int) -> None:
    """Leave signals to the parent, and end when it is gone (a killed parent cannot tell its workers).

    The memory that an image has taken is kept for the next one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_freed_memory()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
