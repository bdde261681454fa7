"""Training runs that are stopped, killed, continued and changed, through `mlflow run` with real signals."""

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from glassliquid.training.checkpoint import load_checkpoint
from tests.commands.conftest import PROJECT, Command, history

pytestmark = pytest.mark.xdist_group("stop")

SETTINGS = {"batch_size": 14, "batches_per_iteration": 4, "eval_every": 2, "seed": 3, "register_as": "none"}
ENDLESS = {**SETTINGS, "iterations": 1_000_000}
CURVES = ("loss", "learning_rate", "val_loss", "val_accuracy", "val_auc", "gradient_norm", "weight_norm")

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Start]:
    """Starts `mlflow run . -e train` in a process group of its own."""
    started: list[subprocess.Popen[str]] = []

    def begin(*extra: str, **options: object) -> subprocess.Popen[str]:
        parameters = [part for key, value in options.items() for part in ("-P", f"{key}={value}")]
        command = [sys.executable, "-m", "mlflow", "run", ".", "-e", "train", "--env-manager", "local"]
        process = subprocess.Popen(
            [*command, *extra, *parameters], cwd=PROJECT, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            kill_group(process)
            process.communicate()


def kill_group(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def wait_for(condition: Callable[[], object], seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def points(own_dir: Path, run_id: str) -> int:
    """Lines in the journal of a run."""
    journal = own_dir / "runs" / run_id / "metrics.jsonl"
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def training_run(process: subprocess.Popen[str], own_dir: Path, known: set[str]) -> str:
    """The id of the run that a started process is training, once it trains."""
    folder = own_dir / "runs"

    def fresh() -> list[str]:
        return [path.parent.name for path in folder.glob("*/metrics.jsonl") if path.parent.name not in known]

    wait_for(lambda: fresh() or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    return fresh()[0]


def wait_for_points(process: subprocess.Popen[str], data_dir: Path, run_id: str, count: int) -> None:
    wait_for(lambda: points(data_dir, run_id) >= count or process.poll() is not None)


def runs_in(own_dir: Path) -> set[str]:
    return {path.name for path in (own_dir / "runs").glob("*")}


def final_weights(run_id: str, folder: Path) -> dict[str, torch.Tensor]:
    import mlflow

    path = mlflow.artifacts.download_artifacts(
        run_id=run_id, artifact_path="checkpoints/current.safetensors", dst_path=str(folder / run_id)
    )
    return load_checkpoint(Path(path)).model


def assert_same_run(client, one: str, other: str, folder: Path) -> None:
    """Same weights bit for bit, same curves point by point."""
    weights, expected = final_weights(one, folder), final_weights(other, folder)
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
    for key in CURVES:
        assert history(client, one, key) == history(client, other, key), key
        assert history(client, one, key), key


@pytest.mark.parametrize(
    "target", ["the training, SIGTERM", "the terminal, SIGINT", "the terminal, SIGHUP", "mlflow run, SIGTERM"]
)
def test_a_signal_saves_the_state_and_says_how_to_go_on(start: Start, client, own_dir: Path, target: str):
    process = start(data_dir=own_dir, **ENDLESS)
    run_id = training_run(process, own_dir, runs_in(own_dir))
    wait_for_points(process, own_dir, run_id, 10)
    training = int(client.get_run(run_id).data.tags["process"].split()[0])
    if target.startswith("the terminal"):
        os.killpg(process.pid, signal.SIGHUP if "SIGHUP" in target else signal.SIGINT)
    else:
        os.kill(training if "training" in target else process.pid, signal.SIGTERM)
    output, _ = process.communicate(timeout=300)
    wait_for(lambda: client.get_run(run_id).info.status != "RUNNING")
    assert process.returncode != 0
    assert "Traceback" not in output.split("Stopped after iteration")[0]
    line = re.search(r"Continue with: (mlflow run .*)", output).group(1)
    stored = client.get_run(run_id)
    assert stored.info.status in ({"KILLED"} if "mlflow" in target or "SIGHUP" in target else {"KILLED", "FAILED"})
    assert line in stored.data.tags["mlflow.note.content"]
    iteration = int(re.search(r"Stopped after iteration (\d+)", output).group(1))
    assert [step for step, _ in history(client, run_id, "loss")] == list(range(1, iteration + 1))


def test_a_pasted_line_finishes_the_run(start: Start, client, command: Command, own_dir: Path, environment, tmp_path):
    """Stopped in the middle by SIGTERM, the run ends as the one that nobody stopped, and stays out of the registry too."""
    settings = {**SETTINGS, "iterations": 40}
    whole = command("train", data_dir=own_dir, version="whole", **settings)
    assert whole.returncode == 0, whole.stderr
    known = runs_in(own_dir)
    process = start(data_dir=own_dir, **settings)
    run_id = training_run(process, own_dir, known)
    wait_for_points(process, own_dir, run_id, 30)
    training = int(client.get_run(run_id).data.tags["process"].split()[0])
    os.kill(training, signal.SIGTERM)
    output, _ = process.communicate(timeout=300)
    line = re.search(r"Continue with: (mlflow run .*)", output).group(1)
    pasted = subprocess.run(
        ["bash", "-c", line], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )
    assert pasted.returncode == 0, pasted.stderr
    assert client.get_run(run_id).info.status == "FINISHED"
    assert not client.search_model_versions(f"run_id = '{run_id}'")
    assert "Not registered." in client.get_run(run_id).data.tags["mlflow.note.content"]
    reference = client.search_runs(["0"], "tags.version = 'whole'")[0].info.run_id
    assert_same_run(client, run_id, reference, tmp_path)


@pytest.mark.slow
@pytest.mark.faults
def test_ten_times_killed_is_bit_for_bit_the_undisturbed_run(
    start: Start, client, command: Command, own_dir: Path, tmp_path: Path
):
    settings = {**SETTINGS, "iterations": 40, "batches_per_iteration": 20}
    undisturbed = command("train", data_dir=own_dir, version="undisturbed", **settings)
    assert undisturbed.returncode == 0, undisturbed.stderr
    moments, known = random.Random(20180202), runs_in(own_dir)
    process = start(data_dir=own_dir, **settings)
    run_id = training_run(process, own_dir, known)
    for _ in range(10):
        # Each life gets a little further than the one before, and dies somewhere in the next iterations.
        wait_for_points(process, own_dir, run_id, points(own_dir, run_id) + 1)
        time.sleep(moments.uniform(0, 0.15))
        assert process.poll() is None, "it finished before it was killed ten times"
        kill_group(process)
        process.communicate()
        process = start("--run-id", run_id, resume=run_id, data_dir=own_dir, register_as="none")
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert client.get_run(run_id).info.status == "FINISHED"
    assert not client.search_model_versions(f"run_id = '{run_id}'")
    assert "Not registered." in client.get_run(run_id).data.tags["mlflow.note.content"]
    reference = client.search_runs(["0"], "tags.version = 'undisturbed'")[0].info.run_id
    assert_same_run(client, run_id, reference, tmp_path)


def test_a_living_run_is_not_resumed_and_a_dead_one_is_closed(
    start: Start, client, quick_command: Command, command: Command, own_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    process = start(data_dir=own_dir, **ENDLESS)
    run_id = training_run(process, own_dir, runs_in(own_dir))
    wait_for((own_dir / "runs" / run_id / "best.safetensors").exists)
    with monkeypatch.context() as within:
        within.setenv("MLFLOW_RUN_ID", run_id)  # as `mlflow run --run-id` does
        refused = quick_command("train", data_dir=own_dir, resume=run_id)
    assert refused.returncode == 2
    assert f"The run {run_id} is still running (process" in refused.stderr
    with monkeypatch.context() as within:
        within.setenv("MLFLOW_RUN_ID", run_id)
        refused = quick_command("train", data_dir=own_dir, batch_size=7)
    assert refused.returncode == 2
    assert re.search(rf"The run {run_id} is still running \(process .*: leave out --run-id\.", refused.stderr)
    # Nothing went wrong in the run that lives.
    assert "error" not in client.get_run(run_id).data.tags
    # `mlflow run` marks it nevertheless; nobody else gets in by that.
    client.set_terminated(run_id, "FAILED")
    refused = quick_command("train", data_dir=own_dir, resume=run_id)
    assert refused.returncode == 2
    assert f"The run {run_id} is still running (process" in refused.stderr
    with monkeypatch.context() as within:
        within.setenv("MLFLOW_RUN_ID", run_id)
        refused = quick_command("train", data_dir=own_dir, batch_size=7)
    assert refused.returncode == 2
    assert "leave out --run-id" in refused.stderr
    assert "error" not in client.get_run(run_id).data.tags
    client.update_run(run_id, status="RUNNING")
    kill_group(process)
    process.communicate()
    assert client.get_run(run_id).info.status == "RUNNING"
    assert command("evaluate", data_dir=own_dir, model=run_id).returncode == 0
    assert client.get_run(run_id).info.status == "KILLED"
