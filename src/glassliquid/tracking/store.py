"""Which tracking server or database is used, and how long its failures may take."""

import contextlib
import logging
import os
import random
import re
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from glassliquid.errors import UserError
from glassliquid.files import locked, raise_if_full, storage_fault
from glassliquid.tracking.database import ARTIFACTS, address_of, file_at, set_up
from glassliquid.tracking.faults import is_refused, reason_of, shortened, without_credentials
from glassliquid.tracking.moved import follow

DATABASE = "mlflow.db"

ATTEMPTS = 5
_ADDED_BY_ANOTHER = re.compile("IntegrityError|UniqueViolation")
"""What SQLAlchemy says, whatever the database, and what PostgreSQL does."""

_SETTINGS = {
    # MLflow's own limits let one call hang for four minutes when the server is gone.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    # An object store that takes a connection and says nothing would be asked five times, for a minute each.
    "AWS_MAX_ATTEMPTS": "2",
    # Bars for copies that take a moment bury the results, and so do addresses of pages.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_HURRY = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "6"}
"""For the last words of a command, to a store that is away or may hang."""
SLOWEST_RATE = 2_000_000
"""Bytes a second at which a server passes a file on to its object store, at least. Meanwhile it says nothing."""

FETCH_SILENCE_S = 150
"""How long a server may say nothing when a file is asked for, of which the size is not known."""


class TrackingLost(UserError):
    """The tracking store answered when the command began, and does not any more, or takes nothing more."""

    def __init__(self, what: str, then: str | None = None) -> None:
        """Say what is wrong with which store, and what to do then."""
        super().__init__(f"{what}. {then or 'Correct that, then run the same command again.'}")
        self.what = what


def connect(folder: Path | None = None) -> str:
    """Set MLflow's tracking store up for this process and return its address, without user and password.

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
    address = os.environ.get("MLFLOW_TRACKING_URI") or address_of(where.resolve() / DATABASE)
    address = _credentials_apart(address)
    database = file_at(address)
    if database is not None and "?" not in address:
        address = address_of(database)
    mlflow.set_tracking_uri(address)
    try:
        if database is not None:
            # Without a word: the workers of a sweep come here for every trial, and each is through in a moment.
            with locked(database.parent / ARTIFACTS, None):
                set_up(database)
                if (sentence := follow(database)) is not None:
                    print(sentence, file=sys.stderr, flush=True)
                mlflow.MlflowClient().search_experiments(max_results=1)
        else:
            mlflow.MlflowClient().search_experiments(max_results=1)
    except UserError:
        raise
    except Exception as error:
        shown = without_credentials(address)
        reason = "a folder of files" if _is_folder(address) else reason_of(error) or shortened(str(error))
        if isinstance(error, PermissionError):
            reason = f"no permission to write {error.filename}; a copy of its folder would do"
        raise UserError(f"The tracking store {shown} cannot be used ({reason}): {_remedy(address)}.") from error
    return address


def _credentials_apart(address: str) -> str:
    """A server's address without user and password, which go where MLflow looks for them and prints nothing of them."""
    parts = urllib.parse.urlsplit(address)
    if not parts.scheme.startswith("http") or "@" not in parts.netloc:
        return address
    for name, value in (("USERNAME", parts.username), ("PASSWORD", parts.password)):
        if value is not None:
            os.environ[f"MLFLOW_TRACKING_{name}"] = urllib.parse.unquote(value)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _is_folder(address: str) -> bool:
    """Whether an address is one that MLflow once took, of a folder with a file for each metric."""
    return urllib.parse.urlsplit(address).scheme in ("", "file")


def _remedy(address: str) -> str:
    if _is_folder(address):
        return (
            "MLflow keeps runs in databases now, so unset MLFLOW_TRACKING_URI or set it to sqlite:////PATH/mlflow.db; "
            "`mlflow migrate-filestore` converts old runs"
        )
    if address.startswith("http"):
        return "correct that, start the server or name another one in MLFLOW_TRACKING_URI"
    return "correct that, or name another one in MLFLOW_TRACKING_URI"


def store_fault(error: BaseException) -> str | None:
    """Why the tracking or artifact store did not take a call, in words; None if the error tells of something else."""
    return error.what if isinstance(error, TrackingLost) else reason_of(error)


def raise_if_lost(error: BaseException, then: str | None = None) -> None:
    """Raise TrackingLost, which says what to do then, if an error tells that a store is gone, full or read-only."""
    import mlflow

    if isinstance(error, TrackingLost):
        raise error if then is None else TrackingLost(error.what, then) from error
    if (reason := store_fault(error)) is not None:
        raise TrackingLost(
            f"The tracking store {without_credentials(mlflow.get_tracking_uri())} does not accept data ({reason})",
            then,
        ) from error


def raise_unless_absent(error: BaseException) -> None:
    """The same for a call that asks for a run or a model by its name, which may be missing, or not for this user to read."""
    if not is_refused(error):
        raise_if_lost(error)


@contextlib.contextmanager
def raising_if_lost(then: str | None = None) -> Iterator[None]:
    """What a lost tracking store makes of the block becomes TrackingLost; other errors stay what they are."""
    try:
        yield
    except Exception as error:
        raise_if_lost(error, then)
        raise


@contextlib.contextmanager
def storing(name: str, size: int, where: str = "") -> Iterator[None]:
    """In the block a file goes to the artifact store, which may be silent for as long as the file's size lets it be.

    Args:
        name: what it is called.
        size: how large it is [bytes].
        where: address of the store, if that is known.

    Raises:
        TrackingLost: the store did not take it, whatever its client says of that.
        OSError: the disk of this machine is full, or does not take it.
    """
    try:
        with _patient(_time_out() + size // SLOWEST_RATE):
            yield
    except UserError:
        raise
    except Exception as error:
        reason = reason_of(error)
        if reason is None:  # a store that is full says the same as a disk
            raise_if_full(error)
            if isinstance(error, OSError) and storage_fault(error) is not None:
                raise
            reason = f"{type(error).__name__}: {shortened(str(error))}"
        store = f"The artifact store {without_credentials(where)}".rstrip()
        raise TrackingLost(f"{store} did not accept {name}, {in_bytes(size)} ({reason})") from error


@contextlib.contextmanager
def fetching() -> Iterator[None]:
    """In the block a file comes from the artifact store, whose server has it whole before it sends the first byte."""
    with _patient(FETCH_SILENCE_S):
        yield


def _patient(seconds: int) -> contextlib.AbstractContextManager[None]:
    """In the block a server may be silent for so long, or longer if the user says so."""
    return _set_variables({"MLFLOW_HTTP_REQUEST_TIMEOUT": str(max(_time_out(), seconds))})


def _time_out() -> int:
    """How long a server may be silent [s]."""
    return int(os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT", _SETTINGS["MLFLOW_HTTP_REQUEST_TIMEOUT"]))


def in_bytes(size: int) -> str:
    """A number of bytes as a person writes it."""
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


@contextlib.contextmanager
def hurried() -> Iterator[None]:
    """In the block MLflow asks a server once, and waits six seconds for its answer."""
    with _set_variables(_HURRY):
        yield


@contextlib.contextmanager
def _set_variables(values: Mapping[str, str]) -> Iterator[None]:
    """In the block some environment variables, in which MLflow looks before each request, have these values."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


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
