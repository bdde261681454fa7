"""The same tasks on a Dask cluster: workers that somebody started, or jobs of a queueing system.

Dask's own `concurrent.futures` interface runs them. What differs from processes on this machine is what can be wrong with
a worker: another version of the code, more threads than one (LAMMPS is one instance a process), or another file system.
Each worker is asked at the start, and again before its first task, because workers come and go.
"""

import concurrent.futures
import contextlib
import platform
import secrets
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glassliquid.ensembles.connection import NO_WORKER_S, connected_client, is_address
from glassliquid.ensembles.worker_check import (
    REMEDY,
    Requirements,
    own_versions,
    run_checked,
    too_many_threads,
    unfitness,
)
from glassliquid.ensembles.workers import LocalPool, WorkerPool, worker_count
from glassliquid.errors import UserError, first_line_of
from glassliquid.scratch import own_folder

if TYPE_CHECKING:
    from distributed import Client

_SIZE_KNOWN_S = 5.0


@contextlib.contextmanager
def open_pool(workers: int | None, scheduler: str | None, data_dir: Path) -> Iterator[WorkerPool]:
    """The pool that `workers` and `scheduler` ask for: processes of this machine, or a Dask cluster.

    Args:
        workers: how many; None is one per core. With an address always None; with a queue's configuration the number of
            workers to ask the queue for (None: as many as one job has).
        scheduler: None for this machine, `tcp://host:port`, or the path of a dask-jobqueue configuration file.
        data_dir: folder that all workers write to, absolute if there is a scheduler.

    Raises:
        UserError: the scheduler does not answer, or its workers cannot work for this command.
    """
    if scheduler is None:
        with LocalPool(worker_count(workers)) as local:
            yield local
        return
    check_scheduler(scheduler, workers)
    with contextlib.ExitStack() as stack:
        # Dask warns of other versions and lost connections in paragraphs; we say what matters in a sentence.
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        requirements = stack.enter_context(_requirements(data_dir))
        client = stack.enter_context(connected_client(scheduler, workers))
        _check_workers(client, requirements)
        yield DaskPool(client, requirements, scheduler)


def check_scheduler(scheduler: str, workers: int | None) -> None:
    """Raise UserError unless `scheduler` is an address or an existing file, and `workers` goes with it."""
    if is_address(scheduler):
        if workers is not None:
            raise UserError(
                f"workers is {workers}, but with scheduler {scheduler} the cluster's own workers are used: leave workers=auto."
            )
    elif not Path(scheduler).is_file():
        raise UserError(
            f"scheduler is {scheduler!r}: pass none, an address such as tcp://host:8786, or the path of a dask-jobqueue "
            "configuration file (docs/CLUSTER.md has one)."
        )


class DaskPool:
    """A connected Dask cluster as a pool of workers; those that die or join later change only its size."""

    survives = True

    def __init__(self, client: "Client", requirements: Requirements, scheduler: str) -> None:
        """Use a client whose workers were checked."""
        from distributed import KilledWorker

        self.broken: tuple[type[BaseException], ...] = (KilledWorker, concurrent.futures.CancelledError)
        self._client, self._requirements, self._scheduler = client, requirements, scheduler
        self._executor = client.get_executor(pure=False)
        self._size, self._sized_at, self._worked_at = 1, float("-inf"), time.monotonic()

    @property
    def size(self) -> int:
        """How many workers there are at present, at least one."""
        if time.monotonic() - self._sized_at > _SIZE_KNOWN_S:
            self._size, self._sized_at = max(1, self.connected()), time.monotonic()
        return self._size

    def executor(self) -> Executor:
        """Dask's executor, made to check each worker before its first task."""
        self._check_connected()
        return _CheckedExecutor(self._executor, self._requirements)

    def replace(self) -> None:
        """Workers are replaced by whoever started them; without a scheduler there is nothing to continue with."""
        self._check_connected()

    def check(self) -> None:
        """Raise UserError if the scheduler is gone, or had no worker for a minute."""
        self._check_connected()
        if self.connected():
            self._worked_at = time.monotonic()
        elif time.monotonic() - self._worked_at > NO_WORKER_S:
            raise UserError(
                f"The scheduler {self._scheduler} has had no worker for {NO_WORKER_S:.0f} seconds: {REMEDY} and run the same "
                "command again; what is finished is kept."
            )

    def connected(self) -> int:
        """How many workers there are at this moment; UserError if the scheduler is gone."""
        try:
            return len(self._client.nthreads())
        except (OSError, TimeoutError, concurrent.futures.CancelledError):
            raise self._lost() from None

    def _check_connected(self) -> None:
        if self._client.status != "running":
            raise self._lost()

    def _lost(self) -> UserError:
        return UserError(
            f"The scheduler {self._scheduler} stopped answering: start it again and run the same command again; what is "
            "finished is kept."
        )


class _CheckedExecutor(Executor):
    """Wraps every task in the check of its worker."""

    def __init__(self, executor: Executor, requirements: Requirements) -> None:
        self._executor, self._requirements = executor, requirements

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        return self._executor.submit(run_checked, self._requirements, function, *arguments, **named)


@contextlib.contextmanager
def _requirements(data_dir: Path) -> Iterator[Requirements]:
    token = secrets.token_hex(16)
    with own_folder(data_dir, ".cluster-") as folder:
        folder.chmod(0o755)  # workers may be another user's processes
        path = folder / "token"
        path.write_text(token, encoding="utf-8")
        yield Requirements(own_versions(), path, token)


def _check_workers(client: "Client", requirements: Requirements) -> None:
    """Refuse a scheduler or workers that cannot do this command's work, before any of them gets any."""
    _check_scheduler_code(client, requirements)
    answers: Any = client.get_versions()
    for address, found in sorted(answers["workers"].items()):
        there, here = ".".join(found["host"]["python"].split(".")[:3]), platform.python_version()
        # Functions of another Python cannot even be read there.
        if there != here:
            raise UserError(f"The worker {address} has Python {there} where this command has {here}: {REMEDY}.")
    for address, threads in sorted(client.nthreads().items()):
        if threads > 1:
            raise UserError(f"The worker {address} {too_many_threads(threads)}: {REMEDY}.")
    for address, answer in sorted(client.run(unfitness, requirements, on_error="return").items()):
        if isinstance(answer, Exception):
            raise UserError(
                f"The worker {address} cannot run glassliquid ({first_line_of(answer)}): {REMEDY}."
            ) from answer
        if answer is not None:
            raise UserError(f"The worker {address} {answer}: {REMEDY}.")


def _check_scheduler_code(client: "Client", requirements: Requirements) -> None:
    """The scheduler reads tasks as well, so it needs the package that they name."""
    remedy = "start it with the .venv and the code of this clone (docs/CLUSTER.md)"
    try:
        there: Any = dict(client.run_on_scheduler(own_versions))
    except Exception as error:  # whatever went wrong while it imported something
        raise UserError(f"The scheduler cannot run glassliquid ({first_line_of(error)}): {remedy}.") from error
    for name, wanted in requirements.versions:
        if there.get(name) != wanted:
            raise UserError(f"The scheduler has {name} {there.get(name)} where this command has {wanted}: {remedy}.")
