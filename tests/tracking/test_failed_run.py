"""What the page of a run says that failed."""

from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from glassliquid.errors import UserError
from glassliquid.tracking import tag
from glassliquid.tracking.run import tracked_run


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = mlflow.get_tracking_uri()
    for name in ("RUN_ID", "EXPERIMENT_ID", "EXPERIMENT_NAME", "TRACKING_URI"):
        monkeypatch.delenv(f"MLFLOW_{name}", raising=False)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    yield
    mlflow.set_tracking_uri(before)


@pytest.mark.parametrize("description", ["", "What was tried."])
def test_the_description_begins_with_the_last_failure(description: str):
    run_id = None
    for sentence in ("There is no dataset 'a'.", "There is no dataset 'b'."):
        with pytest.raises(UserError), tracked_run("train", "fails twice", run_id) as tracked:
            if description and run_id is None:
                tracked.describe(description)
            run_id = tracked.run_id
            raise UserError(sentence)
    found = mlflow.MlflowClient().get_run(run_id).data.tags
    assert found[tag.ERROR] == "There is no dataset 'b'."
    assert found[tag.NOTE] == f"There is no dataset 'b'.\n\n{description}".rstrip()
