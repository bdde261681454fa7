"""A registered model behind a real `mlflow models serve`."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch

from glassliquid.datasets.configurations import as_array
from glassliquid.datasets.description import Dataset
from glassliquid.ensembles.ensemble import Ensemble
from glassliquid.ensembles.split import Split
from glassliquid.evaluation.predict import predict_logits
from glassliquid.evaluation.scores import glass_probabilities
from glassliquid.inputs.images.decoded import load_split
from glassliquid.physics.structure import features
from glassliquid.tracking.find_model import find_model
from glassliquid.trajectories.trajectory import read_configurations
from tests.commands.conftest import Command

pytestmark = pytest.mark.slow

NAME = "served-test"
START_S = 120
SETTINGS = {"batch_size": 14, "iterations": 10, "batches_per_iteration": 4, "learning_rate": 0.01, "register_as": NAME}


@contextlib.contextmanager
def server(name: str, environment: dict[str, str], log: Path) -> Iterator[str]:
    """Where `mlflow models serve` of a registered model answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = ["models", "serve", "-m", f"models:/{name}@data_liquid5", "--env-manager", "local", "-p", str(port)]
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *serve, "-h", "127.0.0.1"],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # its workers are in its process group, which is stopped as a whole
        )
    try:
        _wait(f"http://127.0.0.1:{port}/ping", process, log)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


@pytest.fixture(scope="module")
def address(
    command: Command, environment: dict[str, str], data_dir: Path, dataset: Dataset, tmp_path_factory
) -> Iterator[str]:
    """Where the server of a freshly registered version answers."""
    done = command("train", data_dir=data_dir, **SETTINGS)
    assert done.returncode == 0, done.stderr
    with server(NAME, environment, tmp_path_factory.mktemp("serving") / "server.log") as found:
        yield found


def _wait(url: str, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(url, timeout=5)
            return
        assert server.poll() is None, log.read_text()
        time.sleep(0.3)
    pytest.fail(f"no answer within {START_S} s: {log.read_text()}")


def ask(address: str, inputs: object) -> tuple[int, dict]:
    body = json.dumps({"inputs": inputs}).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_it_answers_images_with_the_probability_of_glass(
    address: str, tracking_uri: str, dataset: Dataset, data_dir: Path
):
    mlflow.set_tracking_uri(tracking_uri)
    version = mlflow.MlflowClient().get_model_version_by_alias(NAME, "data_liquid5")
    model = find_model(version.run_id, data_dir / "runs").model
    images = np.array(load_split(dataset, Split.TEST).values)
    expected = glass_probabilities(predict_logits(model, torch.from_numpy(images), torch.device("cpu")))
    for batch in (images, images[:1]):
        status, answer = ask(address, batch.tolist())
        assert status == 200, answer
        # The exported program may add in another order than the network.
        np.testing.assert_allclose(answer["predictions"], expected[: len(batch)], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("wrong", ["another size", "not uint8", "no image"])
def test_what_is_not_an_image_is_refused(address: str, wrong: str):
    inputs = {
        "another size": np.zeros((1, 32, 32, 3), int).tolist(),
        "not uint8": np.full((1, 64, 64, 3), 256).tolist(),
        "no image": "glass?",
    }[wrong]
    status, answer = ask(address, inputs)
    assert status == 400
    assert answer["message"]


def asked_of(ensemble: Ensemble, model: str) -> np.ndarray:
    """Glass and liquid of a simulation as the model takes them: as configurations, or as their features."""
    found = read_configurations(ensemble.path(ensemble.simulations[0]), [200, 5])
    if model == "graph":
        return np.stack([as_array(each) for each in found])
    return np.stack([features(each.positions, each.types, each.length) for each in found])


@pytest.mark.parametrize("model", ["graph", "structure"])
def test_it_answers_particles_with_the_probability_of_glass(
    command: Command,
    environment: dict[str, str],
    data_dir: Path,
    dataset: Dataset,
    ensemble: Ensemble,
    tmp_path: Path,
    model: str,
):
    name = f"served-{model}"
    done = command("train", data_dir=data_dir, model=model, **{**SETTINGS, "register_as": name})
    assert done.returncode == 0, done.stderr
    mlflow.set_tracking_uri(environment["MLFLOW_TRACKING_URI"])
    network = find_model(f"models:/{name}@data_liquid5", data_dir / "runs").model
    asked = asked_of(ensemble, model)
    with torch.inference_mode():
        logits = network(network.reads.served(torch.from_numpy(asked)))
    with server(name, environment, tmp_path / "server.log") as address:
        for batch in (asked, asked[:1]):
            status, answer = ask(address, batch.tolist())
            assert status == 200, answer
            expected = glass_probabilities(logits.numpy())[: len(batch)]
            np.testing.assert_allclose(answer["predictions"], expected, rtol=1e-4, atol=1e-6)
        assert expected[0] > 0.5
        refused: dict[str, object] = {"": asked[..., :3].tolist()}
        if model == "graph":
            status, answer = ask(address, asked[:, :60].tolist())  # fewer particles than it was trained on
            assert status == 200
            unknown, apart = asked.copy(), asked * np.array([30, 30, 1, 30], np.float32)
            unknown[0, 0, 2] = 2
            refused |= {"species in a configuration is unknown": unknown.tolist(), "no particle has a": apart.tolist()}
        for message, inputs in refused.items():
            status, answer = ask(address, inputs)
            assert status == 400, (message, answer)
            assert message in json.dumps(answer)  # MLflow has what a model says in `stack_trace`
