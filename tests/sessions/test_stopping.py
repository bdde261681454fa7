"""A request to stop ends what hangs in a store, and nothing else."""

import contextlib
import signal
import threading
import time

import pytest

from glassliquid.errors import Abandoned
from glassliquid.sessions import stopping
from glassliquid.sessions.stopping import ending_soon, stopper


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stopping, "GRACE_S", 0.2)
    monkeypatch.setattr(stopping, "LOOK_EVERY_S", 0.1)
    before, timer = signal.getsignal(signal.SIGALRM), signal.setitimer(signal.ITIMER_REAL, 500)
    yield
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.setitimer(signal.ITIMER_REAL, *timer)[0] > 100


def test_what_hangs_ends_though_it_tries_again_and_though_threads_hang_in_it():
    """A store's client catches ordinary errors to try again, and joins its threads when it is interrupted."""
    hanging = threading.Thread(target=time.sleep, args=(60,), daemon=True)
    hanging.start()
    began = time.monotonic()
    with pytest.raises(Abandoned), ending_soon(lambda: True):
        try:
            for _ in range(10):
                with contextlib.suppress(Exception):
                    time.sleep(60)
        finally:
            hanging.join()
    assert time.monotonic() - began < 30


def test_a_request_that_comes_while_it_hangs_counts():
    asked = threading.Event()
    threading.Timer(0.3, asked.set).start()
    with pytest.raises(Abandoned), ending_soon(stopper(None, asked.is_set)):
        time.sleep(60)


def test_what_ends_within_the_grace_is_whole(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stopping, "GRACE_S", 60.0)
    with ending_soon(lambda: True):
        time.sleep(0.5)


def test_a_limit_of_time_interrupts_no_upload():
    over = stopper(1e-9, lambda: False)
    time.sleep(0.01)
    assert over()
    with ending_soon(over):
        time.sleep(0.6)


def test_a_thread_is_left_alone():
    """Signals are the main thread's."""
    ended: list[bool] = []

    def work() -> None:
        with ending_soon(lambda: True):
            time.sleep(0.5)
        ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ended == [True]
