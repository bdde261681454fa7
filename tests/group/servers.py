"""What a group runs, as processes that can be killed and started again: an object store, and an MLflow server, with logins in front."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

BUCKET = "glassliquid"
ADMIN, ADMIN_PASSWORD = "admin", "an-admins-password"
START_WITHIN_S = 900
"""A server with logins takes 15 s of processor time to start; a machine may do much else."""
KEYS = {"AWS_ACCESS_KEY_ID": "group", "AWS_SECRET_ACCESS_KEY": "objects", "AWS_DEFAULT_REGION": "us-east-1"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """A server process that can be killed and started again on its port."""

    def __init__(
        self, command: list[str], port: int, health: str, folder: Path, environment: Mapping[str, str]
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port, self._command, self._health = port, command, f"http://127.0.0.1:{port}{health}"
        self._folder, self._environment = folder, dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")

    def start(self) -> None:
        """Start it, for the first time or again, and wait until it answers."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_WITHIN_S
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < deadline, self.log
            time.sleep(0.1)

    def kill(self) -> None:
        """End it without a word, as a machine does that loses its power."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self._health, timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@contextlib.contextmanager
def running(process: Process) -> Iterator[Process]:
    """A server for the block."""
    try:
        process.start()
        yield process
    finally:
        process.kill()


def own_environment() -> dict[str, str]:
    """The environment without what would lead to another server."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "AWS_"))}
    return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@contextlib.contextmanager
def object_store(folder: Path) -> Iterator[Process]:
    """An S3 object store with one bucket."""
    pytest.importorskip("moto", reason="no object store: the package moto is not installed")
    boto3 = pytest.importorskip("boto3", reason="no client for an object store: the package boto3 is not installed")
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with running(Process(command, port, "/moto-api/", folder, own_environment())) as store:
        keys = {"aws_access_key_id": "group", "aws_secret_access_key": "objects", "region_name": "us-east-1"}
        boto3.client("s3", endpoint_url=store.address, **keys).create_bucket(Bucket=BUCKET)
        yield store


def mlflow_server(
    folder: Path,
    database: str | None = None,
    artifacts: str | None = None,
    environment: Mapping[str, str] | None = None,
    direct: bool = False,
    logins: bool = False,
) -> Process:
    """An MLflow server, which does not run yet.

    Args:
        folder: for its log and its database of users.
        database: address of the database; a file in `folder` unless given.
        artifacts: where artifacts are kept; in `folder` unless given.
        environment: more variables, such as the keys of an object store.
        direct: whether clients write artifacts there themselves; else through the server.
        logins: whether it asks for user and password.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    database, artifacts = database or f"sqlite:///{folder / 'mlflow.db'}", artifacts or str(folder / "artifacts")
    kept = ["--no-serve-artifacts", "--default-artifact-root"] if direct else ["--artifacts-destination"]
    command = [
        sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database, *kept, artifacts,
        "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
    ]  # fmt: skip
    # Nobody needs the processes for its background jobs, four beside each server.
    variables = {**own_environment(), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **(environment or {})}
    if logins:
        pytest.importorskip("flask_wtf", reason="no logins: MLflow's extra `auth` is not installed")
        config = folder / "auth.ini"
        config.write_text(
            f"[mlflow]\ndefault_permission = EDIT\ndatabase_uri = sqlite:///{folder / 'users.db'}\n"
            f"admin_username = {ADMIN}\nadmin_password = {ADMIN_PASSWORD}\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
            "auth_cache_ttl_seconds = 60\n"  # else each request hashes the password, 0.1 s of processor time
        )
        variables |= {"MLFLOW_AUTH_CONFIG_PATH": str(config), "MLFLOW_FLASK_SERVER_SECRET_KEY": "of-a-test"}
        command += ["--app-name", "basic-auth"]
    return Process(command, port, "/health", folder, variables)
