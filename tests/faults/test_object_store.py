"""Real training runs whose object store, or server of artifacts, is away, silent or slow, and whose database is restarted.

What refuses at once is in tests/commands/test_object_store.py.
"""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from glassliquid.training.checkpoint import BEST, CURRENT
from tests.faults.figures import Tally
from tests.faults.workplace import PATIENCE_S, TRAINING, Workplace, points, trains, wait_for
from tests.group.artifact_server import PLACE, artifact_server
from tests.group.proxy import Fault, Proxy, proxied
from tests.group.servers import BUCKET, KEYS, object_store
from tests.postgresql import server as postgresql_server

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(3000)]

ENDS_WITHIN_S = 30.0
"""After SIGTERM, whatever hangs."""
EXPERIMENT = "kept"
FULL, SLOW_DOWN = (507, "No space left on device"), (503, "<Error><Code>SlowDown</Code></Error>")


@pytest.fixture(params=["object store", "server"])
def kept(request: pytest.FixtureRequest, workplace, dataset, tmp_path: Path) -> Iterator[tuple[Workplace, Proxy]]:
    """A workplace whose artifacts go to an object store, or to a server, through a proxy."""
    place = workplace()
    place.take(dataset)
    place.environment["MLFLOW_EXPERIMENT_NAME"] = EXPERIMENT
    if request.param == "server":
        with artifact_server() as port, proxied(port) as proxy:
            place.client.create_experiment(EXPERIMENT, f"{proxy.address}{PLACE}/kept")
            yield place, proxy
        return
    with object_store(tmp_path / "objects") as store, proxied(store.port) as proxy:
        place.environment |= {**KEYS, "MLFLOW_S3_ENDPOINT_URL": proxy.address}
        place.client.create_experiment(EXPERIMENT, f"s3://{BUCKET}/kept")
        yield place, proxy


def finish(
    tally: Tally, place: Workplace, client: MlflowClient, run_id: str, iterations: int = int(TRAINING["iterations"])
) -> None:
    """The run is complete: every point of it once, one model, and nothing half-written."""
    tally.compared += 1
    steps = [step for step, _ in points(client, run_id, "loss")]
    tally.count("loss", steps, range(1, iterations + 1))
    tally.same("status", client.get_run(run_id).info.status, "FINISHED")
    tally.same("versions", len(client.search_model_versions(f"run_id = '{run_id}'")), 1)
    tally.left += place.left_behind()
    tally.settle()


@pytest.mark.parametrize("answer", ["hang", 90.0], ids=["silent", "slow"])
def test_sigterm_ends_a_training_whose_upload_hangs(answer: str | float, kept):
    """It says how it continues, in time, and the same run has everything when it has."""
    place, proxy = kept
    tally = Tally("train", f"SIGTERM while an upload hangs, {answer}", injected=1)
    uploads: list[str] = []

    def hang(method: str, path: str, _size: int) -> str | float | None:
        if method == "PUT" and "checkpoints" in path:
            uploads.append(path)
            return answer
        return None

    proxy.fault = hang
    process = place.start("train", **TRAINING)
    run_id = trains(place)
    wait_for(lambda: uploads)
    asked = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(600) == 143, place.said(process)
    took = time.monotonic() - asked
    said = place.said(process)
    assert took < ENDS_WITHIN_S, said
    assert "Traceback" not in said, said
    assert f"--run-id {run_id} -P resume={run_id}" in said
    run = place.client.get_run(run_id)
    assert run.info.status == "KILLED"
    assert "Continue with" in run.data.tags["mlflow.note.content"]
    proxy.fault = lambda _method, _path, _size: None
    place.run("train", resume=run_id)
    finish(tally, place, place.client, run_id)


