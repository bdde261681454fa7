"""Where studies are kept: a file by default, or any database that Optuna can use."""

import functools
import random
import re
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError, ProgrammingError

from glassliquid.errors import Stopped, UserError, first_line_of

CONNECT_WITHIN_S = 10
"""How long a database server may take to answer."""
LOCK_TIMEOUT_S = 60
"""How long a process waits while another one writes into the same SQLite file."""
PASSWORD_KEYS = frozenset({"password", "passwd", "sslpassword"})
"""What drivers call a password that stands behind the address as an option of the connection."""
ATTEMPTS = 6
"""How often the tables of a fresh database are tried to be made."""
OUTAGE_S = 300.0
"""How long a storage that does not answer is waited for."""
RETRY_AFTER_S = 2.0
HALF_MADE = frozenset({"42P01", "42P07", "42710", 1050, 1146})
"""SQLSTATEs of PostgreSQL (undefined table, duplicate table, duplicate object) and numbers of MySQL for a table that does not
exist yet or exists already. Codes, because messages are in the server's language."""
_CANNOT_BE_WRITTEN = re.compile("disk is full|readonly database|disk I/O error")
"""What SQLite says when waiting does not help."""


class StorageLost(UserError):
    """The storage answered when the command began, and does not any more, or takes nothing more."""


def open_storage(address: str, should_stop: Callable[[], bool] = lambda: False) -> BaseStorage:
    """Optuna's storage at an SQLAlchemy address, with its tables made if there are none.

    From then on it waits for a server that is away: for five minutes, or until `should_stop` answers True.

    Raises:
        UserError: the address is not one, its driver is not installed, or nobody answers there.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = _parsed(address)
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise UserError(
            f"storage is {address!r}, which names no file, so each process would have its own study: pass sqlite:///FILE."
        )
    if (file := sqlite_file(address)) is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    arguments: dict[str, dict[str, Any]] = {
        "sqlite": {"timeout": LOCK_TIMEOUT_S},
        "postgresql": {"connect_timeout": CONNECT_WITHIN_S},
        "mysql": {"connect_timeout": CONNECT_WITHIN_S},
    }
    # A connection that the server has closed meanwhile is opened again.
    options = {"connect_args": arguments.get(url.get_backend_name(), {}), "pool_pre_ping": True}
    try:
        storage = optuna.storages.get_storage(_with_tables(url.render_as_string(hide_password=False), options))
    except (ImportError, NoSuchModuleError) as error:
        raise UserError(
            f"storage is {address!r}, and there is no driver for it ({_reason(error)}): install one (for PostgreSQL: "
            "pip install 'psycopg[binary]'), or pass storage=auto, which is a file."
        ) from error
    except Exception as error:  # drivers raise what they like about an address
        raise UserError(
            f"The storage {address} cannot be used ({_reason(error)}): start the server or correct the address, or pass "
            "storage=auto, which is a file."
        ) from error
    return _patient(storage, should_stop)


def _with_tables(address: str, options: dict[str, Any]) -> optuna.storages.RDBStorage:
    """The storage; when two commands make the tables of a fresh database at once, one of them finds half of them there."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return optuna.storages.RDBStorage(address, options)
        except (IntegrityError, ProgrammingError) as error:
            if attempt == ATTEMPTS or not is_half_made(error):
                raise
            time.sleep(attempt * random.random())
    raise AssertionError("not reached")


def is_half_made(error: DBAPIError) -> bool:
    """Whether an error says that another command is making the same tables now.

    It is one of a unique key, or has a code of `HALF_MADE`; an option that the driver does not know has no code, and stays unknown.
    """
    cause: Any = error.orig
    number = next(iter(getattr(cause, "args", ())), None)  # MySQL's drivers: a number, then a text
    code = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None) or number  # psycopg 3, psycopg2
    return isinstance(error, IntegrityError) or code in HALF_MADE


def _patient(storage: BaseStorage, should_stop: Callable[[], bool]) -> BaseStorage:
    """The storage, each call of which is repeated while the server does not answer.

    A call may so be done twice; what Optuna's are good for then, docs/LOG.md says.
    """

    def repeated(name: str) -> Callable[..., Any]:
        method = getattr(storage, name)

        @functools.wraps(method)
        def call(_self: Any, *arguments: Any, **options: Any) -> Any:
            began = time.monotonic()
            while True:
                try:
                    return method(*arguments, **options)
                except StorageInternalError as error:
                    reason, waited = _reason(error), time.monotonic() - began
                    if _CANNOT_BE_WRITTEN.search(reason):
                        remedy = "free some space, then run the same command again"
                        raise StorageLost(f"The study cannot be written ({reason}): {remedy}.") from error
                    if should_stop():
                        raise Stopped(f"Stopped while the storage of the study did not answer ({reason}).") from error
                    if waited > OUTAGE_S:
                        raise StorageLost(
                            f"The storage of the study has not answered for {waited:.0f} s ({reason}): start it and run the same "
                            "command again."
                        ) from error
                time.sleep(RETRY_AFTER_S)

        return call

    methods = {name: repeated(name) for name in BaseStorage.__abstractmethods__}
    patient: BaseStorage = type("PatientStorage", (BaseStorage,), methods)()
    return patient


def sqlite_file(address: str) -> Path | None:
    """The file of an SQLite address; None for a server."""
    url = _parsed(address)
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def refuse_password(address: str, run_id: str | None) -> None:
    """Refuse an address with a password in it: `mlflow run` keeps every parameter and shows it to all.

    Args:
        address: where the study is to be kept.
        run_id: the run that `mlflow run` has made for this command, in which the address stands by now; None without one.

    Raises:
        UserError: there is a password in the address, or it is not one.
    """
    url = _parsed(address)
    if url.password is None and PASSWORD_KEYS.isdisjoint(key.lower() for key in url.query):
        return
    remedy = "pass the address without it and set PGPASSWORD or use ~/.pgpass"
    if run_id is None:
        raise UserError(f"storage contains a password, which others can read on the command line: {remedy}.")
    raise UserError(
        f"storage contains a password, which `mlflow run` has stored with the run's parameters: {remedy}, and erase that run: "
        f"mlflow runs delete --run-id {run_id} && mlflow gc --run-ids {run_id}."
    )


def same_database(one: str, other: str) -> bool:
    """Whether two addresses name the same database, whatever driver, user or password they name."""
    try:
        a, b = _parsed(one), _parsed(other)
    except UserError:
        return False
    if a.get_backend_name() == "sqlite" == b.get_backend_name():
        return Path(a.database or "").resolve() == Path(b.database or "").resolve()
    return (a.get_backend_name(), a.host, a.port, a.database) == (b.get_backend_name(), b.host, b.port, b.database)


def _parsed(address: str) -> URL:
    # Both names are in use for PostgreSQL; the driver is the one that the project's extra installs.
    for name in ("postgresql://", "postgres://"):
        if address.startswith(name):
            address = "postgresql+psycopg://" + address.removeprefix(name)
    try:
        address.encode()  # a database's driver would fail at half a character
        return make_url(address)
    except (ArgumentError, ValueError) as error:
        # The address itself is not shown: what cannot be read may hold a password anywhere.
        raise UserError(
            "storage is not an address: pass auto, or for example postgresql://USER@HOST/DATABASE or sqlite:///FILE."
        ) from error


def _reason(error: BaseException) -> str:
    """What the driver said, in one line."""
    first: BaseException = error
    while (cause := first.__cause__ or first.__context__) is not None:
        first = cause
    return first_line_of(first).strip()[:200]
