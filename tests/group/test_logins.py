"""A server with logins answers 403 of whatever does not exist: that is no fault of the server."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from tests.group.servers import ADMIN, ADMIN_PASSWORD, Process, mlflow_server, own_environment, running
from tests.group.test_group import MODEL, TRAINING, Member, create_user

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

NOBODY = "0" * 32
SHORT = {**TRAINING, "iterations": 10, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps its database and its artifacts."""
    return tmp_path_factory.mktemp("logins")


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Process]:
    with running(mlflow_server(home, logins=True)) as started:
        create_user(started, "anna")
        yield started


@pytest.fixture(scope="module")
def anna(server: Process, dataset, ensemble, tmp_path_factory: pytest.TempPathFactory) -> Member:
    member = Member("anna", tmp_path_factory.mktemp("members") / "anna", server.address, {})
    member.take(dataset, ensemble)
    return member


@pytest.fixture
def client(anna: Member, server: Process, monkeypatch: pytest.MonkeyPatch) -> mlflow.MlflowClient:
    for name, value in anna.environment.items():
        if name.startswith("MLFLOW_"):
            monkeypatch.setenv(name, value)
    return mlflow.MlflowClient(server.address, server.address)


def refused(anna: Member, entry_point: str, **options: object) -> str:
    """The sentence in which a command ends."""
    process = anna.start(entry_point, **options)
    said, _ = process.communicate(timeout=600)
    assert process.returncode != 0, said
    (sentence,) = [line for line in said.splitlines() if line.startswith("Error: ")]
    return sentence


def test_what_does_not_exist_is_named(anna: Member):
    alias = refused(anna, "evaluate")
    assert "There is no model 'models:/glass-liquid@data_liquid5' that you may read in the tracking store" in alias
    assert alias.endswith("which has no registered models: train one, or name another store in MLFLOW_TRACKING_URI.")
    version = refused(anna, "evaluate", model=f"models:/{MODEL}/4")
    assert f"There is no model 'models:/{MODEL}/4'" in version
    assert "which has no registered models" in version
    run = refused(anna, "evaluate", model=f"runs:/{NOBODY}")
    assert f"There is no run '{NOBODY}' that you may read in the tracking store" in run
    done = subprocess.run(
        [sys.executable, "-m", "entrypoints.tidy"],
        cwd=anna.clone, env={**anna.environment, "MLFLOW_RUN_ID": NOBODY}, capture_output=True, text=True, timeout=600,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"MLFLOW_RUN_ID is '{NOBODY}': correct that or unset it." in done.stderr


def test_a_version_whose_run_was_erased_does_not_keep_the_alias(
    anna: Member, client: mlflow.MlflowClient, server: Process, home: Path, dataset, monkeypatch: pytest.MonkeyPatch
):
    anna.run("train", **SHORT)
    first = client.get_model_version_by_alias(MODEL, dataset.name)
    administrator = {"MLFLOW_TRACKING_USERNAME": ADMIN, "MLFLOW_TRACKING_PASSWORD": ADMIN_PASSWORD}
    with monkeypatch.context() as variables:  # who may delete what is not their own
        for name, value in administrator.items():
            variables.setenv(name, value)
        client.delete_run(first.run_id)
    erase = [sys.executable, "-m", "mlflow", "gc", "--run-ids", first.run_id]
    stores = ["--backend-store-uri", f"sqlite:///{home / 'mlflow.db'}", "--tracking-uri", server.address]
    subprocess.run([*erase, *stores], env={**own_environment(), **administrator}, check=True, timeout=600)
    # As good as the first, so it gets the alias only because that one is gone.
    anna.run("train", **SHORT)
    second = client.get_model_version_by_alias(MODEL, dataset.name)
    assert int(second.version) == int(first.version) + 1
    assert anna.run("evaluate")