@pytest.mark.parametrize("fault", ["gone", "cut", FULL, SLOW_DOWN, 5.0], ids=["away", "cut", "full", "busy", "slow"])
def test_one_that_fails_in_the_middle_stops_nothing(fault, kept, request: pytest.FixtureRequest):
    """The training goes on at once, and what the store did not take it gets when it works again."""
    place, proxy = kept
    tally = Tally("train", f"artifacts in mid-training: {request.node.callspec.id}", injected=1)
    iterations, troubled, taken = 400, list[str](), set[str]()

    def fail(method: str, path: str, _size: int) -> Fault:
        # What is kept at the beginning is taken.
        if (fault == "gone" and troubled) or (method == "PUT" and "checkpoints" in path):
            troubled.append(path)
            return fault
        return None

    proxy.fault = fail
    process = place.start("train", **{**TRAINING, "iterations": iterations}, upload_every=0.01)
    run_id = trains(place)
    journal = place.data / "runs" / run_id / "metrics.jsonl"
    wait_for(lambda: troubled)
    reached = journal.stat().st_size
    wait_for(lambda: journal.stat().st_size > reached + 20_000)
    assert process.poll() is None, place.said(process)
    proxy.fault = lambda method, path, _size: taken.add(path.rpartition("/")[2]) if method == "PUT" else None
    assert process.wait(PATIENCE_S) == 0, place.said(process)
    assert "Traceback" not in place.said(process)
    assert taken >= {CURRENT, BEST, "training.png", "model.pt2"}
    finish(tally, place, place.client, run_id, iterations)


@pytest.mark.parametrize("kept", ["server"], indirect=True)
def test_bytes_that_flow_are_no_time_out(kept):
    """Silence may last three seconds and one more for every 2 MB: an upload of twice that goes through, silence does not."""
    place, proxy = kept
    place.environment |= {"MLFLOW_HTTP_REQUEST_TIMEOUT": "3", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    large = {**TRAINING, "model": "cnn2018", "iterations": 2}
    allowed: list[float] = []

    def slow(method: str, path: str, size: int) -> None:
        proxy.upload_rate = float("inf")
        if method == "PUT" and path.endswith("current.safetensors"):
            allowed.append(3 + size / 2e6)
            proxy.upload_rate = size / (2 * allowed[-1])

    proxy.fault = slow
    began = time.monotonic()
    place.run("train", **large)
    assert len(allowed) == 1
    assert time.monotonic() - began > 2 * allowed[0] > 20
    proxy.fault = lambda _method, path, _size: "hang" if path.endswith("current.safetensors") else None
    process = place.start("train", **large)
    assert process.wait(900) == 2, place.said(process)
    assert "Read timed out" in place.said(process)
    assert "Continue with" in place.said(process)


def test_a_database_that_is_restarted_has_every_point_once(workplace, dataset):
    tally = Tally("train", "database restarted", injected=1)
    with postgresql_server() as database:
        address = database.address.replace("postgresql://", "postgresql+psycopg://")
        place = workplace(server=address)
        place.take(dataset)
        process = place.start("train", **{**TRAINING, "iterations": 1_000_000, "eval_every": 50})
        run_id = trains(place)
        wait_for(lambda: points(place.client, run_id, "loss"))
        database.stop()
        time.sleep(8)
        database.start()
        reached = (place.data / "runs" / run_id / "metrics.jsonl").stat().st_size
        wait_for(lambda: (place.data / "runs" / run_id / "metrics.jsonl").stat().st_size > reached + 4000)
        process.send_signal(signal.SIGTERM)
        assert process.wait(600) == 143, place.said(process)
        place.run("tidy")  # sends what a busy machine had no time to send
        recorded = map(json.loads, (place.data / "runs" / run_id / "metrics.jsonl").read_text().splitlines())
        tally.compared += 1
        steps = [step for step, _ in points(place.client, run_id, "loss")]
        tally.count("loss", steps, [point["step"] for point in recorded if point["key"] == "loss"])
        tally.same("status", place.client.get_run(run_id).info.status, "KILLED")
        tally.settle()
