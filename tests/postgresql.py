"""A PostgreSQL server of a test's own: the system's binaries, or those of the `pgserver` package."""

import contextlib
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

USER = "postgres"


@dataclass(frozen=True)
class Server:
    """A running server."""

    address: str
    stop: Callable[[], None]
    start: Callable[[], None]


def binaries() -> Path | None:
    """The folder with initdb and pg_ctl, or None."""
    found = shutil.which("initdb")
    places = [] if found is None else [Path(found).resolve().parent]
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    package = importlib.util.find_spec("pgserver")
    if package is not None and package.origin is not None:
        places.append(Path(package.origin).parent / "pginstall" / "bin")
    return next((place for place in places if (place / "initdb").exists() and (place / "pg_ctl").exists()), None)


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """Start a server on a free port of this machine; stop it at the end."""
    place = binaries()
    if place is None:
        pytest.skip("no PostgreSQL: neither its programs nor the package pgserver are installed")
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip("no driver for PostgreSQL: the package psycopg is not installed")
    with tempfile.TemporaryDirectory(prefix="postgresql-") as name:
        folder = Path(name)
        data = folder / "data"
        as_user = _unprivileged(folder)

        def call(*arguments: str) -> None:
            done = subprocess.run(
                arguments, cwd=folder, capture_output=True, text=True, timeout=120, check=False, **as_user
            )
            if done.returncode != 0:
                pytest.skip(f"PostgreSQL does not start here ({(done.stderr or done.stdout).strip()[-300:]})")

        call(str(place / "initdb"), "-D", str(data), "-U", USER, "-A", "trust", "-N", "--encoding=UTF8")
        port = _free_port()
        settings = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"

        def control(*arguments: str) -> None:
            call(str(place / "pg_ctl"), "-D", str(data), "-w", *arguments)

        def start() -> None:
            control("-l", str(folder / "log"), "-o", settings, "start")

        def stop() -> None:
            control("-m", "immediate", "stop")

        start()
        try:
            yield Server(f"postgresql://{USER}@127.0.0.1:{port}/{USER}", stop, start)
        finally:
            stop()


def _unprivileged(folder: Path) -> dict[str, Any]:
    """PostgreSQL refuses to run as root: then another account of the machine runs it, in a folder that it owns."""
    if os.geteuid() != 0:
        return {}
    for name in (USER, "nobody"):
        with contextlib.suppress(KeyError):
            account = pwd.getpwnam(name)
            os.chown(folder, account.pw_uid, account.pw_gid)
            return {"user": account.pw_uid, "group": account.pw_gid}
    return {}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
