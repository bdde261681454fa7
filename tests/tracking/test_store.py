"""A database file whose set-up was killed is made again; one that holds anything is left alone."""

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from glassliquid.errors import UserError
from glassliquid.tracking import database
from glassliquid.tracking.store import DATABASE, connect, retried_if_added_meanwhile, store_fault


@pytest.fixture(autouse=True)
def own_store(monkeypatch: pytest.MonkeyPatch):
    import mlflow

    before = mlflow.get_tracking_uri()
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(database, "SET_UP_STEP_S", 0.3)
    yield
    mlflow.set_tracking_uri(before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as the first command leaves it."""
    folder = tmp_path_factory.mktemp("whole")
    program = "from glassliquid.tracking.store import connect; connect()"
    subprocess.run(
        [sys.executable, "-c", program], cwd=folder, check=True, env={"PYTHONPATH": str(Path("src").resolve())}
    )
    return folder / DATABASE


def half_made(whole: Path, folder: Path) -> Path:
    """What a kill in the middle of the migrations leaves: most tables, an index of the next step, no experiment."""
    database = folder / DATABASE
    shutil.copy(whole, database)
    with sqlite3.connect(database) as connection:
        connection.execute("DELETE FROM experiments")
        connection.execute("DROP TABLE metrics")
        connection.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    return database


def test_a_half_made_database_is_made_anew(whole: Path, tmp_path: Path):
    import mlflow

    database = half_made(whole, tmp_path)
    (tmp_path / f".{DATABASE}.abc.partial").touch()
    (tmp_path / f".{DATABASE}.abc.partial-journal").touch()
    assert connect(tmp_path) == f"sqlite:///{database}"
    assert mlflow.MlflowClient().get_experiment("0").name == "Default"
    assert not list(tmp_path.glob(".*partial*"))


def test_a_database_that_another_process_is_making_is_waited_for(whole: Path, tmp_path: Path):
    database = tmp_path / DATABASE
    database.touch()
    program = f"import time, shutil; time.sleep(0.1); shutil.copy({str(whole)!r}, {str(database)!r})"
    other = subprocess.Popen([sys.executable, "-c", program])
    connect(tmp_path)
    other.wait()
    assert database.read_bytes() == whole.read_bytes()


def test_a_database_with_runs_or_of_somebody_else_is_left_alone(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    database = half_made(whole, tmp_path)
    with sqlite3.connect(database) as connection:
        connection.execute("INSERT INTO runs (run_uuid) VALUES ('mine')")
    before = database.read_bytes()
    with pytest.raises(UserError, match="cannot be used"):
        connect(tmp_path)
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT run_uuid FROM runs").fetchall() == [("mine",)]
    database.write_bytes(before)
    other = tmp_path / "other" / DATABASE
    other.parent.mkdir()
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE studies (name TEXT)")
        connection.execute("INSERT INTO studies VALUES ('theirs')")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow has set it to the first one
    connect(other.parent)
    with sqlite3.connect(other) as connection:
        assert connection.execute("SELECT name FROM studies").fetchall() == [("theirs",)]


def test_only_a_store_that_is_gone_or_full_counts_as_lost():
    from mlflow.exceptions import MlflowException
    from requests.exceptions import ConnectionError as Refused

    full = MlflowException("(sqlite3.OperationalError) database or disk is full\n[SQL: INSERT]")
    assert store_fault(full) == "database or disk is full"
    gone = MlflowException("API request to http://127.0.0.1:1/api failed with exception Connection refused")
    assert store_fault(gone).startswith("API request to http://127.0.0.1:1")
    assert store_fault(Refused("refused")) == "refused"
    for other in (
        MlflowException("Changing param values is not allowed"),
        ValueError("OperationalError) no"),
        OSError(28),
    ):
        assert store_fault(other) is None


@pytest.mark.parametrize("address", ["http://me:hidden@127.0.0.1:1", "http://hidden@127.0.0.1:1"])
def test_passwords_of_an_address_are_not_shown(address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UserError, match=r"The tracking store http://127\.0\.0\.1:1 cannot be used") as ended:
        connect(tmp_path)
    assert "hidden" not in str(ended.value)


def test_what_another_process_adds_at_the_same_moment_is_no_error():
    from mlflow.exceptions import MlflowException

    errors = [MlflowException("(sqlite3.IntegrityError) UNIQUE constraint failed: datasets.name")] * 2

    def add() -> None:
        if errors:
            raise errors.pop()

    retried_if_added_meanwhile(add)
    assert not errors
    tried = []

    def refuse() -> None:
        tried.append(1)
        raise MlflowException("No such run")

    with pytest.raises(MlflowException, match="No such run"):
        retried_if_added_meanwhile(refuse)
    assert len(tried) == 1


def test_a_second_user_without_permission_is_told_what_is_missing(tmp_path, monkeypatch: pytest.MonkeyPatch):
    def refuse(database: Path) -> None:
        raise PermissionError(13, "Permission denied", str(database))

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr("glassliquid.tracking.store.set_up", refuse)
    with pytest.raises(
        UserError, match=r"\(no permission to write \S+/mlflow\.db; a copy of its folder would do\): correct"
    ):
        connect(tmp_path)
