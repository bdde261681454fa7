"""Which runs count as alive, and which are closed as left behind by a dead process."""

import json
import os
import socket
import subprocess
import sys
import time

import mlflow
import psutil
import pytest
from mlflow import MlflowClient

from glassliquid.tracking import liveness
from glassliquid.tracking.liveness import SILENT_AFTER_S, identity_tags, living_process, machine
from glassliquid.tracking.run import TrackedRun
from glassliquid.tracking.stored import find_run
from glassliquid.upkeep.stale_runs import TAG_CLAIM, close_stale_runs, take_over

HERE = socket.gethostname()


@pytest.fixture
def other_process():
    """A process that does nothing until it is killed."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def client(tmp_path):
    """Reads and writes a tracking store of the test's own, which is that of this process meanwhile."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    yield MlflowClient()
    mlflow.set_tracking_uri(before)


def tags_of(process, host=HERE, silence=0.0):
    return {
        "host": host,
        "machine": machine(),
        "process": liveness.process_tag(process.pid),
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
        assert living_process({"host": HERE, "machine": machine(), "process": f"{number} {other}"}) is None


def test_a_clock_that_was_set_kills_nobody(other_process, monkeypatch):
    """psutil counts start times from the time of day, so they change with the clock."""
    tags = tags_of(other_process)
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: time.time() - 7200)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert living_process(tags) == f"process {other_process.pid} on this machine"


def test_another_machine_is_believed_while_its_last_sign_is_fresh(other_process):
    """Whether the process number exists here says nothing about one there; its clock may be ahead of this one's."""
    for silence in (SILENT_AFTER_S - 30, 30 - SILENT_AFTER_S):
        fresh = tags_of(other_process, host="elsewhere", silence=silence)
        assert "on elsewhere, last heard of" in living_process(fresh)
    for silence in (SILENT_AFTER_S + 30, -SILENT_AFTER_S - 30, float("nan")):
        assert living_process(tags_of(other_process, host="elsewhere", silence=silence)) is None
    assert living_process({"host": "elsewhere", "process": "4711 1@x"}) is None


def test_a_living_run_that_mlflow_has_marked_as_failed_is_alive(other_process, client):
    """A second `mlflow run --run-id` marks it so; whether that is so on another machine cannot be told."""
    cases = {"here": tags_of(other_process), "elsewhere": tags_of(other_process, host="elsewhere")}
    cases["a replicate"] = {**cases["here"], "replicate": "1"}
    runs = {name: client.create_run("0", tags=tags).info.run_id for name, tags in cases.items()}
    for status, alive in (("RUNNING", set(runs)), ("FAILED", {"here"}), ("FINISHED", set())):
        for run_id in runs.values():
            client.update_run(run_id, status=status)
        found = {name: find_run(run_id) for name, run_id in runs.items()}
        assert {name for name, run in found.items() if run.lives_in is not None} == alive


def test_a_machine_of_the_same_name_is_another_one(other_process):
    """Containers and clones of a virtual machine: their processes cannot be seen from here, whatever their names are."""
    there = tags_of(other_process) | {"machine": "another"}
    assert "last heard of" in living_process(there)
    other_process.kill()
    other_process.communicate()
    assert "last heard of" in living_process(there)


def test_the_fingerprint_of_a_machine_changes_with_its_id_and_is_not_it(monkeypatch, tmp_path):
    found = set()
    for number in ("1" * 32, "2" * 32):
        (tmp_path / "machine-id").write_text(number + "\n")
        monkeypatch.setattr(liveness, "MACHINE_ID", tmp_path / "machine-id")
        assert machine() == machine() and number not in machine()
        found.add(machine())
    assert len(found) == 2


def test_this_process_and_runs_that_say_nothing_are_no_obstacle():
    assert living_process(identity_tags()) is None
    assert living_process({}) is None


def test_only_runs_of_dead_processes_of_this_user_and_machine_are_closed(other_process, client):
    mine = identity_tags()
    gone = {"process": f"{other_process.pid} 1.00"}
    cases = {
        "dead": {**mine, **gone},
        "alive": {**mine, **tags_of(other_process)},
        "own": mine,
        "of another machine": {**mine, **gone, "host": "elsewhere"},
        "of a container of the same name": {**mine, **gone, "machine": "another"},
        "of another user": {**mine, **gone, "user_name": "somebody"},
        "silent": {},
    }
    runs = {name: client.create_run("0", tags=tags).info.run_id for name, tags in cases.items()}
    for name, parent, tags in (
        ("step of the dead", "dead", {}),
        ("step that lives", "dead", tags_of(other_process)),
        ("step of the living", "alive", {}),
    ):
        runs[name] = client.create_run("0", tags={"mlflow.parentRunId": runs[parent], **tags}).info.run_id
    assert list(close_stale_runs(["0"])) == [runs["dead"], runs["step of the dead"]]
    statuses = {name: client.get_run(run_id).info.status for name, run_id in runs.items()}
    closed = {"dead", "step of the dead"}
    assert statuses == {name: "KILLED" if name in closed else "RUNNING" for name in runs}


