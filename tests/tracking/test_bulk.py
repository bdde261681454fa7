"""Curves of many runs from a real tracking server: however it answers, they are the points that were logged."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime

import mlflow
import pytest
from mlflow.entities import Metric

from glassliquid.tracking import bulk
from glassliquid.tracking.history import read_curves
from glassliquid.tracking.stored import StoredRun
from tests.group.servers import mlflow_server

pytestmark = pytest.mark.slow
LENGTHS = (1, 30, 0, 7, 12)
"""Points of each run."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[tuple[int, float]]]]:
    """A server with runs, MLflow's tracking address set to it: run id to the points that it was given."""
    server = mlflow_server(tmp_path_factory.mktemp("bulk"))
    server.start()
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(server.address)
    try:
        client = mlflow.MlflowClient()
        logged = {}
        for number, length in enumerate(LENGTHS):
            run_id = client.create_run("0").info.run_id
            logged[run_id] = [(step, number + step / 8) for step in range(length)]
            # Backwards in time, and with values that cannot be drawn.
            points = [Metric("a", value, 1000 - step, step) for step, value in logged[run_id]]
            strange = [Metric("a", value, 2000, 100) for value in (math.nan, math.inf, -math.inf)]
            client.log_batch(run_id, metrics=points + (strange if length else []))
        yield logged
    finally:
        mlflow.set_tracking_uri(before)
        server.kill()


def curves(runs: dict[str, list[tuple[int, float]]]) -> dict[str, list[tuple[int, float]]]:
    past = [
        StoredRun(run_id, run_id, "FINISHED", datetime.now(UTC), metrics={"a": 0.0} if points else {})
        for run_id, points in runs.items()
    ]
    return {run_id: list(found.get("a", [])) for run_id, found in read_curves(past, ["a"]).items()}


# All at once; a few at a time; answers that are cut and halved, down to the run whose 33 points just fit.
@pytest.mark.parametrize(("at_once", "largest"), [(40, 25_000), (2, 25_000), (40, 34)])
def test_every_point_comes_once_and_in_order(runs, monkeypatch: pytest.MonkeyPatch, at_once: int, largest: int):
    monkeypatch.setattr(bulk, "RUNS_AT_ONCE", at_once)
    monkeypatch.setattr(bulk, "LARGEST_ANSWER", largest)
    found = bulk.histories([run_id for run_id, points in runs.items() if points], "a")
    assert found is not None
    assert {run_id: len(points) for run_id, points in found.items()} == {r: len(p) + 3 for r, p in runs.items() if p}
    assert curves(runs) == runs


@pytest.mark.parametrize(("name", "value"), [("PATH", "/ajax-api/2.0/mlflow/no-such-thing"), ("LARGEST_ANSWER", 33)])
def test_where_the_server_does_not_answer_it_or_a_run_has_too_many_points_they_are_asked_for_one_by_one(
    runs, monkeypatch: pytest.MonkeyPatch, name: str, value: object
):
    monkeypatch.setattr(bulk, name, value)
    assert bulk.histories([run_id for run_id, points in runs.items() if points], "a") is None
    assert curves(runs) == runs
