"""A run that `mlflow run` was told things about: its name, and the folder that it was started from."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.commands.conftest import PROJECT, Command

SETTINGS = {"batch_size": 14, "iterations": 2, "batches_per_iteration": 1, "eval_every": 1, "register_as": "none"}


def test_a_name_stays_and_the_line_that_continues_is_right_where_the_user_is(
    environment: dict[str, str],
    quick_command: Command,
    own_dir: Path,
    client: MlflowClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    # An experiment of its own: other tests leave runs behind that can continue.
    client.create_experiment("given run")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "given run")
    parameters = {**SETTINGS, "data_dir": own_dir, "max_hours": "0.0000001"}
    words = [word for name, value in parameters.items() for word in ("-P", f"{name}={value}")]
    start = ["run", str(PROJECT), "--env-manager", "local", "--run-name", "my own", "-e", "train"]
    done = subprocess.run(
        [sys.executable, "-m", "mlflow", *start, *words],
        cwd=tmp_path,
        env={**environment, "MLFLOW_EXPERIMENT_NAME": "given run"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    run_id = re.search(r"in run with ID '(\w+)'", done.stderr)[1]
    assert client.get_run(run_id).info.run_name == "my own"
    line = f"Continue with: mlflow run {PROJECT} -e train --env-manager local --run-id {run_id} -P resume={run_id} "
    assert line in done.stderr

    done = quick_command("train", data_dir=own_dir, resume="latest", register_as="none")
    assert done.returncode == 0, done.stderr
    assert f"The newest training run that can continue is {run_id}." in done.stdout
    finished = client.get_run(run_id)
    assert (finished.info.status, finished.info.run_name) == ("FINISHED", "my own")
    assert [point.step for point in client.get_metric_history(run_id, "loss")] == [1, 2]

    # It has finished, so it is not the newest that can continue any more.
    done = quick_command("train", data_dir=own_dir, resume="latest")
    assert done.returncode == 2
    assert run_id not in done.stderr


def test_a_line_to_paste_has_the_manager_of_environments_that_was_typed(
    environment: dict[str, str], own_dir: Path, tmp_path: Path
):
    words = ["-e", "evaluate", "-P", "dataset=nothing", "-P", f"data_dir={own_dir}"]
    done = subprocess.run(
        [sys.executable, "-m", "mlflow", "run", str(PROJECT), "--env-manager", "local", *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert f"mlflow run {PROJECT} -e make_data --env-manager local -P name=nothing" in done.stderr, done.stderr
