"""Which tracking server or database is used, and how long its failures may take."""

import contextlib
import logging
import os
import random
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from glassliquid.errors import UserError, first_line_of
from glassliquid.files import locked, remove_partials_of, replacing

DATABASE = "mlflow.db"
ARTIFACTS = "mlruns"
"""Where MLflow puts the artifacts of a database file, in the folder that a command is started in."""

MOST_CHARACTERS = 200
"""Of what somebody else's error says."""
WAIT_FOR_LOCK_S = 20.0
"""How long a process waits while another one writes into the database file."""
SET_UP_STEP_S = 10.0
"""A database without tables that nobody has written for this long was left by a killed process."""

ATTEMPTS = 5
_ADDED_BY_ANOTHER = re.compile("IntegrityError|UniqueViolation")
"""What SQLAlchemy says, whatever the database, and what PostgreSQL does."""

_SETTINGS = {
    # MLflow's own limits let one call hang for four minutes when the server is gone.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    # Bars for copies that take a moment bury the results.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


class TrackingLost(UserError):
    """The tracking store answered when the command began, and does not any more, or takes nothing more."""

    def __init__(self, what: str, then: str | None = None) -> None:
        """Say what is wrong with which store, and what to do then."""
        super().__init__(f"{what}. {then or 'Mend that, then run the same command again.'}")
        self.what = what


def connect(folder: Path | None = None) -> str:
    """Set MLflow's tracking store up for this process and return its address.

    It is MLFLOW_TRACKING_URI if that is set (`mlflow run` sets it), else the database `mlflow.db` in `folder`, by
    default the present one. A fresh database gets its tables under a lock, because MLflow's own set-up fails when
    two processes do it at once, and aside, because a database whose set-up was killed can never be used again.

    Raises:
        UserError: the store cannot be reached.
    """
    import mlflow

    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    # What it logs, with a traceback, it raises too; here that becomes a sentence.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    where = Path.cwd() if folder is None else folder
    address = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{where.resolve() / DATABASE}"
    mlflow.set_tracking_uri(address)
    try:
        if address.startswith("sqlite:///"):
            database = Path(address.removeprefix("sqlite:///"))
            # Without a word: the workers of a sweep come here for every trial, and each is through in a moment.
            with locked(database.parent / ARTIFACTS, None):
                _set_up(database)
                mlflow.MlflowClient().search_experiments(max_results=1)
        else:
            mlflow.MlflowClient().search_experiments(max_results=1)
    except Exception as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"The tracking store {without_user(address)} cannot be used ({first_line(error)}): start the server or correct "
            "MLFLOW_TRACKING_URI."
        ) from error
    return address


def store_fault(error: BaseException) -> str | None:
    """Why the tracking store did not take a call, in words; None if the error tells of something else."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException

    text = str(error)
    if isinstance(error, TrackingLost):
        return error.what
    if isinstance(error, RequestException):
        return first_line(error)
    if isinstance(error, MlflowException) and text.startswith("API request to"):
        return first_line(error)
    # What SQLAlchemy says of a file that is full, locked or read-only, and of a server that is gone.
    if isinstance(error, MlflowException) and (found := re.search(r"OperationalError\) ([^\n]*)", text)):
        return without_user(found.group(1))[:MOST_CHARACTERS]
    return None


def raise_if_lost(error: BaseException, then: str | None = None) -> None:
    """Raise TrackingLost, which says what to do then, if an error tells that the tracking store is gone, full or read-only."""
    import mlflow

    if isinstance(error, TrackingLost):
        raise TrackingLost(error.what, then) from error
    if (reason := store_fault(error)) is not None:
        raise TrackingLost(
            f"The tracking store {without_user(mlflow.get_tracking_uri())} does not take what it is given ({reason})",
            then,
        ) from error


@contextlib.contextmanager
def lost_store_told(then: str | None = None) -> Iterator[None]:
    """What a lost tracking store makes of the block becomes TrackingLost; other errors stay what they are."""
    try:
        yield
    except Exception as error:
        raise_if_lost(error, then)
        raise


@contextlib.contextmanager
def one_try() -> Iterator[None]:
    """In the block MLflow gives a server that does not answer up at once."""
    name = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
    before = os.environ.get(name)
    os.environ[name] = "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def despite_others(call: Callable[[], object]) -> None:
    """Make a call that finds something in the store or adds it; again, if another process added it in between.

    MLflow looks first and adds then, so that of two commands that bring the same dataset or the same experiment's tag at
    once one may be refused.
    """
    from mlflow.exceptions import MlflowException

    for attempt in range(1, ATTEMPTS + 1):
        try:
            call()
            return
        except MlflowException as error:
            if attempt == ATTEMPTS or not _ADDED_BY_ANOTHER.search(str(error)):
                raise
            time.sleep(attempt * 0.1 * random.random())


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    return without_user(first_line_of(error))[:MOST_CHARACTERS]


def without_user(text: str) -> str:
    """A text without the user names and passwords of the addresses in it, which end on screens, pages and in runs."""
    return re.sub(r"://[^/@\s]*@", "://", text)


def _set_up(database: Path) -> None:
    """Make a database that is missing, or whose set-up was killed, whole or not at all."""
    if not _is_blank(database) or _fills(database):
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    remove_partials_of(database)
    with replacing(database) as partial:
        store = SqlAlchemyStore(f"sqlite:///{partial}", ARTIFACTS)
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
        kept = found & {"experiments", "runs", "registered_models"}
        return not any(connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in kept)


def _fills(database: Path) -> bool:
    """Whether another process, such as `mlflow run` or `mlflow ui`, is making the tables; waits until it has."""
    seen, since = _state(database), time.monotonic()
    while database.exists() and time.monotonic() - since < SET_UP_STEP_S:
        time.sleep(0.1)
        if not _is_blank(database):
            return True
        if _state(database) != seen:
            seen, since = _state(database), time.monotonic()
    return False


def _state(database: Path) -> tuple[int, int] | None:
    """Changes when the file is written."""
    try:
        status = database.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns
