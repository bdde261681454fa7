"""The line that continues a stopped training run."""

from dataclasses import fields
from pathlib import Path

import pytest

from glassliquid.sessions.resume_command import NOT_STORED, continue_with
from glassliquid.sessions.training_job import TrainJob
from glassliquid.tracking.run import TrackedRun
from glassliquid.training.config import TrainConfig


def job(**surroundings: object) -> TrainJob:
    return TrainJob(**({"config": TrainConfig(), "dataset": "data_liquid5", "data_dir": Path("data")} | surroundings))


def test_a_plain_run_goes_on_with_a_plain_line():
    line = continue_with(job(), TrackedRun("abc"))
    assert line == "Continue with: mlflow run . -e train --env-manager local --run-id abc -P resume=abc"


def test_what_the_run_does_not_keep_is_repeated():
    asked = job(data_dir=Path("my data"), register_as=None, max_hours=11.5, figure_every=0.5, device="cpu")
    end = "-P 'data_dir=my data' -P register_as=none -P max_hours=11.5 -P figure_every=0.5 -P device=cpu"
    assert continue_with(asked, TrackedRun("abc")).endswith(end)
    of_the_run = {"dataset", "config", "repeats", "folds", "folds_include_test", "version", "step", "trial"}
    of_this_command = {"resume", "change", "dry_run", "overfit"}
    assert {field.name for field in fields(TrainJob)} == {*NOT_STORED, *of_the_run, *of_this_command}


@pytest.mark.parametrize(("manager", "expected"), [("conda", ""), ("uv", "--env-manager uv ")])
def test_the_environment_is_the_one_that_the_run_began_in(manager: str, expected: str):
    assert f"-e train {expected}--run-id" in continue_with(job(), TrackedRun("abc", manager))
