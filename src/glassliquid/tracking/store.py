"""Which tracking server or database is used, and how long its failures may take."""

import contextlib
import logging
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from glassliquid.errors import UserError, first_line_of
from glassliquid.files import locked
from glassliquid.tracking.database import ARTIFACTS, set_up

DATABASE = "mlflow.db"

MOST_CHARACTERS = 200
"""Of what somebody else's error says."""

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
        super().__init__(f"{what}. {then or 'Correct that, then run the same command again.'}")
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
                set_up(database)
                mlflow.MlflowClient().search_experiments(max_results=1)
        else:
            mlflow.MlflowClient().search_experiments(max_results=1)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"The tracking store {without_credentials(address)} cannot be used ({first_line(error)}): start the server or correct "
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
        return without_credentials(found.group(1))[:MOST_CHARACTERS]
    return None


def raise_if_lost(error: BaseException, then: str | None = None) -> None:
    """Raise TrackingLost, which says what to do then, if an error tells that the tracking store is gone, full or read-only."""
    import mlflow

    if isinstance(error, TrackingLost):
        raise TrackingLost(error.what, then) from error
    if (reason := store_fault(error)) is not None:
        raise TrackingLost(
            f"The tracking store {without_credentials(mlflow.get_tracking_uri())} does not take what it is given ({reason})",
            then,
        ) from error


@contextlib.contextmanager
def raising_if_lost(then: str | None = None) -> Iterator[None]:
    """What a lost tracking store makes of the block becomes TrackingLost; other errors stay what they are."""
    try:
        yield
    except Exception as error:
        raise_if_lost(error, then)
        raise


@contextlib.contextmanager
def without_retries() -> Iterator[None]:
    """In the block MLflow gives a server that does not answer up at once."""
    from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES as RETRIES

    before = RETRIES.get_raw()
    RETRIES.set(0)
    try:
        yield
    finally:
        RETRIES.unset() if before is None else RETRIES.set(before)


def retried_if_added_meanwhile(call: Callable[[], object]) -> None:
    """Make a call that finds something in the store or adds it; once more, if another process added it meanwhile.

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
    return without_credentials(first_line_of(error))[:MOST_CHARACTERS]


def without_credentials(text: str) -> str:
    """A text without the user names and passwords of the addresses in it, which end on screens, pages and in runs."""
    return re.sub(r"://[^/@\s]*@", "://", text)
