"""Which runs count as alive, and which are closed as left behind by a dead process."""

import os
import socket
import subprocess
import sys
import time

import psutil
import pytest

from glassliquid.tracking.liveness import SILENT_AFTER_S, identity_tags, living_process
from glassliquid.tracking.upkeep import close_stale_runs

HERE = socket.gethostname()


@pytest.fixture
def other_process():
    """A process that does nothing until it is killed."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def tags_of(process, host=HERE, silence=0.0):
    # What the process says of itself.
    found = subprocess.run(
        [sys.executable, "-c", f"from glassliquid.tracking import liveness; print(liveness._start_of({process.pid}))"],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": "src"},
    )  # fmt: skip
    return {
        "host": host,
        "process": f"{process.pid} {found.stdout.strip()}",
        "alive_at": f"{time.time() - silence:.0f}",
    }


def test_a_process_of_this_machine_lives_until_it_ends(other_process):
    tags = tags_of(other_process)
    assert living_process(tags) == f"process {other_process.pid} on this machine"
    other_process.kill()
    other_process.communicate()
    assert living_process(tags) is None


def test_another_process_of_the_same_number_is_not_the_same(other_process):
    number, started = tags_of(other_process)["process"].split()
    ticks, _, boot = started.partition("@")
    for other in (f"{int(ticks) - 1}@{boot}", f"{ticks}@another-start", f"{time.time() - 3600:.2f}"):
        assert living_process({"host": HERE, "process": f"{number} {other}"}) is None


def test_a_clock_that_was_set_kills_nobody(other_process, monkeypatch):
    """psutil counts start times from the time of day, so they change with the clock."""
    tags = tags_of(other_process)
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: time.time() - 7200)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert living_process(tags) == f"process {other_process.pid} on this machine"


def test_another_machine_is_believed_while_its_last_sign_is_fresh(other_process):
    """Whether the process number exists here says nothing about one there."""
    fresh = tags_of(other_process, host="elsewhere", silence=SILENT_AFTER_S - 30)
    assert "on elsewhere, last heard of" in living_process(fresh)
    assert living_process(tags_of(other_process, host="elsewhere", silence=SILENT_AFTER_S + 30)) is None


def test_this_process_and_runs_that_say_nothing_are_no_obstacle():
    assert living_process(identity_tags()) is None
    assert living_process({}) is None


def test_only_runs_of_dead_processes_of_this_user_and_machine_are_closed(other_process, tmp_path):
    import mlflow

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    try:
        client, mine = mlflow.MlflowClient(), identity_tags()
        gone = {"process": f"{other_process.pid} 1.00"}
        cases = {
            "dead": {**mine, **gone},
            "alive": {**mine, **tags_of(other_process)},
            "own": mine,
            "of another machine": {**mine, **gone, "host": "elsewhere"},
            "of another user": {**mine, **gone, "user_name": "somebody"},
            "silent": {},
        }
        runs = {name: client.create_run("0", tags=tags).info.run_id for name, tags in cases.items()}
        assert list(close_stale_runs(["0"])) == [runs["dead"]]
        statuses = {name: client.get_run(run_id).info.status for name, run_id in runs.items()}
        assert statuses == {name: "KILLED" if name == "dead" else "RUNNING" for name in cases}
    finally:
        mlflow.set_tracking_uri(before)


def test_the_tags_name_this_process():
    number, started = identity_tags()["process"].split()
    assert int(number) == os.getpid()
    assert identity_tags()["process"] == f"{number} {started}"
