import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from glassliquid.tracking import metrics
from glassliquid.tracking.metrics import JOURNAL, SENT, Delivery, MetricJournal, send_pending

NOBODY = "http://127.0.0.1:1"
"""A port where no server listens."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Switches the tracking store of this process, and back at the end."""
    import mlflow

    before = mlflow.get_tracking_uri()
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setattr(metrics, "GIVE_UP_AFTER_S", 0.5)
    monkeypatch.setattr(metrics, "SEND_EVERY_S", 0.05)
    yield mlflow.set_tracking_uri
    mlflow.set_tracking_uri(before)


@pytest.fixture
def run_id(store: str, use: Callable[[str], None]) -> str:
    import mlflow

    use(store)
    return mlflow.MlflowClient().create_run("0").info.run_id


def history(run_id: str, key: str) -> list[tuple[int, float]]:
    import mlflow

    return [(metric.step, metric.value) for metric in mlflow.MlflowClient().get_metric_history(run_id, key)]


def test_every_point_arrives_once(run_id: str, tmp_path: Path):
    journal = MetricJournal(run_id, tmp_path)
    for iteration in range(1, 2501):  # more than one batch holds
        journal.record(iteration, {"loss": 1 / iteration})
    assert journal.close()
    assert history(run_id, "loss") == [(iteration, 1 / iteration) for iteration in range(1, 2501)]
    assert journal.history()["loss"] == history(run_id, "loss")


