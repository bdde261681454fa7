"""When a training is to stop: after an iteration, and soon where it hands its results to stores that may hang."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from glassliquid.errors import Abandoned, Stopped, TimeIsUp

GRACE_S = 15.0
"""How long an upload that is under way when the command is asked to stop may take to end."""
LOOK_EVERY_S = 0.5


@dataclass(frozen=True)
class Stopper:
    """Answers True once the process was asked to stop or the time is over."""

    requested: Callable[[], bool]
    """Whether somebody asked."""
    deadline: float
    """By the monotonic clock [s]."""

    def __call__(self) -> bool:
        """Whether it is time to stop."""
        return self.requested() or time.monotonic() >= self.deadline


def stopper(max_hours: float | None, requested: Callable[[], bool]) -> Stopper:
    """A stopper whose time, if there is a limit, is counted from now."""
    return Stopper(requested, float("inf") if max_hours is None else time.monotonic() + 3600 * max_hours)


def kind_of_stop(should_stop: Callable[[], bool]) -> type[Stopped]:
    """What to raise once `should_stop` has answered True: whether the time is over, or somebody asked."""
    return TimeIsUp if isinstance(should_stop, Stopper) and not should_stop.requested() else Stopped


class _Interrupted(KeyboardInterrupt):
    """Ends what hangs. What catches ordinary errors, to try again, lets it pass."""


@contextlib.contextmanager
def ending_soon(should_stop: Callable[[], bool]) -> Iterator[None]:
    """In the block, which waits for stores, a request to stop is met within a few seconds, whatever hangs.

    A limit of time is none: a training run that reaches its `max_hours` sends its state however long that takes.

    Args:
        should_stop: asked whether somebody wants the command to end.

    Raises:
        Abandoned: somebody does, and the block has not come to its end.
    """
    requested = should_stop.requested if isinstance(should_stop, Stopper) else should_stop
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield  # signals are the main thread's, and not every system has timers
        return
    asked_at: list[float] = []

    def look(_number: int, _frame: object) -> None:
        if requested():
            asked_at.append(time.monotonic())
            if asked_at[-1] - asked_at[0] >= GRACE_S:
                # Every time: what waits for threads as it is interrupted is interrupted in that, too.
                raise _Interrupted

    before = signal.signal(signal.SIGALRM, look)
    timer = signal.setitimer(signal.ITIMER_REAL, LOOK_EVERY_S, LOOK_EVERY_S)
    try:
        yield
    except _Interrupted:
        raise Abandoned("Stopped during an upload; what the store lacks is on this machine.") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *timer)
