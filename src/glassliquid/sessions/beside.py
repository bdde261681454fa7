"""A call that waits for stores, made while the command computes: on a server each answer takes some hundredths of a second."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from typing import TypeVar

Result = TypeVar("Result")


@contextlib.contextmanager
def beside(call: Callable[[], Result]) -> Iterator[Callable[[], Result]]:
    """Make a call in a thread of its own while the block runs; the block ends when both have.

    What it gives waits for the end of the call, and returns what the call returned or raises what it raised; so does the end of a
    block that went well. A block that ends with an error waits too, so that nothing is written to a run that has ended; one
    that was interrupted does not, since the call may be what hangs.

    Args:
        call: takes no part in what the block changes.
    """
    future: Future[Result] = Future()

    def make() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # whoever asks for the result gets it
            future.set_exception(error)

    threading.Thread(target=make, name="beside", daemon=True).start()
    try:
        yield future.result
    except Exception:
        wait([future])
        raise
    future.result()
