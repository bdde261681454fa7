"""An object store to which the commands themselves write, and a server in front of one: away, refusing, silent, slow, full."""

import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.figures import Tally
from tests.faults.workplace import TRAINING, Workplace, points, trains
from tests.group.proxy import Proxy, proxied
from tests.group.servers import BUCKET, KEYS, Process, free_port, mlflow_server, object_store

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(1800)]

LONG = {**TRAINING, "iterations": 1_000_000, "eval_every": 50}
ENDS_WITHIN_S = 30.0
"""After SIGTERM, whatever hangs."""
DENIED = (
    403,
    '<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>',
)
TOO_LARGE = (413, "<html><head><title>413 Request Entity Too Large</title></head></html>")
FULL = (507, "No space left on device")
NO_BOTO3 = "import sys\nsys.modules['boto3'] = None\n"


@dataclass(frozen=True)
class Stack:
    """A server whose clients write to the object store themselves, and one that does it for them; a proxy before each way."""

    store: Process
    objects: Proxy
    """Between whoever writes objects and the store."""
    front: Proxy
    """Between the commands and the server that writes objects for them."""
    direct: Process


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("group")
    artifacts = f"s3://{BUCKET}/artifacts"
    with object_store(folder / "objects") as store, proxied(store.port) as objects:
        keys = {**KEYS, "MLFLOW_S3_ENDPOINT_URL": objects.address}
        direct = mlflow_server(folder / "direct", f"sqlite:///{folder}/direct.db", artifacts, keys, direct=True)
        through = mlflow_server(folder / "through", f"sqlite:///{folder}/through.db", artifacts, keys)
        with direct as first, through as second, proxied(second.port) as front:
            yield Stack(store, objects, front, first)


@pytest.fixture(autouse=True)
def healthy(stack: Stack) -> Iterator[None]:
    yield
    for proxy in (stack.objects, stack.front):
        proxy.fault = lambda _method, _path, _size: None
        proxy.upload_rate = float("inf")


@pytest.fixture
def direct_place(stack: Stack, workplace, dataset) -> Workplace:
    place = workplace(server=stack.direct.address)
    place.take(dataset)
    place.environment |= {**KEYS, "MLFLOW_S3_ENDPOINT_URL": stack.objects.address}
    return place


def ended(place: Workplace, process, code: int = 2) -> str:
    """What a command said that ended with one sentence; its run is marked and says why."""
    assert process.wait(600) == code, place.said(process)
    said = place.said(process)
    assert "Traceback" not in said, said
    return said


def last_run(place: Workplace):
    return place.runs("train")[-1]


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("no credentials", "Unable to locate credentials"),
        ("denied", "AccessDenied"),
        ("port closed", "Could not connect to the endpoint URL"),
        ("no boto3", "needs the package boto3, which is not installed: pip install boto3"),
    ],
)
def test_an_object_store_that_refuses_is_a_sentence_before_anything_is_trained(
    trouble: str, reason: str, stack: Stack, direct_place: Workplace, tmp_path: Path
):
    place = direct_place
    if trouble == "no credentials":
        for name in KEYS:
            del place.environment[name]
        place.environment |= {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(tmp_path)}
    elif trouble == "denied":
        stack.objects.fault = lambda method, _path, _size: DENIED if method == "PUT" else None
    elif trouble == "port closed":
        place.environment["MLFLOW_S3_ENDPOINT_URL"] = f"http://127.0.0.1:{free_port()}"
    else:
        (tmp_path / "sitecustomize.py").write_text(NO_BOTO3)
        place.environment["PYTHONPATH"] += f":{tmp_path}"
    said = ended(place, place.start("train", **TRAINING))
    assert reason in said, said
    assert "The artifact store s3://glassliquid/artifacts/0/" in said
    assert "config.json" in said
    assert "Nothing was trained yet: when it works again, run the same command again." in said
    run = last_run(place)
    assert run.info.status == "FAILED"
    assert reason in run.data.tags["error"]


CUT = "cut"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(DENIED, "AccessDenied"), (CUT, "onnection"), (FULL, "507")],
    ids=["denied", "cuts uploads in the middle", "full"],
)
def test_one_that_is_lost_at_the_end_loses_nothing(
    fault: str | tuple[int, str], reason: str, stack: Stack, direct_place: Workplace
):
    """The sentence has the line that continues, in the same run, which then has every point once and one model."""
    place, tally = direct_place, Tally("train", f"object store {fault if fault == CUT else fault[0]} at the end", 1)
    stack.objects.fault = lambda method, path, _size: fault if method == "PUT" and "checkpoints" in path else None
    said = ended(place, place.start("train", **TRAINING))
    assert re.search(r"The artifact store \S+ did not take current.safetensors, \d+\.\d [kM]B \(", said), said
    assert reason in said, said
    run = last_run(place)
    line = f"Continue with: mlflow run . -e train --env-manager local --run-id {run.info.run_id} -P resume={run.info.run_id}"
    assert "Nothing of the training is lost" in said
    assert line in said
    assert line in run.data.tags["error"]
    tally.same("status", run.info.status, "FAILED")
    stack.objects.fault = lambda _method, _path, _size: None
    place.run("train", resume=run.info.run_id)
    finish(tally, place, run.info.run_id)