def test_points_that_have_piled_up_arrive_at_once(run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Of quick iterations, or while a server was away, there are more than one batch holds between two times of sending."""
    monkeypatch.setattr(metrics, "SEND_EVERY_S", 0.5)
    monkeypatch.setattr(metrics, "SEND_SELDOM_S", 1000.0)
    journal = MetricJournal(run_id, tmp_path, is_new=True)
    for iteration in range(1, 9501):
        journal.record(iteration, {"loss": 1 / iteration})
    # Ten batches; a batch each time, with waits that double from half a second on, takes more than 200 s.
    deadline = time.monotonic() + 60
    while len(history(run_id, "loss")) < 9500:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert journal.close()
    assert len(history(run_id, "loss")) == 9500


def test_a_resumed_run_repeats_no_point(run_id: str, tmp_path: Path):
    for iterations in (range(1, 4), range(2, 6)):  # the checkpoint was older than the newest points
        journal = MetricJournal(run_id, tmp_path)
        for iteration in iterations:
            journal.record(iteration, {"loss": iteration / 10})
        assert journal.close()
    assert history(run_id, "loss") == [(k, k / 10) for k in range(1, 6)]


def test_points_sent_but_not_noted_are_not_sent_again(run_id: str, tmp_path: Path):
    journal = MetricJournal(run_id, tmp_path)
    for iteration in range(1, 4):
        journal.record(iteration, {"loss": 0.5})
    assert journal.close()
    (tmp_path / SENT).unlink()  # as if the process had been killed between the two
    assert MetricJournal(run_id, tmp_path).close()
    assert len(history(run_id, "loss")) == 3


def test_without_a_server_nothing_waits_and_nothing_is_lost(run_id: str, tmp_path: Path, store: str, use):
    folder = tmp_path / run_id
    use(NOBODY)
    journal = MetricJournal(run_id, folder)
    started = time.perf_counter()
    for iteration in range(1, 101):
        journal.record(iteration, {"loss": float(iteration)})
    # A hundred appended lines take a few milliseconds; asking a server that is gone would take seconds.
    assert time.perf_counter() - started < 1
    assert not journal.close()
    assert send_pending(tmp_path).waiting == [run_id]
    use(store)
    assert send_pending(tmp_path) == Delivery({run_id: 100}, [])
    assert history(run_id, "loss") == [(k, float(k)) for k in range(1, 101)]
    assert send_pending(tmp_path) == Delivery({}, [])
    assert len(history(run_id, "loss")) == 100


def test_values_that_are_not_finite_are_left_out(run_id: str, tmp_path: Path):
    journal = MetricJournal(run_id, tmp_path)
    journal.record(1, {"val_auc": float("nan"), "loss": 1.0})
    assert journal.close()
    assert history(run_id, "val_auc") == []
    assert history(run_id, "loss") == [(1, 1.0)]


def test_a_half_written_last_line_is_no_obstacle(run_id: str, tmp_path: Path):
    journal = MetricJournal(run_id, tmp_path)
    journal.record(1, {"loss": 1.0})
    assert journal.close()
    with (tmp_path / JOURNAL).open("a") as file:
        file.write('{"key": "loss", "val')  # killed while writing
    journal = MetricJournal(run_id, tmp_path)
    journal.record(1, {"loss": 1.0})
    journal.record(2, {"loss": 2.0})
    assert journal.close()
    assert history(run_id, "loss") == [(1, 1.0), (2, 2.0)]


def test_a_journal_that_was_sent_is_not_read_again_and_one_that_grew_is(run_id: str, tmp_path: Path):
    folder = tmp_path / run_id
    journal = MetricJournal(run_id, folder)
    journal.record(1, {"loss": 1.0})
    assert journal.close()
    # Of the same size, and no journal: whoever reads it fails.
    (folder / JOURNAL).write_bytes(b"x" * (folder / JOURNAL).stat().st_size)
    assert send_pending(tmp_path) == Delivery({}, [])
    line = '{"key": "loss", "value": 2.0, "step": 2, "timestamp": 1}\n'
    (folder / JOURNAL).write_text('{"key": "loss", "value": 1.0, "step": 1, "timestamp": 1}\n' + line)
    assert send_pending(tmp_path) == Delivery({run_id: 1}, [])
    assert sorted(history(run_id, "loss")) == [(1, 1.0), (2, 2.0)]


def test_points_of_a_run_that_is_not_there_wait_and_cost_no_time(store: str, use, tmp_path: Path):
    use(store)
    folder = tmp_path / ("0" * 32)
    folder.mkdir()
    (folder / JOURNAL).write_text('{"key": "loss", "value": 1.0, "step": 1, "timestamp": 1}\n')
    assert send_pending(tmp_path) == Delivery({}, ["0" * 32])
    assert (folder / JOURNAL).stat().st_size > 0


def test_an_iteration_that_a_full_disk_took_half_of_is_completed(run_id: str, tmp_path: Path):
    (tmp_path / JOURNAL).write_text('{"key": "loss", "value": 1.0, "step": 1, "timestamp": 1}\n')
    journal = MetricJournal(run_id, tmp_path)
    journal.record(1, {"loss": 1.0, "learning_rate": 0.1})
    assert journal.close()
    assert (history(run_id, "loss"), history(run_id, "learning_rate")) == ([(1, 1.0)], [(1, 0.1)])


@pytest.mark.parametrize("key", ["lo#s", "", "x" * 251, "../loss", "/loss", "loss\n", "lo\u00dfs"])
def test_a_name_that_mlflow_does_not_take_holds_up_no_other_point(run_id: str, tmp_path: Path, key: str):
    """One flipped bit in a journal."""
    journal = MetricJournal(run_id, tmp_path)
    journal.record(1, {"loss": 0.5})
    assert journal.close()
    with (tmp_path / JOURNAL).open("a") as file:
        for name in (key, "loss"):
            file.write(json.dumps({"key": name, "value": 0.25, "step": 2, "timestamp": 1}) + "\n")
    assert MetricJournal(run_id, tmp_path).close()
    assert sorted(history(run_id, "loss")) == [(1, 0.5), (2, 0.25)]


def test_a_folder_that_cannot_be_locked_is_left_alone(run_id: str, tmp_path: Path):
    """Another user's in a shared folder, or one on a read-only disk: here a folder is in the place of the lock."""
    folder = tmp_path / run_id
    journal = MetricJournal(run_id, folder)
    journal.record(1, {"loss": 0.5})
    assert journal.close()
    with (folder / JOURNAL).open("a") as file:
        file.write('{"key": "loss", "value": 0.25, "step": 2, "timestamp": 1}\n')
    (folder / ".lock").mkdir()
    assert send_pending(tmp_path) == Delivery({}, [])
    (folder / ".lock").rmdir()
    assert send_pending(tmp_path) == Delivery({run_id: 1}, [])


def test_a_living_run_that_another_command_has_marked_runs_again(
    run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """`mlflow run --run-id` ends the run of a command that was refused because the run is alive."""
    import mlflow

    monkeypatch.setattr(metrics, "SEND_EVERY_S", 0.05)
    monkeypatch.setattr(metrics, "HEARTBEAT_EVERY_S", 0.1)
    client = mlflow.MlflowClient()
    parent = client.create_run("0", tags={"alive_at": "0"}).info.run_id
    for each in (run_id, parent):
        client.set_terminated(each, "FAILED")
    journal = MetricJournal(run_id, tmp_path, parents=[parent])
    deadline = time.monotonic() + 30
    while client.get_run(parent).info.status != "RUNNING" and time.monotonic() < deadline:
        time.sleep(0.1)
    for each in (run_id, parent):
        run = client.get_run(each)
        assert run.info.status == "RUNNING"
        assert time.time() - float(run.data.tags["alive_at"]) < 60
    assert journal.close()
