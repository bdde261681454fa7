"""tidy through its real command line: what dead processes left is closed, sent and removed; what lives is left alone."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from glassliquid.files import ABANDONED_AFTER_S
from glassliquid.tracking.liveness import identity_tags
from glassliquid.upkeep.stale_runs import close_stale_runs
from tests.commands.conftest import Command, history
from tests.commands.test_bad_input import assert_one_sentence

pytestmark = pytest.mark.xdist_group("tidy")


@pytest.fixture(scope="module")
def gone() -> str:
    """The tag of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return f"{process.pid} 1@ended"


def test_tidy_does_what_it_says(mlflow_run: Command, client, gone: str, tmp_path: Path):
    data, mine = tmp_path / "data", identity_tags()
    elsewhere = client.create_experiment(f"elsewhere {time.time_ns()}")
    tags = {**mine, "process": gone, "stage": "train"}
    dead = [client.create_run(each, tags=tags).info.run_id for each in ("0", elsewhere)]
    again = {stage: client.create_run("0", tags={**tags, "stage": stage}).info.run_id for stage in ("sweep", "trial")}
    alive = client.create_run(elsewhere, tags=mine).info.run_id
    foreign = client.create_run(
        elsewhere, tags={**mine, "process": gone, "host": f"not-{socket.gethostname()}"}
    ).info.run_id
    waiting = data / "runs" / dead[1]
    waiting.mkdir(parents=True)
    (waiting / "metrics.jsonl").write_text('{"key": "loss", "value": 0.5, "step": 1, "timestamp": 1}\n')
    (waiting / "current.safetensors").write_bytes(b"a state")
    old, fresh = waiting / ".current.safetensors.abc.partial", waiting / ".best.safetensors.abc.partial"
    for partial in (old, fresh):
        partial.touch()
    long_ago = time.time() - 2 * ABANDONED_AFTER_S
    os.utime(old, (long_ago, long_ago))
    pictures = data / "pictures" / "x"
    pictures.mkdir(parents=True)
    for name in (".a.png.abc.partial", ".b.png.abc.partial"):
        (pictures / name).touch()
    os.utime(pictures / ".a.png.abc.partial", (long_ago, long_ago))

    done = mlflow_run("tidy", data_dir=data)
    assert done.returncode == 0, done.stderr
    closed = re.search(r"left RUNNING, now KILLED: (\d+)\.", done.stdout)
    assert closed and int(closed.group(1)) >= 2, done.stdout
    assert (
        f"Continue with: mlflow run . -e train --env-manager local --run-id {dead[1]} -P resume={dead[1]}"
        in done.stdout
    )
    said = {
        run_id: line for line in done.stdout.splitlines() for run_id in (dead[0], *again.values()) if run_id in line
    }
    assert said[again["sweep"]].endswith("Run the same command again to continue.")
    assert said[again["trial"]].endswith(").") and said[dead[0]].endswith(").")
    assert "Waiting metric points sent: 1, from 1 runs." in done.stdout
    statuses = {
        name: client.get_run(run_id).info.status
        for name, run_id in [*enumerate(dead), ("alive", alive), ("f", foreign)]
    }
    assert statuses == {0: "KILLED", 1: "KILLED", "alive": "RUNNING", "f": "RUNNING"}
    assert history(client, dead[1], "loss") == [(1, 0.5)]
    # The dead run's folder has no writer; elsewhere what was touched a moment ago may have one.
    assert not old.exists() and not fresh.exists()
    assert [path.name for path in pictures.iterdir()] == [".b.png.abc.partial"]
    run = client.search_runs(["0"], "tags.stage = 'tidy'", order_by=["attributes.start_time DESC"])[0]
    assert run.info.status == "FINISHED"
    assert run.data.metrics["sent_points"] == 1
    for run_id in (alive, foreign):
        client.set_terminated(run_id)


def test_one_experiment_can_be_chosen_and_must_be_there(quick_command: Command, client, gone: str, tmp_path: Path):
    here, there = (client.create_experiment(f"{name} {time.time_ns()}") for name in ("here", "there"))
    runs = [client.create_run(each, tags={**identity_tags(), "process": gone}).info.run_id for each in (here, there)]
    done = quick_command("tidy", experiment="nowhere", data_dir=tmp_path)
    assert_one_sentence(done, "There is no experiment 'nowhere'")
    assert client.get_run(runs[0]).info.status == "RUNNING"


def test_the_chosen_experiment_alone_is_tidied(command: Command, client, gone: str, tmp_path: Path):
    here, there = (client.create_experiment(f"{name} {time.time_ns()}") for name in ("one", "other"))
    runs = [client.create_run(each, tags={**identity_tags(), "process": gone}).info.run_id for each in (here, there)]
    done = command("tidy", experiment=here, data_dir=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [client.get_run(run_id).info.status for run_id in runs] == ["KILLED", "RUNNING"]
    client.set_terminated(runs[1])


def test_a_database_that_may_not_be_written_is_a_sentence(quick_command: Command, tmp_path: Path, monkeypatch):
    """What a second user of a database file meets, before any run is opened."""
    from mlflow.exceptions import MlflowException

    from glassliquid.commands import tidy

    def refuse(*_arguments: object) -> None:
        raise MlflowException("(sqlite3.OperationalError) attempt to write a readonly database\n[SQL: UPDATE runs]")

    monkeypatch.setattr(tidy, "tidy_up", refuse)
    done = quick_command("tidy", data_dir=tmp_path)
    assert_one_sentence(done, r"does not accept data \(attempt to write a readonly database\)")


def test_what_other_commands_have_closed_is_named_once(command: Command, client, gone: str, tmp_path: Path):
    experiment = client.create_experiment(f"closed {time.time_ns()}")
    tags = {**identity_tags(), "process": gone, "stage": "sweep"}
    run_id = client.create_run(experiment, tags=tags, run_name="left").info.run_id
    assert close_stale_runs([experiment]) == {run_id: "left"}  # as every command does, without a word
    assert client.get_run(run_id).info.status == "KILLED"
    first, second = (command("tidy", experiment=experiment, data_dir=tmp_path) for _ in range(2))
    assert "now KILLED: 0." in first.stdout
    named = f"Closed earlier by other commands: 1.\n- {run_id} (left). Run the same command again to continue."
    assert named in first.stdout
    assert run_id not in second.stdout
