"""Who holds a dataset's alias: the best model that is better than chance and still there."""

import subprocess
import sys

import mlflow
import pytest
from mlflow.entities import LoggedModelStatus

from glassliquid.datasets.description import Dataset
from glassliquid.tracking.registry import register, version_at

NAME = "known"


@pytest.fixture
def store(tmp_path, monkeypatch: pytest.MonkeyPatch):
    before = mlflow.get_tracking_uri()
    monkeypatch.chdir(tmp_path)
    address = f"sqlite:///{tmp_path / 'mlflow.db'}"
    mlflow.set_tracking_uri(address)
    yield address
    mlflow.set_tracking_uri(before)


def trained(dataset: Dataset, accuracy: float, may_hold_alias: bool = True) -> str:
    """The id of a new run whose model was registered."""
    client = mlflow.MlflowClient()
    run_id = client.create_run("0").info.run_id
    model = client.create_logged_model("0", "model", source_run_id=run_id)
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    register(model.model_uri, NAME, run_id, dataset, accuracy, may_hold_alias)
    return run_id


def holder(dataset: Dataset) -> int | None:
    """The version that has the dataset's alias."""
    found = version_at(NAME, dataset.name)
    return None if found is None else int(found.version)


def erase(store: str, kind: str, name: str) -> None:
    """What `mlflow gc` does with what was deleted on the page."""
    program = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", store, kind, name]
    done = subprocess.run(program, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr


def test_a_holder_whose_run_was_erased_is_replaced_and_one_that_was_only_deleted_is_not(store: str, dataset: Dataset):
    first = trained(dataset, 0.99)
    trained(dataset, 0.95)
    mlflow.MlflowClient().delete_run(first)
    trained(dataset, 0.95)
    assert holder(dataset) == 1
    erase(store, "--run-ids", first)
    assert holder(dataset) == 1  # MLflow leaves it
    trained(dataset, 0.9)
    assert holder(dataset) == 2  # the best of those that are there, and of equal ones the first


def test_a_holder_whose_model_was_erased_is_replaced(store: str, dataset: Dataset):
    run_id = trained(dataset, 0.99)
    client = mlflow.MlflowClient()
    for model in client.search_logged_models(["0"], f"source_run_id = '{run_id}'"):
        client.delete_logged_model(model.model_id)
    trained(dataset, 0.9)
    assert holder(dataset) == 2


def test_a_model_at_chance_is_registered_without_the_alias(store: str, dataset: Dataset):
    trained(dataset, 0.5, may_hold_alias=False)
    assert len(mlflow.MlflowClient().search_model_versions(f"name='{NAME}'")) == 1
    assert holder(dataset) is None
    trained(dataset, 0.9)
    trained(dataset, 0.95, may_hold_alias=False)
    assert holder(dataset) == 2
