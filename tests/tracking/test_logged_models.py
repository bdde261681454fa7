"""A run has one logged model, whatever moment of logging it was killed in."""

import mlflow
import pytest
from mlflow.entities import LoggedModelOutput, LoggedModelStatus

from glassliquid.tracking.logged_models import logged_model_id, logged_model_of


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}")
    yield mlflow.MlflowClient()
    mlflow.set_tracking_uri(before)


@pytest.mark.parametrize("is_named", [False, True], ids=["before its run names it", "after"])
def test_half_a_model_is_removed_and_a_whole_one_found(client, is_named):
    """MLflow makes the model, then lets the run name it, and says at the end that it is ready."""
    run_id = client.create_run("0").info.run_id
    other = client.create_logged_model("0", "model", source_run_id=client.create_run("0").info.run_id)
    half = client.create_logged_model("0", "model", source_run_id=run_id)
    if is_named:
        client.log_outputs(run_id, [LoggedModelOutput(half.model_id, step=0)])
    assert logged_model_of(run_id) is None
    left = {model.model_id for model in client.search_logged_models(["0"])}
    assert other.model_id in left
    assert half.model_id not in left
    whole = client.create_logged_model("0", "model", source_run_id=run_id)
    client.finalize_logged_model(whole.model_id, LoggedModelStatus.READY)
    assert logged_model_of(run_id) == whole.model_uri
    assert logged_model_id(run_id) == whole.model_id


def test_a_run_that_is_not_there_has_no_model(client):
    assert logged_model_of("0" * 32) is None
