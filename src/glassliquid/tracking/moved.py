"""MLflow's database file in a folder that was moved or copied: it holds the addresses of artifacts in full."""

import contextlib
import sqlite3
from pathlib import Path

from glassliquid.tracking.database import ARTIFACTS, WAIT_FOR_LOCK_S

ADDRESSES = {
    "experiments": "artifact_location",
    "runs": "artifact_uri",
    "logged_models": "artifact_location",
    "model_versions": "storage_location",
}
"""Tables and columns that hold such addresses."""
_SCHEME = "file://"
ENOUGH = 50
"""Addresses that are looked up to tell whether the artifacts have come along."""


def follow(database: Path) -> str | None:
    """Put the addresses of artifacts right whose folder `mlruns` stands beside the database and once stood elsewhere.

    Folders that somebody has given his artifacts on purpose are left alone: what counts are those that lie in a folder
    `mlruns` where the database was, and are now in the one beside it, or nowhere.

    Returns:
        A sentence that says what was done; None if there was nothing to do.
    """
    here = database.resolve().parent / ARTIFACTS
    with contextlib.closing(sqlite3.connect(database, timeout=WAIT_FOR_LOCK_S)) as connection:
        before = [root for root in _roots(connection) if root != here and _has_come(connection, root, here)]
        for root in before:
            _replace(connection, root, here)
        models = _recorded(connection, "logged_models", here) if before else []
    if not before:
        return None
    has_lost = bool(models) and not any((here / place).exists() for place in models)
    lost = f" None of its models is there: move the folder {ARTIFACTS} too." if has_lost else ""
    return (
        f"The folder of {database} was moved or copied, or the file was made from another folder: "
        f"its artifacts, until now looked for in {before[0]}, are now looked for in {here}.{lost}"
    )


def _roots(connection: sqlite3.Connection) -> list[Path]:
    """The folders `mlruns` in which experiments keep their artifacts."""
    try:
        found = connection.execute("SELECT experiment_id, artifact_location FROM experiments").fetchall()
    except sqlite3.OperationalError:  # a database that is not MLflow's, or not yet
        return []
    places = {Path(str(location).removeprefix(_SCHEME)).parent for _, location in found if location}
    return sorted(place for place in places if place.is_absolute() and place.name == ARTIFACTS)


def _has_come(connection: sqlite3.Connection, root: Path, here: Path) -> bool:
    """Whether artifacts that are recorded below one folder are below another one, or cannot be in the first any more.

    They cannot where the folder that the database was in is gone. One that is there but empty may be a disk that is not
    mounted, unless no artifacts are recorded.
    """
    recorded = _recorded(connection, "runs", root)
    return (
        any((here / place).exists() for place in recorded)
        or not root.parent.exists()
        or not (root.exists() or any(recorded))
    )


def _recorded(connection: sqlite3.Connection, table: str, root: Path) -> list[Path]:
    """The latest places of artifacts that a table has below a folder, relative to it."""
    column, places = ADDRESSES[table], list[Path]()
    for prefix in ("", _SCHEME):
        start = f"{prefix}{root}/"
        rows = connection.execute(
            f"SELECT {column} FROM {table} WHERE substr({column}, 1, ?) = ? ORDER BY rowid DESC LIMIT ?",
            (len(start), start, ENOUGH),
        )
        places += [Path(str(address)[len(start) :]) for (address,) in rows]
    return places


def _replace(connection: sqlite3.Connection, root: Path, here: Path) -> None:
    """Let all addresses below a folder lead below another one, all or none."""
    with connection:
        for table, column in ADDRESSES.items():
            for prefix in ("", _SCHEME):
                old, new = f"{prefix}{root}/", f"{prefix}{here}/"
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                    (new, len(old) + 1, len(old), old),
                )
