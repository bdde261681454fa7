"""Artifacts in an object store, or behind a proxy, that does not take them: a sentence, the run marked, the line that continues."""

import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.commands.conftest import Command, history
from tests.group.artifact_server import PLACE, artifact_server
from tests.group.proxy import Proxy, proxied
from tests.group.servers import BUCKET, KEYS, free_port

pytestmark = pytest.mark.xdist_group("object store")

TRAINING = {"batch_size": 14, "iterations": 4, "batches_per_iteration": 2, "eval_every": 2, "seed": 3}
DENIED = (
    403,
    '<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>',
)
TOO_LARGE = (413, "<html><head><title>413 Request Entity Too Large</title></head></html>")
FULL = (507, "No space left on device")


@pytest.fixture(scope="module")
def objects() -> Iterator[int]:
    """The port of an S3 object store with one bucket."""
    server = pytest.importorskip("moto.server", reason="no object store: the package moto is not installed")
    import boto3

    store = server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    store.start()
    host, port = store.get_host_and_port()
    keys = {"aws_access_key_id": "group", "aws_secret_access_key": "objects", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=f"http://{host}:{port}", **keys).create_bucket(Bucket=BUCKET)
    yield port
    store.stop()


@pytest.fixture(scope="module")
def web() -> Iterator[int]:
    """The port of a server that takes artifacts."""
    with artifact_server() as port:
        yield port


@pytest.fixture
def experiment(client: MlflowClient, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Makes an experiment whose artifacts are kept at an address, and lets commands work in it."""

    def make(address: str) -> str:
        name = f"kept {time.time_ns()}"
        monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", name)
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        return client.create_experiment(name, artifact_location=address)

    return make


@pytest.fixture
def bucket(objects: int, experiment, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Proxy, str]]:
    """A proxy before the object store, of the test's own: MLflow keeps its client for an address. The experiment."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with proxied(objects) as proxy:
        monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", proxy.address)
        yield proxy, experiment(f"s3://{BUCKET}/kept")


@pytest.fixture
def front(web: int, experiment) -> Iterator[tuple[Proxy, str]]:
    """A proxy before a server that takes artifacts. The experiment."""
    with proxied(web) as proxy:
        yield proxy, experiment(f"{proxy.address}{PLACE}/kept")


def last_run(client: MlflowClient, experiment_id: str):
    return client.search_runs([experiment_id], "tags.stage = 'train'", order_by=["attributes.start_time DESC"])[0]


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("no credentials", "Unable to locate credentials"),
        ("denied", "AccessDenied"),
        ("port closed", "Could not connect to the endpoint URL"),
        ("no boto3", "it needs the package boto3, which is not installed: pip install boto3"),
    ],
)
def test_an_object_store_that_refuses_from_the_beginning(
    trouble: str, reason: str, bucket, client, quick_command: Command, own_dir: Path, monkeypatch, tmp_path: Path
):
    proxy, experiment_id = bucket
    if trouble == "no credentials":
        for name in KEYS:
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    elif trouble == "denied":
        proxy.fault = lambda method, _path, _size: DENIED if method == "PUT" else None
    elif trouble == "port closed":
        monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    else:
        monkeypatch.setitem(sys.modules, "boto3", None)
    done = quick_command("train", data_dir=own_dir, **TRAINING)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    sentence = done.stderr.strip().splitlines()[-1]
    assert sentence.startswith(f"Error: The artifact store s3://{BUCKET}/kept/")
    assert re.search(r"did not accept config.json, \d\.\d kB \(", sentence)
    assert reason in sentence
    assert sentence.endswith("Nothing was trained yet: when it works again, run the same command again.")
    run = last_run(client, experiment_id)
    assert run.info.status == "FAILED"
    assert reason in run.data.tags["error"]


