"""Setting up MLflow's database file, which appears with all of its tables or not at all."""

import contextlib
import sqlite3
import time
from pathlib import Path

from glassliquid.files import remove_partials_of, replacing

ARTIFACTS = "mlruns"
"""Where MLflow puts the artifacts of a database file, in the folder that a command is started in."""
WAIT_FOR_LOCK_S = 20.0
"""How long a process waits while another one writes into the database file."""
SET_UP_STEP_S = 10.0
"""A database without tables that nobody has written for this long was left by a killed process."""


def address_of(database: Path) -> str:
    """Address of a database file, which SQLAlchemy decodes.

    Only what has a meaning in an address is encoded: MLflow makes the folder that it reads in one without decoding it.
    """
    return "sqlite:///" + str(database).replace("%", "%25").replace("?", "%3F")


def file_at(address: str) -> Path | None:
    """The database file that an address names, which `mlflow run` encodes (`%20` for a blank); None for a server."""
    if not address.startswith("sqlite:///"):
        return None
    from sqlalchemy.engine import make_url

    return Path(make_url(address).database or "")


def set_up(database: Path) -> None:
    """Make a database that is missing, or whose set-up was killed, whole or not at all."""
    if not _is_blank(database) or _is_being_made(database):
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    remove_partials_of(database)
    with replacing(database) as partial:
        store = SqlAlchemyStore(address_of(partial), ARTIFACTS)
        store.engine.dispose()
        # SQLite would roll what a killed process left of the old file back into the new one.
        database.with_name(f"{database.name}-journal").unlink(missing_ok=True)


def _is_blank(database: Path) -> bool:
    """Whether there is no database, or one of MLflow's that has nothing in it, not even the default experiment.

    That experiment is made last, so it tells a database whose tables are all there.
    """
    if not database.exists():
        return True
    with contextlib.closing(sqlite3.connect(database, timeout=WAIT_FOR_LOCK_S)) as connection:
        found = {str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if found - {"alembic_version"} and "experiments" not in found:
            return False  # somebody else's
        present = found & {"experiments", "runs", "registered_models"}
        return not any(connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in present)


def _is_being_made(database: Path) -> bool:
    """Whether another process, such as `mlflow run` or `mlflow ui`, is making the tables; waits until it has."""
    written, since = 0, time.monotonic()
    while database.exists() and time.monotonic() - since < SET_UP_STEP_S:
        if (now := database.stat().st_mtime_ns) != written:
            written, since = now, time.monotonic()
        time.sleep(0.1)
        if not _is_blank(database):
            return True
    return False
