"""A run has one logged model, whatever moment of logging it was killed in."""

import mlflow
import pytest
from mlflow.entities import LoggedModelOutput, LoggedModelStatus

from glassliquid.tracking.logged_models import find_or_announce, logged_model_id
from glassliquid.tracking.run import TrackedRun


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
    client.log_param(run_id, "dropout", "0.2")
    other = client.create_logged_model("0", "model", source_run_id=client.create_run("0").info.run_id)
    half = client.create_logged_model("0", "model", source_run_id=run_id)
    if is_named:
        client.log_outputs(run_id, [LoggedModelOutput(half.model_id, step=0)])
    announced = find_or_announce(TrackedRun(run_id))
    left = {model.model_id for model in client.search_logged_models(["0"])}
    assert {other.model_id, announced.model_id} <= left
    assert half.model_id not in left
    assert announced.status == LoggedModelStatus.PENDING
    assert (announced.source_run_id, announced.params) == (run_id, {"dropout": "0.2"})
    assert logged_model_id(run_id) is None
    client.finalize_logged_model(announced.model_id, LoggedModelStatus.READY)
    whole = find_or_announce(TrackedRun(run_id))
    assert (whole.model_id, whole.status) == (announced.model_id, LoggedModelStatus.READY)
    assert logged_model_id(run_id) == announced.model_id


def test_a_run_that_is_not_there_has_no_model(client):
    assert logged_model_id("0" * 32) is None
