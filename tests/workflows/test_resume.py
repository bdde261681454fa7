"""The line that goes on with a stopped training."""

from pathlib import Path

import pytest

from glassliquid.tracking.store import connect
from glassliquid.training.config import TrainConfig
from glassliquid.workflows.resume import ENVIRONMENT_TAG, how_to_go_on
from glassliquid.workflows.training_job import TrainJob


@pytest.fixture
def run_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    connect()
    return str(MlflowClient().create_run("0").info.run_id)


def job(**surroundings: object) -> TrainJob:
    return TrainJob(**({"config": TrainConfig(), "dataset": "data_liquid5", "data_dir": Path("data")} | surroundings))


def test_a_plain_run_goes_on_with_a_plain_line(run_id: str):
    line = how_to_go_on(job(), run_id)
    assert line == f"Continue with: mlflow run . -e train --env-manager local --run-id {run_id} -P resume={run_id}"


def test_what_the_run_does_not_keep_is_repeated(run_id: str):
    asked = job(data_dir=Path("my data"), register_as=None, max_hours=11.5, device="cpu")
    end = "-P 'data_dir=my data' -P register_as=none -P max_hours=11.5 -P device=cpu"
    assert how_to_go_on(asked, run_id).endswith(end)


@pytest.mark.parametrize(("manager", "expected"), [("conda", ""), ("uv", "--env-manager uv ")])
def test_the_environment_is_the_one_that_the_run_began_in(run_id: str, manager: str, expected: str):
    from mlflow import MlflowClient

    MlflowClient().set_tag(run_id, ENVIRONMENT_TAG, manager)
    assert f"-e train {expected}--run-id" in how_to_go_on(job(), run_id)