def finish(tally: Tally, place: Workplace, run_id: str) -> None:
    """The run is complete: every point of it once, one model, and nothing half-written."""
    tally.compared += 1
    steps = [step for step, _ in points(place.client, run_id, "loss")]
    tally.count("loss", steps, list(range(1, TRAINING["iterations"] + 1)))
    tally.same("status", place.client.get_run(run_id).info.status, "FINISHED")
    versions = [v.version for v in place.client.search_model_versions(f"run_id = '{run_id}'")]
    tally.same("versions", len(versions), 1)
    kept = {file.path for file in place.client.list_artifacts(run_id, "checkpoints")}
    tally.same("checkpoints", kept, {"checkpoints/current.safetensors", "checkpoints/best.safetensors"})
    tally.left += place.left_behind()
    tally.settle()


def test_one_that_is_away_in_the_middle_stops_nothing(stack: Stack, direct_place: Workplace):
    place, tally = direct_place, Tally("train", "object store away in mid-training", injected=1)
    process = place.start("train", **TRAINING, upload_every=0.02)
    run_id = trains(place)
    stack.objects.fault = lambda _method, _path, _size: (503, "<Error><Code>SlowDown</Code></Error>")
    time.sleep(5)
    stack.objects.fault = lambda _method, _path, _size: None
    assert process.wait(600) == 0, place.said(process)
    finish(tally, place, run_id)


@pytest.mark.parametrize("way", ["direct", "through the server"])
@pytest.mark.parametrize("answer", ["hang", 60.0], ids=["silent", "slow"])
def test_sigterm_ends_a_training_whose_upload_hangs(
    way: str, answer: str | float, stack: Stack, direct_place: Workplace, workplace, dataset
):
    place, proxy = direct_place, stack.objects
    if way != "direct":
        place, proxy = workplace("through", server=stack.front.address), stack.front
        place.take(dataset)
    uploads: list[str] = []

    def fault(method: str, path: str, _size: int) -> str | float | None:
        if method in ("PUT", "POST") and "checkpoints" in path:
            uploads.append(path)
            return answer
        return None

    proxy.fault = fault
    process = place.start("train", **LONG)
    run_id = trains(place)
    process.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    said = ended(place, process, 143)
    took = time.monotonic() - asked
    assert uploads
    assert took < ENDS_WITHIN_S, said
    assert f"--run-id {run_id} -P resume={run_id}" in said
    run = place.client.get_run(run_id)
    assert run.info.status == "KILLED"
    assert "Continue with" in run.data.tags["mlflow.note.content"]


def test_bytes_that_flow_are_no_time_out(stack: Stack, workplace, dataset):
    """Silence may last three seconds and one more for every 2 MB: an upload of twice that goes through, silence does not."""
    place = workplace("slow", server=stack.front.address)
    place.take(dataset)
    place.environment |= {"MLFLOW_HTTP_REQUEST_TIMEOUT": "3", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    large = {**TRAINING, "model": "cnn2018", "iterations": 2}
    took: list[float] = []

    def slow(method: str, path: str, size: int) -> None:
        stack.front.upload_rate = float("inf")
        if method == "PUT" and path.endswith("current.safetensors"):
            took.append(2 * (3 + size / 2e6))
            stack.front.upload_rate = size / took[-1]

    stack.front.fault = slow
    began = time.monotonic()
    place.run("train", **large)
    assert len(took) == 1
    assert time.monotonic() - began > took[0] > 20
    stack.front.fault = lambda _method, path, _size: "hang" if path.endswith("current.safetensors") else None
    said = ended(place, place.start("train", **large))
    assert "Read timed out" in said
    assert "Continue with" in said


def test_a_proxy_that_takes_no_large_file_is_named_with_its_limit(stack: Stack, workplace, dataset):
    place = workplace("limited", server=stack.front.address)
    place.take(dataset)
    limit = 50_000
    stack.front.fault = lambda _method, _path, size: TOO_LARGE if size > limit else None
    said = ended(place, place.start("train", **TRAINING))
    found = re.search(r"did not take current.safetensors, (\d+\.\d) MB \((.*?)\)", said)
    assert found, said
    assert 1e6 * float(found.group(1)) > limit
    assert "client_max_body_size" in found.group(2)
