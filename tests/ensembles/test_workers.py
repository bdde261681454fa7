"""Worker processes: all results arrive, few tasks are in flight, and a dead worker costs nothing but time."""

import functools
import os
import signal
import sys
import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool

import psutil
import pytest

from glassliquid.ensembles.workers import LocalPool, run_all, run_in_order, worker_count
from glassliquid.errors import UserError

FEW = 4
"""Tasks in flight for each worker, at most: a queue that keeps a worker busy while the parent does other things."""


def square(number):
    return number**2


def process_id(_):
    return os.getpid()


def end_the_worker(_):
    os.kill(os.getpid(), signal.SIGKILL)


def end_the_worker_once(task):
    """Kill the worker at the first try, as an operating system out of memory does."""
    marker, number = task
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return number**2
    return os.kill(os.getpid(), signal.SIGKILL)


def refuse(number):
    raise UserError(f"{number} is refused: pass another.")


def fail(number):
    raise ZeroDivisionError(f"a defect at {number}")


def sleep(seconds):
    time.sleep(seconds)


def wait_until(condition, seconds=20.0):
    """Poll, so that a busy machine does not fail a test; the limit is what nobody would wait for."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_every_task_comes_back_with_its_result(pool):
    assert sorted(run_all(pool, square, range(100))) == [(number, number**2) for number in range(100)]


def sleep_and_return(seconds):
    time.sleep(seconds)
    return seconds


def test_results_come_in_the_order_of_the_tasks(pool):
    waits = [0.5, *(0.001 * number for number in range(20))]
    assert list(run_in_order(pool, sleep_and_return, waits)) == waits


def test_no_tasks_need_no_workers():
    before = psutil.Process().children()
    with LocalPool(2) as unused:
        assert list(run_all(unused, square, [])) == []
        assert psutil.Process().children() == before


def test_several_processes_share_the_work(pool):
    ids = {result for _, result in run_all(pool, process_id, range(60))}
    assert os.getpid() not in ids
    assert len(ids) <= pool.size


def test_only_a_few_tasks_are_taken_ahead(pool):
    """Memory does not grow with their number: a generator of tasks is consumed as results come."""
    taken = 0

    def tasks():
        nonlocal taken
        for number in range(200):
            taken += 1
            yield number

    for done, _ in enumerate(run_all(pool, square, tasks()), start=1):
        assert taken - done < FEW * pool.size + 1
    assert taken == 200


class ShrinkingPool(LocalPool):
    """A pool that has one worker less at every look, down to one, as a cluster whose jobs end has."""

    looks = 0

    @property
    def size(self):
        self.looks += 1
        return max(1, 5 - self.looks)


def test_a_pool_that_becomes_smaller_finishes_what_is_under_way():
    with ShrinkingPool(1) as shrinking:
        assert sorted(run_all(shrinking, square, range(30))) == [(number, number**2) for number in range(30)]
        assert shrinking.size == 1


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [(refuse, UserError, "0 is refused: pass another"), (fail, ZeroDivisionError, "a defect at 0")],
)
def test_an_error_in_a_task_arrives_as_itself(pool, function, error, message):
    with pytest.raises(error, match=message):
        list(run_all(pool, function, [0]))
    assert list(run_all(pool, square, [3])) == [(3, 9)]


@pytest.mark.faults
def test_a_task_whose_worker_was_killed_is_run_again(tmp_path):
    task = (tmp_path / "marker", 7)
    with LocalPool(1) as own:
        assert list(run_all(own, end_the_worker_once, [task])) == [(task, 49)]


@pytest.mark.faults
def test_workers_killed_from_outside_are_replaced(tmp_path):
    """Every result arrives once, though the worker dies while the consumer is busy with a result."""
    results = []
    with LocalPool(1) as own:
        for task, worker in run_all(own, process_id, range(20)):
            results.append(task)
            if len(results) in (3, 9):
                os.kill(worker, signal.SIGKILL)
                wait_until(functools.partial(is_gone, worker))
                time.sleep(0.5)  # the executor's thread needs a moment to notice
    assert sorted(results) == list(range(20))


def is_gone(pid):
    """Whether a process has ended, be it that its parent has not asked for its end yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.faults
def test_one_task_that_kills_its_worker_once_among_many(tmp_path):
    tasks = [(tmp_path / "marker", number) for number in range(40)]
    with LocalPool(2) as own:
        found = sorted(result for _, result in run_all(own, end_the_worker_once, tasks))
    assert found == [number**2 for number in range(40)]


@pytest.mark.faults
@pytest.mark.parametrize("count", [1, 12])
def test_a_task_that_always_kills_its_worker_ends_in_one_sentence(count):
    with LocalPool(2) as own, pytest.raises(UserError, match=r"^A worker process died 3 times .* fewer workers\.$"):
        list(run_all(own, end_the_worker, range(count)))


class DyingPool:
    """A pool that is always broken, as if every worker died at once."""

    size = 1
    broken = (BrokenProcessPool,)
    survives = False

    def __init__(self, at_submit: bool) -> None:
        self.at_submit = at_submit
        self.replaced = 0

    def executor(self):
        return self

    def submit(self, function, task):
        if self.at_submit:
            raise BrokenProcessPool("a child process terminated abruptly")
        future = Future()
        future.set_exception(BrokenProcessPool("a child process terminated abruptly"))
        return future

    def replace(self):
        self.replaced += 1


@pytest.mark.parametrize("at_submit", [False, True], ids=["noticed in a result", "noticed when handing out"])
def test_workers_that_never_live_end_in_one_sentence(at_submit):
    """An executor tells of a dead worker in a result or, if nothing was under way, when it is given a task."""
    dying = DyingPool(at_submit)
    with pytest.raises(UserError, match=r"^A worker process died 3 times .* fewer workers\.$"):
        list(run_all(dying, square, range(3)))
    assert dying.replaced >= 1


def test_the_sentence_stays_short_whatever_a_task_holds():
    with pytest.raises(UserError, match="A worker process died 3 times") as ended:
        list(run_all(DyingPool(at_submit=False), square, [tuple(range(10_000))]))
    assert len(str(ended.value)) < 500


@pytest.mark.faults
def test_leaving_the_block_ends_the_processes():
    with LocalPool(2) as own:
        _, worker = next(run_all(own, process_id, [0]))
        assert psutil.pid_exists(worker)
    assert not psutil.pid_exists(worker)


@pytest.mark.faults
def test_leaving_the_block_does_not_wait_for_long_tasks():
    started = time.monotonic()
    with LocalPool(2) as own, pytest.raises(UserError, match="0 is refused"):
        own.executor().submit(sleep, 300)
        list(run_all(own, refuse, [0]))
    assert time.monotonic() - started < 60


PARENT = """
import os, sys
from glassliquid.ensembles.workers import LocalPool
pool = LocalPool(2)
futures = [pool.executor().submit(os.getpid) for _ in range(8)]
print(*{future.result() for future in futures}, flush=True)
sys.stdin.read()
"""


@pytest.mark.faults
def test_workers_end_when_their_parent_was_killed(start_python):
    """A killed parent cannot tell them, and they would hold their memory forever."""
    parent = start_python(PARENT)
    ids = [int(word) for word in parent.stdout.readline().split()]
    assert ids
    parent.kill()
    wait_until(lambda: all(map(is_gone, ids)))


def test_worker_count(monkeypatch):
    assert worker_count(3) == 3
    if sys.platform == "linux":
        assert worker_count(None) == len(os.sched_getaffinity(0))
