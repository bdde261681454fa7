"""A storage that does not answer: waited for, but neither forever nor by a command that is asked to stop."""

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage

from glassliquid.errors import Stopped, UserError
from glassliquid.sweep import storage as storages
from glassliquid.sweep.storage import StorageLost, is_half_made, open_storage
from tests import postgresql
from tests.sweep.test_study import opened


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'study.db'}"


@pytest.fixture
def away(address: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[int, str], list[str]]:
    """Makes the next calls fail; what it gives lists the calls."""
    opened(address)
    monkeypatch.setattr(storages, "RETRY_AFTER_S", 0.01)
    real = RDBStorage.get_study_id_from_name

    def fail(times: int, reason: str) -> list[str]:
        calls: list[str] = []

        def call(self: RDBStorage, name: str) -> int:
            calls.append(name)
            if len(calls) <= times:
                raise StorageInternalError("Optuna's words") from OSError(reason)
            return real(self, name)

        monkeypatch.setattr(RDBStorage, "get_study_id_from_name", call)
        return calls

    return fail


def test_it_is_waited_for(address: str, away):
    calls = away(3, "connection refused")
    assert open_storage(address).get_study_id_from_name("study") == 1
    assert len(calls) == 4


def test_not_for_ever(address: str, away, monkeypatch):
    monkeypatch.setattr(storages, "OUTAGE_S", 0.05)
    away(10**9, "connection refused")
    with pytest.raises(StorageLost, match=r"not answered for 0 s \(connection refused\): start it and run the same"):
        open_storage(address).get_study_id_from_name("study")


def test_a_full_disk_is_not_waited_for(address: str, away):
    calls = away(10**9, "database or disk is full")
    with pytest.raises(StorageLost, match=r"The study cannot be written .*free some space"):
        open_storage(address).get_study_id_from_name("study")
    assert len(calls) == 1


def test_a_command_that_is_asked_to_stop_does_not_wait(address: str, away):
    away(10**9, "connection refused")
    asked = iter([False, False, True])
    with pytest.raises(Stopped, match="did not answer"):
        open_storage(address, lambda: next(asked)).get_study_id_from_name("study")
    assert next(asked, None) is None


def test_an_option_that_the_driver_does_not_know_is_refused_at_once(monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr("glassliquid.sweep.storage.time.sleep", waits.append)
    with pytest.raises(UserError, match="invalid connection option"):
        open_storage("postgresql+psycopg://127.0.0.1:1/studies?wrong=1", lambda: False)
    assert waits == []


def test_tables_that_another_command_is_making_are_known_by_the_code_of_the_error():
    """Not by its text, which a server gives in its own language."""
    statements = {
        "SELECT * FROM trials": True,  # not made yet
        "CREATE TABLE studies (name TEXT PRIMARY KEY)": True,  # made already
        "CREATE TYPE kind AS ENUM ('minimize')": True,
        "INSERT INTO studies VALUES ('one')": True,  # entered already
        "SELECT nothing FROM studies": False,
        "SELECT FROM WHERE": False,
    }
    with postgresql.server() as server:
        engine = sqlalchemy.create_engine(server.address.replace("postgresql:", "postgresql+psycopg:"))
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE studies (name TEXT PRIMARY KEY)")
            connection.exec_driver_sql("CREATE TYPE kind AS ENUM ('minimize')")
            connection.exec_driver_sql("INSERT INTO studies VALUES ('one')")
        found = {}
        for statement in statements:
            with pytest.raises(sqlalchemy.exc.DBAPIError) as raised, engine.begin() as connection:
                connection.exec_driver_sql(statement)
            raised.value.orig.args = ("existiert",)
            found[statement] = is_half_made(raised.value)
        engine.dispose()
    assert found == statements
