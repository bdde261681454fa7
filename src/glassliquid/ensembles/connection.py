"""The connection to a Dask scheduler: at an address, or of a queue's jobs."""

import contextlib
import logging
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glassliquid.ensembles.dask_settings import QUIET
from glassliquid.ensembles.job_queue import open_queue
from glassliquid.ensembles.worker_check import REMEDY
from glassliquid.errors import UserError, first_line_of, listed

if TYPE_CHECKING:
    from distributed import Client

CONNECT_S = 10.0
"""A scheduler that does not answer for so long is out of reach."""

FIRST_WORKER_S = 10.0
"""A scheduler that has had no worker for so long from the start has none."""

NO_WORKER_S = 60.0
"""A running ensemble whose cluster has had no worker for so long ends; what is finished is kept."""

CLIENT_ATTEMPTS = 3
SCHEMES = ("tcp", "tls", "ws", "wss")
"""Of Dask's addresses; all of them are reached through a TCP port."""


@contextlib.contextmanager
def connected_client(scheduler: str, workers: int | None) -> "Iterator[Client]":
    """A client of a scheduler that has a worker.

    Raises:
        UserError: the scheduler cannot be reached, or has no workers.
    """
    import dask
    from distributed import Client

    with _quiet("distributed"), dask.config.set(QUIET), contextlib.ExitStack() as stack:
        if is_address(scheduler):
            _check_reachable(scheduler)
            target: Any = scheduler
            wait_s, hold = FIRST_WORKER_S, None
        else:
            wait_s = float("inf")
            target, hold = stack.enter_context(open_queue(Path(scheduler), workers))
        try:
            client = stack.enter_context(_started(lambda: Client(target, timeout=CONNECT_S, set_as_default=False)))
        except (OSError, TimeoutError, ValueError) as error:
            raise _unreachable(scheduler, error) from error
        _wait_for_worker(client, scheduler, wait_s)
        if hold is not None:
            hold()
        yield client


def _check_reachable(address: str) -> None:
    """Raise UserError unless something listens at the address.

    Dask's client is made only then: one that fails on its address can leave a thread behind that the next one waits for.
    """
    scheme, _, place = address.partition("://")
    host, _, port = place.rpartition(":")
    try:
        if scheme not in SCHEMES:
            raise ValueError(f"the scheme is none of {listed(SCHEMES)}")
        if not host or not port.isdigit():
            raise ValueError("it is not host:port")
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()
    except (OSError, ValueError, OverflowError) as error:
        raise _unreachable(address, error) from error


def _unreachable(scheduler: str, error: Exception) -> UserError:
    return UserError(
        f"The scheduler {scheduler} cannot be reached ({first_line_of(error)}): start it with `dask scheduler`, and pass the "
        "address that it prints."
    )


def _started(connect: "Callable[[], Client]") -> "Client":
    """A connected client; on a busy machine Dask's own thread may not start within the ten seconds that it is given.

    Raises:
        UserError: it did not start in three attempts.
    """
    for _ in range(CLIENT_ATTEMPTS):
        try:
            return connect()
        except AssertionError:  # all that Dask says then
            continue
    raise UserError("This machine is too busy to start Dask's client: run the same command again when it is less busy.")


@contextlib.contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Keep a library's log from the terminal: what the scheduler and the workers log stands in their own logs."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def _wait_for_worker(client: "Client", scheduler: str, wait_s: float) -> None:
    started = told = time.monotonic()
    while not client.nthreads():
        now = time.monotonic()
        if now - started > wait_s:
            raise UserError(f"The scheduler {scheduler} has no workers: {REMEDY}.")
        if now - told > NO_WORKER_S:
            told = now
            print(
                f"Waiting for the queue to start the first worker, for {(now - started) / 60:.0f} minutes so far.",
                file=sys.stderr,
            )
        time.sleep(0.2)


def is_address(scheduler: str) -> bool:
    """Whether a scheduler is named by its address, and not by a configuration file."""
    return "://" in scheduler