def test_a_run_that_is_continued_meanwhile_is_not_closed(other_process, client, monkeypatch):
    """It was found stale, and another command continued in it before it was closed."""
    run_id = client.create_run("0", tags={**identity_tags(), "process": "1 1.00"}).info.run_id
    present = MlflowClient.get_run

    def continued(self, asked):
        client.set_tag(run_id, "process", tags_of(other_process)["process"])
        return present(self, asked)

    monkeypatch.setattr(MlflowClient, "get_run", continued)
    assert close_stale_runs(["0"]) == {}
    assert present(client, run_id).info.status == "RUNNING"


CLAIM = """
import sys, mlflow
from glassliquid.upkeep.stale_runs import take_over
mlflow.set_tracking_uri({address!r})
print("ready", flush=True)
sys.stdin.readline()
print(take_over({run_id!r}), flush=True)
sys.stdin.readline()
"""


def test_one_of_several_commands_takes_a_run_over(client, start_python):
    run_id = client.create_run("0", tags={**identity_tags(), "process": "1 1.00"}).info.run_id
    several = [start_python(CLAIM.format(address=mlflow.get_tracking_uri(), run_id=run_id)) for _ in range(3)]
    for process in several:
        assert process.stdout.readline() == "ready\n"
    for process in several:
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.stdout.readline().strip() for process in several]
    assert sorted(answers) == ["False", "False", "True"]
    # Nobody else takes it, though it was not opened yet.
    assert not take_over(run_id)


def test_a_run_that_has_ended_is_taken_over_unless_somebody_is_about_to_go_on_in_it(client, monkeypatch, other_process):
    """Another machine has finished or stopped its sweep a moment ago, however fresh its last sign is."""
    monkeypatch.setattr("glassliquid.upkeep.stale_runs.CLAIM_SETTLES_S", 0.1)
    there = {**identity_tags(), "host": "elsewhere", "process": "4711 1@x"}
    claims = {
        "nobody": None,
        "a process of this machine": tags_of(other_process),
        "one that is slow": tags_of(other_process, silence=1000),
        "one of another machine": tags_of(other_process, host="elsewhere", silence=1),
        "one that was lost": tags_of(other_process, host="elsewhere", silence=100),
        "a dead one": {**tags_of(other_process), "process": "1 1.00"},
        "this one": identity_tags(),
        "damage": 3,
    }
    taken = {}
    for name, claim in claims.items():
        run_id = client.create_run("0", tags=there).info.run_id
        assert not take_over(run_id), "it lives"
        client.set_terminated(run_id, "FINISHED")
        if claim is not None:
            client.set_tag(run_id, "claimed_by", json.dumps(claim))
        taken[name] = take_over(run_id)
    still = {"a process of this machine", "one that is slow", "one of another machine"}
    assert taken == {name: name not in still for name in claims}


def test_a_run_that_was_deleted_is_not_there(client):
    """MLflow reads it still, and writes to it no more."""
    run_id = client.create_run("0").info.run_id
    assert find_run(run_id) is not None
    client.delete_run(run_id)
    assert find_run(run_id) is None
    assert not take_over(run_id)


def test_a_claim_that_was_used_does_not_keep_the_next_command_out(client, monkeypatch, other_process):
    """A sweep that was stopped right after it had taken a run over, on another machine, can be started again here."""
    monkeypatch.setattr("glassliquid.upkeep.stale_runs.CLAIM_SETTLES_S", 0.1)
    run_id = client.create_run("0", tags={**identity_tags(), "process": "1 1.00"}).info.run_id
    there = tags_of(other_process, host="elsewhere", silence=1)
    monkeypatch.setattr("glassliquid.upkeep.stale_runs.identity_tags", lambda: there)
    assert take_over(run_id)
    monkeypatch.undo()
    assert not take_over(run_id)
    TrackedRun(run_id).forget(TAG_CLAIM)
    for key, value in there.items():
        client.set_tag(run_id, key, value)
    assert not take_over(run_id)
    client.set_terminated(run_id, "KILLED")
    assert take_over(run_id)


def test_the_tags_name_this_process():
    number, started = identity_tags()["process"].split()
    assert int(number) == os.getpid()
    assert identity_tags()["process"] == f"{number} {started}"