@pytest.mark.parametrize(
    ("fault", "reason"), [(DENIED, "AccessDenied"), ("cut", "onnection"), (FULL, "507")], ids=["denied", "cut", "full"]
)
def test_one_that_is_lost_at_the_end_loses_nothing(
    fault, reason: str, bucket, client, quick_command: Command, own_dir: Path
):
    """The sentence has the line that continues in the same run, which then has every point once and one model."""
    proxy, experiment_id = bucket
    proxy.fault = lambda method, path, _size: fault if method == "PUT" and "checkpoints" in path else None
    done = quick_command("train", data_dir=own_dir, register_as="kept-test", **TRAINING)
    assert done.returncode == 2, done.stderr
    sentence = done.stderr.strip().splitlines()[-1]
    assert re.search(r"did not accept current.safetensors, \d\.\d MB \(", sentence), done.stderr
    assert reason in sentence
    run_id = last_run(client, experiment_id).info.run_id
    assert "Nothing of the training run is lost: its checkpoint and its metrics are in" in sentence
    assert f"Continue with: mlflow run . -e train --env-manager local --run-id {run_id} -P resume={run_id}" in sentence
    assert client.get_run(run_id).data.tags["error"] == sentence.removeprefix("Error: ")
    proxy.fault = lambda _method, _path, _size: None
    done = quick_command("train", data_dir=own_dir, register_as="kept-test", resume=run_id)
    assert done.returncode == 0, done.stderr
    assert client.get_run(run_id).info.status == "FINISHED"
    assert [step for step, _ in history(client, run_id, "loss")] == [1, 2, 3, 4]
    kept = {file.path for file in client.list_artifacts(run_id, "checkpoints")}
    assert kept == {"checkpoints/current.safetensors", "checkpoints/best.safetensors"}
    versions = client.search_model_versions(f"name = 'kept-test' and run_id = '{run_id}'")
    assert len(versions) == 1
    assert not (own_dir / "runs" / run_id / "current.safetensors").exists()
    # No key, no model: but that is no damage.
    proxy.fault = lambda _method, _path, _size: DENIED
    done = quick_command("evaluate", data_dir=own_dir, model=f"models:/kept-test/{versions[0].version}")
    assert done.returncode == 2
    assert "damaged" not in done.stderr
    assert re.search("AccessDenied|403|Forbidden", done.stderr), done.stderr


def test_a_proxy_that_takes_no_large_file_is_named_with_the_files_size(
    front, client, quick_command: Command, own_dir: Path
):
    proxy, experiment_id = front
    sizes: list[int] = []

    def limit(_method: str, _path: str, size: int) -> tuple[int, str] | None:
        if size <= 50_000:
            return None
        sizes.append(size)
        return TOO_LARGE

    proxy.fault = limit
    done = quick_command("train", data_dir=own_dir, **TRAINING)
    assert done.returncode == 2, done.stderr
    assert f"did not accept current.safetensors, {sizes[0] / 1e6:.1f} MB (413, a proxy in front of it" in done.stderr
    assert "in nginx client_max_body_size" in done.stderr
    assert last_run(client, experiment_id).info.status == "FAILED"


def test_states_are_sent_while_a_training_runs_if_that_is_asked_for(
    front, client, quick_command: Command, own_dir: Path
):
    """Every so many minutes those that have changed; what the store does not take then is sent at the end."""
    proxy, experiment_id = front
    sent: list[str] = []
    refused: list[str] = []

    def refuse_the_first(method: str, path: str, _size: int) -> tuple[int, str] | None:
        if method == "PUT" and "checkpoints" in path:
            sent.append(path)
            if not refused:
                refused.append(path)
                return FULL
        return None

    proxy.fault = refuse_the_first
    settings = {**TRAINING, "iterations": 60, "register_as": "none"}
    done = quick_command("train", data_dir=own_dir, upload_every=0.005, **settings)
    assert done.returncode == 0, done.stderr
    assert len(sent) > 3
    sent.clear()
    done = quick_command("train", data_dir=own_dir, **settings)
    assert done.returncode == 0, done.stderr
    assert len(sent) == 2
    kept = {file.path for file in client.list_artifacts(last_run(client, experiment_id).info.run_id, "checkpoints")}
    assert kept == {"checkpoints/current.safetensors", "checkpoints/best.safetensors"}
