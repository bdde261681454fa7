"""A training run whose tracking server is killed: it continues, at its speed, and every point reaches the server once."""

import itertools
import json
import os
import re
import shlex
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import long, short
from tests.faults.figures import Tally, note
from tests.faults.workplace import PROJECT, TRAINING, Workplace, points, trains, wait_for
from tests.group.servers import Process, mlflow_server, running

KEYS = (
    "loss",
    "learning_rate",
    "images_per_second",
    "gradient_norm",
    "weight_norm",
    "val_loss",
    "val_accuracy",
    "val_auc",
)
LONGEST_GAP_S = 3.0
"""Between two iterations of a tenth of a second or less. One request to a server that is gone, with MLflow's tries, takes
longer than that; a busy machine does not stop a training run so long."""
SLOWER_BY = 1.05
FIRST_ITERATIONS = 20
"""Slower than the rest, as memory and caches fill."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Process]:
    with running(mlflow_server(tmp_path / "server")) as started:
        yield started


def journal(place: Workplace, run_id: str) -> list[dict[str, float]]:
    """The points that a run has recorded on this machine."""
    text = (place.data / "runs" / run_id / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def check_points(tally: Tally, place: Workplace, run_id: str) -> None:
    """What the server has of every metric is what was recorded, each point once."""
    recorded = journal(place, run_id)
    for key in KEYS:
        kept = sorted((int(point["step"]), point["value"]) for point in recorded if point["key"] == key)
        assert kept, key
        tally.count(key, points(place.client, run_id, key), kept)


def iteration_times(place: Workplace, run_id: str) -> list[float]:
    """When each iteration was recorded [s]."""
    return [point["timestamp"] / 1000 for point in journal(place, run_id) if point["key"] == "loss"]


def check_speed(what: str, place: Workplace, run_id: str, away: tuple[float, float], slower_by: float | None) -> None:
    """Iterations while the server is away stop for nothing, and take as long as the others."""
    times = iteration_times(place, run_id)[FIRST_ITERATIONS:]
    gaps = [(later, later - earlier) for earlier, later in itertools.pairwise(times)]
    during = [gap for moment, gap in gaps if away[0] < moment < away[1]]
    others = [gap for moment, gap in gaps if not away[0] < moment < away[1]]
    assert max(during) < LONGEST_GAP_S
    # The median: other programs of the machine lengthen single iterations.
    ratio = statistics.median(during) / statistics.median(others)
    note(
        f"{what}: {len(during)} iterations meanwhile, their median {ratio:.3f} times that of the {len(others)} others; the "
        f"longest took {max(during):.2f} s."
    )
    if slower_by is not None:
        assert ratio < slower_by


@pytest.mark.faults
@pytest.mark.parametrize("outage_s", [short(5), long(120)])
def test_a_server_that_comes_back_has_every_point_once(outage_s: float, workplace, dataset, server: Process):
    tally, place = Tally("train", f"server away for {outage_s} s", injected=1), workplace(server=server.address)
    place.take(dataset)
    process = place.start("train", **{**TRAINING, "iterations": 1_000_000, "eval_every": 50})
    run_id = trains(place)
    wait_for(lambda: points(place.client, run_id, "loss"))
    time.sleep(min(outage_s / 2, 20))
    server.kill()
    killed = time.time()
    time.sleep(outage_s)
    back = time.time()
    assert process.poll() is None, place.said(process)
    times = iteration_times(place, run_id)
    server.start()
    wait_for(lambda: len(points(place.client, run_id, "loss")) > len(times))
    time.sleep(min(outage_s / 2, 20))
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(60) == 143, place.said(process)
    tally.compared += 1
    check_points(tally, place, run_id)
    tally.same("status", place.client.get_run(run_id).info.status, "KILLED")
    # A few seconds are too few to tell 5 % on a machine that does anything else.
    check_speed(f"Server away for {outage_s} s", place, run_id, (killed, back), SLOWER_BY if outage_s > 60 else None)
    tally.settle()


@pytest.mark.faults
@pytest.mark.long
@pytest.mark.timeout(3000)
def test_a_server_that_does_not_come_back_loses_no_work(workplace, dataset, server: Process):
    """The training ends, says where everything is and how to continue; one command sends the points, one ends the run."""
    tally, place = Tally("train", "server gone at the end", injected=1), workplace(server=server.address)
    place.take(dataset)
    # MLflow's tries of an unreachable server take 13 s for every call; with one they fail at once.
    iterations = 600
    settings = {**TRAINING, "iterations": iterations, "eval_every": 20}
    process = place.start("train", {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}, **settings)
    run_id = trains(place)
    wait_for(lambda: len(iteration_times(place, run_id)) >= iterations // 2)
    server.kill()
    killed = time.time()
    assert process.wait(300) == 2, place.said(process)
    said = place.said(process)
    assert "Traceback" not in said
    assert f"Nothing of the training run is lost: its checkpoint and its metrics are in data/runs/{run_id}." in said
    line = re.search(r"Continue with: (mlflow run .*)", said)
    assert line, said
    away = (killed, time.time())
    check_speed("Server gone for good", place, run_id, away, SLOWER_BY)
    recorded = journal(place, run_id)
    steps = [point["step"] for point in recorded if point["key"] == "loss"]
    tally.count("iterations in the file", steps, range(1, iterations + 1))
    server.start()
    sent = len({(point["key"], point["step"]) for point in recorded})
    told = place.run("tidy")
    assert re.search(r"Runs that dead processes had left RUNNING, now KILLED: 1\.", told), told
    assert line.group(1) in told
    waited = re.search(r"Waiting metric points sent: (\d+), from 1 runs\.", told)
    assert waited and 0 < int(waited.group(1)) <= sent, told
    check_points(tally, place, run_id)
    tally.same("status", place.client.get_run(run_id).info.status, "KILLED")
    assert "points sent: 0, from 0 runs" in place.run("tidy")
    # The line is pasted in the folder of the clone; only the data are elsewhere here.
    pasted = [*shlex.split(line.group(1)), "-P", f"data_dir={place.data}"]
    done = subprocess.run(pasted, cwd=PROJECT, env=place.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    tally.compared += 1
    check_points(tally, place, run_id)
    tally.same("status", place.client.get_run(run_id).info.status, "FINISHED")
    versions = place.client.search_model_versions("name = 'glass-liquid'")
    tally.count("versions", [version.run_id for version in versions], [run_id])
    tally.left += place.running() + place.left_behind()
    tally.settle()
