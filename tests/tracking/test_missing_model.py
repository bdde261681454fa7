"""What a user is told who names a model or a run that the tracking store does not have, or has lost."""

import shutil
from pathlib import Path

import mlflow
import pytest

from glassliquid.errors import UserError
from glassliquid.tracking.find_model import find_model

NAME = "sought"


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    before = mlflow.get_tracking_uri()
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    yield mlflow.MlflowClient()
    mlflow.set_tracking_uri(before)


def refusal(name: str) -> str:
    with pytest.raises(UserError) as refused:
        find_model(name, Path("runs"))
    return str(refused.value)


def test_each_way_in_which_a_model_or_run_can_be_missing_is_told_apart(client: mlflow.MlflowClient):
    alias = f"models:/{NAME}@data"
    assert "which has no registered models: train one, or name another store in MLFLOW_TRACKING_URI" in refusal(alias)

    run_id = client.create_run("0").info.run_id
    model = client.create_logged_model("0", "model", source_run_id=run_id)
    client.create_registered_model(NAME)
    client.create_model_version(NAME, model.model_uri, run_id, model_id=model.model_id)
    client.set_registered_model_alias(NAME, "data", "1")
    asked = refusal(f"models:/{NAME}@dat")
    assert "There is no model" in asked
    assert f"(did you mean 'data'?) ({NAME} has the versions 1 and the aliases data): choose one of these" in asked
    assert f"(registered models: {NAME})" in refusal("models:/another@data")

    shutil.rmtree(model.artifact_location, ignore_errors=True)
    for name in (alias, f"models:/{NAME}/1"):
        gone = f"The files of the model '{name}' ({NAME} v1) are not in {model.artifact_location} any more: bring them back"
        assert gone in refusal(name)
    assert f"The files of the model '{model.model_uri}' are not in" in refusal(model.model_uri)

    client.delete_logged_model(model.model_id)
    for name in (alias, f"models:/{NAME}/1"):
        assert f"The model '{name}' ({NAME} v1) was deleted: choose another version" in refusal(name)
    assert "did you mean" not in refusal(alias)

    client.delete_run(run_id)
    assert refusal(run_id).startswith(
        f"The run {run_id} was deleted: restore it with `mlflow runs restore --run-id {run_id}`"
    )
    assert f"There is no run '{'0' * 32}'" in refusal("0" * 32)
