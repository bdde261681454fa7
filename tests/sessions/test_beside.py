"""A call that is made beside the command's own work: its result, its errors, and that none is left running in an ended run."""

import threading
import time

import pytest

from glassliquid.sessions.beside import beside


def test_the_block_runs_while_the_call_waits_and_gets_its_result():
    may_end = threading.Event()

    def call() -> int:
        assert may_end.wait(20)
        return 7

    with beside(call) as result:
        may_end.set()  # only the block lets the call end
    assert result() == 7


@pytest.mark.parametrize("asks", [True, False])
def test_an_error_of_the_call_is_raised_in_the_block_or_at_its_end(asks: bool):
    def call() -> None:
        raise ValueError("full")

    ended = False
    with pytest.raises(ValueError, match="full"), beside(call) as result:
        if asks:
            result()
        ended = True
    assert ended is not asks


def test_a_block_that_fails_waits_for_the_call_and_keeps_its_own_error():
    done = []

    def call() -> None:
        time.sleep(0.2)
        done.append(True)
        raise ValueError("of the call")

    with pytest.raises(KeyError), beside(call):
        raise KeyError("of the block")
    assert done


def test_an_interrupted_block_does_not_wait():
    may_end = threading.Event()
    with pytest.raises(KeyboardInterrupt), beside(lambda: may_end.wait(20)):
        raise KeyboardInterrupt
    may_end.set()
