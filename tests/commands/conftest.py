"""The real command lines, against a tracking database of the test session's own."""

import contextlib
import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from entrypoints import shell
from glassliquid.datasets.description import Dataset
from glassliquid.ensembles.ensemble import Ensemble

PROJECT = Path(__file__).resolve().parents[2]

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def tracking_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('tracking') / 'mlflow.db'}"


@pytest.fixture(scope="session")
def environment(tracking_uri: str) -> dict[str, str]:
    # mlflow looks `python` up on the path; the tests' own must be the one it finds.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    return {**kept, "PATH": path, "MLFLOW_TRACKING_URI": tracking_uri, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def command(environment: dict[str, str]) -> Command:
    """Runs `python -m entrypoints.NAME --option value ...`."""

    def run(entry_point: str, /, **options: object) -> subprocess.CompletedProcess[str]:
        return _run([sys.executable, "-m", f"entrypoints.{entry_point}", *_arguments(options)], environment)

    return run


@pytest.fixture(scope="session")
def client(tracking_uri: str) -> MlflowClient:
    """Reads the tracking database of the test session."""
    mlflow.set_tracking_uri(tracking_uri)
    return MlflowClient()


@pytest.fixture(scope="module")
def own_dir(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of one module's own, with the shared dataset: which runs appear in it can be watched."""
    folder = tmp_path_factory.mktemp("data")
    shutil.copytree(dataset.folder, folder / "datasets" / dataset.folder.name)
    return folder


@pytest.fixture
def quick_command(
    tracking_uri: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """The same in this process, which has imported PyTorch and MLflow already: for what takes a moment, as mistakes do."""

    def run(entry_point: str, /, **options: object) -> subprocess.CompletedProcess[str]:
        arguments = [f"entrypoints.{entry_point}", *_arguments(options)]
        monkeypatch.setattr(sys, "argv", arguments)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
        code: str | int | None = 0
        try:
            shell.run(importlib.import_module(f"entrypoints.{entry_point}").main)
        except SystemExit as ended:
            code = ended.code
        out, err = capfd.readouterr()
        return subprocess.CompletedProcess(arguments, int(code or 0), out, err)

    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield run
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def mlflow_run(environment: dict[str, str]) -> Command:
    """Runs `mlflow run . -e NAME -P option=value ...`."""

    def run(entry_point: str, /, **options: object) -> subprocess.CompletedProcess[str]:
        arguments = [part for key, value in options.items() for part in ("-P", f"{key}={value}")]
        mlflow = [sys.executable, "-m", "mlflow", "run", ".", "--env-manager", "local"]
        return _run([*mlflow, "-e", entry_point, *arguments], environment)

    return run


TRANSFER_NAME = "transfer-test"
"""Registered under a name of its own: other tests count the versions of the default one."""
TRANSFER_SETTINGS = {
    "batch_size": 14, "iterations": 25, "batches_per_iteration": 4, "eval_every": 5, "learning_rate": 0.01,
}  # fmt: skip


@pytest.fixture(scope="session")
def own_data(dataset: Dataset, ensemble: Ensemble, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the shared data, to which the tests of evaluate and transfer_eval may add."""
    folder = tmp_path_factory.mktemp("transfer")
    shutil.copytree(ensemble.folder, folder / "ensembles" / ensemble.name)
    shutil.copytree(dataset.folder, folder / "datasets" / dataset.name)
    return folder


@pytest.fixture(scope="session")
def trained_well(mlflow_run: Command, tracking_uri: str, own_data: Path) -> Run:
    """The run of a training run that is long enough to learn, registered as TRANSFER_NAME."""
    done = mlflow_run("train", data_dir=own_data, register_as=TRANSFER_NAME, **TRANSFER_SETTINGS)
    return run_of(done, MlflowClient(tracking_uri))


@pytest.fixture
def store(tracking_uri: str) -> mlflow.MlflowClient:
    mlflow.set_tracking_uri(tracking_uri)
    return mlflow.MlflowClient()


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `python -m entrypoints.sweep` or another command in a process group of its own, which ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **options: object) -> subprocess.Popen[str]:
        command = list(arguments) or [sys.executable, "-m", "entrypoints.sweep"]
        prefix = "-P" if arguments else "--"
        parts = [f"{key}={value}" for key, value in options.items()]
        given = [item for part in parts for item in ((prefix, part) if arguments else (prefix + part,))]
        process = subprocess.Popen(
            [*command, *given],
            cwd=PROJECT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def run_of(done: subprocess.CompletedProcess[str], client: MlflowClient) -> Run:
    """The run of a command that `mlflow run` has started."""
    assert done.returncode == 0, done.stderr
    found = re.search(r"in run with ID '(\w+)'", done.stderr)
    assert found, done.stderr
    return client.get_run(found.group(1))


def history(client: MlflowClient, run_id: str, key: str) -> list[tuple[int, float]]:
    """All points of a metric."""
    return [(metric.step, metric.value) for metric in client.get_metric_history(run_id, key)]


def _arguments(options: dict[str, object]) -> list[str]:
    return [part for key, value in options.items() for part in (f"--{key}", str(value))]


def _run(arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
