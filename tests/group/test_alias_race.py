"""Two processes that register a model each at once: whatever a slow network makes of the order, the better one has the alias."""

import os
import random
import subprocess
import sys
import threading

import mlflow
import pytest

from tests.conftest import ROOT
from tests.group.proxy import Proxy
from tests.group.servers import own_environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

ALIAS = "/api/2.0/mlflow/registered-models/alias"
PROGRAM = """
import sys
from pathlib import Path
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus
from glassliquid.datasets.description import open_dataset
from glassliquid.tracking.registry import register
from glassliquid.tracking.store import connect

connect()
name, accuracy, client = sys.argv[2], float(sys.argv[3]), MlflowClient()
run_id = client.create_run("0").info.run_id
logged = client.create_logged_model("0", "model", source_run_id=run_id)
client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
print("ready", flush=True)
sys.stdin.readline()
version, holder = register(f"models:/{logged.model_id}", name, run_id, open_dataset(Path(sys.argv[1])), accuracy)
print(version, holder == version, flush=True)
"""


@pytest.fixture
def start(proxy: Proxy, dataset):
    started: list[subprocess.Popen[str]] = []
    environment = {
        **own_environment(),
        "MLFLOW_TRACKING_URI": proxy.address,
        "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
    }

    def begin(name: str, accuracy: float) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PROGRAM, str(dataset.folder), name, str(accuracy)]
        process = subprocess.Popen(
            command, env=environment, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )  # fmt: skip
        started.append(process)
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()
    proxy.fault = lambda _method, _path, _size: None


def go(process: subprocess.Popen[str]) -> None:
    process.stdin.write("\n")
    process.stdin.flush()


def result(process: subprocess.Popen[str]) -> tuple[str, bool]:
    said, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    version, moved = said.split()
    return version, moved == "True"


def holder(proxy: Proxy, name: str) -> float:
    client = mlflow.MlflowClient(proxy.address, proxy.address)
    return float(client.get_model_version_by_alias(name, "data_liquid5").tags["best_val_accuracy"])


@pytest.mark.parametrize(("held", "quick"), [(0.6, 0.9), (0.9, 0.6)], ids=["the worse is late", "the better is late"])
def test_an_alias_that_is_set_late_is_set_right(held: float, quick: float, proxy: Proxy, start):
    """The first request of one process to set the alias arrives when the other process has ended."""
    name, arrived, release = f"late-{held}", threading.Event(), threading.Event()

    def hold(method: str, path: str, _size: int) -> None:
        if (method, path) == ("POST", ALIAS) and not arrived.is_set():
            arrived.set()
            release.wait(600)

    late, other = start(name, held), start(name, quick)
    proxy.fault = hold
    go(late)
    assert arrived.wait(600)
    go(other)
    version, moved = result(other)
    # The better of two versions, wherever the request of the other one is.
    assert (version, moved) == ("2", quick > held)
    release.set()
    assert result(late) == ("1", held > quick)
    assert holder(proxy, name) == max(held, quick)


def test_at_once_with_requests_that_take_their_time(proxy: Proxy, start):
    drawn = random.Random(7)
    for turn in range(3):
        name = f"at-once-{turn}"
        both = [start(name, accuracy) for accuracy in (0.7, 0.8)]
        proxy.fault = lambda _method, _path, _size: 0.5 * drawn.random()
        for process in both:
            go(process)
        found = [result(process) for process in both]
        assert found[1][1]
        assert holder(proxy, name) == 0.8


def test_the_first_of_equal_ones_keeps_it(proxy: Proxy, start):
    name = "equal"
    for number in (1, 2):
        process = start(name, 0.9)
        go(process)
        assert result(process) == (str(number), number == 1)
    assert holder(proxy, name) == 0.9
