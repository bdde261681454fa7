"""A group at work: PostgreSQL, an object store, logins; two people with a clone each, on machines of their own as it seems."""

import json
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import psutil
import pytest

from glassliquid.datasets.description import Dataset
from glassliquid.ensembles.ensemble import Ensemble
from tests.conftest import ROOT
from tests.faults.conftest import PRESET
from tests.faults.workplace import points, wait_for
from tests.group.proxy import Proxy, proxied
from tests.group.servers import (
    ADMIN,
    ADMIN_PASSWORD,
    BUCKET,
    KEYS,
    Process,
    mlflow_server,
    object_store,
    own_environment,
    running,
)
from tests.postgresql import server as postgresql_server

# In one process, and in this order: what one member has done the next test finds.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600), pytest.mark.xdist_group("group")]

CODE = ("src", "entrypoints", "tools", "MLproject", "conda.yaml", "pyproject.toml")
PATIENCE_S = 1200
TRAINING = {"batch_size": 14, "iterations": 30, "batches_per_iteration": 4, "eval_every": 5, "seed": 3}
PASSWORD = "a long p@ss/word"
MODEL, ALIAS = "glass-liquid", "data_liquid5"
MACHINE = "import socket\nsocket.gethostname = lambda: {name!r}\n"


class Member:
    """Somebody with a clone, a login and a machine."""

    def __init__(self, name: str, folder: Path, tracking: str, environment: dict[str, str]) -> None:
        self.name, self.folder, self.clone = name, folder, folder / "clone"
        for part in CODE:
            source = ROOT / part
            copy = shutil.copytree if source.is_dir() else shutil.copy
            self.clone.mkdir(parents=True, exist_ok=True)
            copy(source, self.clone / part)
        (folder / "machine").mkdir()
        preset = PRESET.replace(str(ROOT / "src"), str(self.clone / "src"))
        (folder / "machine" / "sitecustomize.py").write_text(MACHINE.format(name=f"{name}s-machine") + preset)
        self.environment = {
            **own_environment(),
            **environment,
            "MLFLOW_TRACKING_URI": tracking,
            "MLFLOW_TRACKING_USERNAME": name,
            "MLFLOW_TRACKING_PASSWORD": PASSWORD,
            # A machine that does much else: a server that is slow is not what is tested here.
            "MLFLOW_HTTP_REQUEST_TIMEOUT": "300",
            "PYTHONPATH": f"{self.clone}/src:{self.clone}:{folder / 'machine'}",
            "OMP_NUM_THREADS": "1",
        }

    @property
    def data(self) -> Path:
        return self.clone / "data"

    def take(self, dataset: Dataset, ensemble: Ensemble) -> None:
        shutil.copytree(dataset.folder, self.data / "datasets" / dataset.name)
        shutil.copytree(ensemble.folder, self.data / "ensembles" / ensemble.name)

    def start(self, entry_point: str, *more: str, **options: object) -> subprocess.Popen[str]:
        """`mlflow run . -e NAME -P option=value ...` in the clone."""
        parameters = [part for key, value in options.items() for part in ("-P", f"{key}={value}")]
        command = [
            sys.executable,
            "-m",
            "mlflow",
            "run",
            ".",
            "--env-manager",
            "local",
            "-e",
            entry_point,
            *more,
            *parameters,
        ]
        return subprocess.Popen(
            command, cwd=self.clone, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip

    def run(self, entry_point: str, *more: str, **options: object) -> str:
        """The same, to its end, which must be a good one; what it printed."""
        return self.end(self.start(entry_point, *more, **options))

    @staticmethod
    def end(process: subprocess.Popen[str]) -> str:
        """Wait for the good end of a command; what it printed."""
        said, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, said
        assert PASSWORD not in said
        assert "Traceback" not in said, said
        return said


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """PostgreSQL with a database for MLflow, and one for the studies of sweeps."""
    import psycopg

    with postgresql_server() as started:
        with psycopg.connect(started.address, autocommit=True) as connection:
            for name in ("mlflow", "studies"):
                connection.execute(f"CREATE DATABASE {name}")
        yield started.address.rpartition("/")[0]


def create_user(server: Process, name: str) -> None:
    """By the page of MLflow's logins."""
    admin = b64encode(f"{ADMIN}:{ADMIN_PASSWORD}".encode()).decode()
    asked = urllib.request.Request(
        f"{server.address}/api/2.0/mlflow/users/create",
        json.dumps({"username": name, "password": PASSWORD}).encode(),
        {"Authorization": f"Basic {admin}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked) as answer:
        assert answer.status == 200


@pytest.fixture(scope="module", params=["through the server", "direct"])
def group(
    request: pytest.FixtureRequest, database: str, dataset, ensemble, tmp_path_factory
) -> Iterator[tuple[Member, Member, Proxy]]:
    """Two members whose artifacts go through the server, or to the object store directly; a proxy is in front of the server."""
    folder, direct = tmp_path_factory.mktemp("group"), request.param == "direct"
    name = "mlflow" if not direct else "direct"
    if direct:
        import psycopg

        with psycopg.connect(f"{database}/postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE direct")
    with object_store(folder / "objects") as store:
        keys = {**KEYS, "MLFLOW_S3_ENDPOINT_URL": store.address}
        address = f"{database}/{name}".replace("postgresql://", "postgresql+psycopg://")
        with (
            running(
                mlflow_server(folder / "server", address, f"s3://{BUCKET}/{name}", keys, direct, logins=True)
            ) as server,
            proxied(server.port) as front,
        ):
            members = []
            for person in ("anna", "ben"):
                create_user(server, person)
                members.append(Member(person, folder / person, front.address, keys if direct else {}))
                members[-1].take(dataset, ensemble)
            yield members[0], members[1], front


@pytest.fixture
def client(group, monkeypatch: pytest.MonkeyPatch) -> mlflow.MlflowClient:
    anna, _, front = group
    before = mlflow.get_tracking_uri()
    for name, value in anna.environment.items():
        if name.startswith(("MLFLOW_", "AWS_")):
            monkeypatch.setenv(name, value)
    mlflow.set_tracking_uri(front.address)
    yield mlflow.MlflowClient(front.address, front.address)
    mlflow.set_tracking_uri(before)


def test_one_begins_and_another_continues_elsewhere(group, client):
    """A training run that SIGTERM has stopped here continues in another clone on another machine, and everybody can use its model."""
    anna, ben, _ = group
    process = anna.start("train", **{**TRAINING, "iterations": 200})
    wait_for(lambda: [p for p in anna.data.glob("runs/*/metrics.jsonl") if p.stat().st_size > 4000], PATIENCE_S)
    (child,) = [
        each for each in psutil.Process(process.pid).children(recursive=True) if "entrypoints.train" in each.cmdline()
    ]
    child.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=PATIENCE_S)
    found = re.search(r"Continue with: mlflow run \. -e train .*--run-id (\w+) -P resume=(\w+)", said)
    assert found, said
    run_id = found.group(1)
    stopped = client.get_run(run_id)
    assert stopped.data.tags["host"] == "annas-machine"
    reached = points(client, run_id, "loss")[-1][0]
    assert reached < 200
    said = ben.run("train", "--run-id", run_id, resume=run_id)
    finished = client.get_run(run_id)
    assert finished.info.status == "FINISHED"
    assert finished.data.tags["host"] == "bens-machine"
    assert [step for step, _ in points(client, run_id, "loss")] == list(range(1, 201))
    assert anna.run("evaluate", model=f"runs:/{run_id}")


def test_two_that_train_at_once_end_with_the_best_under_the_alias(group, client):
    """In whichever order the requests arrive, of which the proxy delays some."""
    anna, ben, front = group
    delays = random.Random(1)
    front.fault = lambda _method, path, _size: delays.uniform(0, 1) if "model" in path else None
    one = anna.start("train", **TRAINING)
    other = ben.start("train", **{**TRAINING, "iterations": 10, "seed": 4})
    for process in (one, other):
        anna.end(process)
    front.fault = lambda _method, _path, _size: None
    versions = client.search_model_versions(f"name = '{MODEL}'")
    assert {client.get_run(version.run_id).data.tags["host"] for version in versions} == {
        "annas-machine",
        "bens-machine",
    }
    able = [version for version in versions if "at_chance" not in version.tags]
    best = min(able, key=lambda version: (-float(version.tags["best_val_accuracy"]), int(version.version)))
    assert client.get_model_version_by_alias(MODEL, ALIAS).version == best.version


def test_the_commands_of_a_group(group, client, database: str):
    anna, ben, _ = group
    said = anna.run(
        "sweep", trials=4, jobs=2, iterations=5, batches_per_iteration=2, batch_sizes="7,14", study=f"both-{time.time_ns()}",
        storage=f"{database}/studies",
    )  # fmt: skip
    assert "Best of 4 trials" in said
    trials = client.search_runs(["0"], "tags.stage = 'trial' and tags.optuna_state = 'COMPLETE'")
    assert len(trials) == 4
    said = ben.run("transfer_eval", ensemble="small", liquids="5,60,100,195", find_breakdown="false")
    evaluated = client.search_runs(["0"], "tags.stage = 'transfer_eval'")[0]
    assert evaluated.info.status == "FINISHED"
    ben.run("visualize")
    ben.run("report", output=ben.folder / "log.html")
    page = (ben.folder / "log.html").read_text()
    assert "training" in page
    assert PASSWORD not in page
    served = mlflow.pyfunc.load_model(f"models:/{MODEL}@{ALIAS}").predict(np.zeros((3, 64, 64, 3), dtype=np.uint8))
    assert served.shape == (3,)
    assert ((served >= 0) & (served <= 1)).all()


def test_the_chain(group, client):
    anna, _, _ = group
    said = anna.run("main", name="chain", workers=1)  # a name of its own: its models are not for the others' images
    chains = client.search_runs(["0"], "tags.stage = 'main'")
    assert [run.info.status for run in chains] == ["FINISHED"], said


def test_each_tidies_what_is_theirs(group, client):
    """A killed run is closed on its own machine alone, also when both look at once, and named there with the line that continues it."""
    anna, ben, _ = group
    process = anna.start("train", **{**TRAINING, "iterations": 100_000, "seed": 9})
    before = {path.parent.name for path in anna.data.glob("runs/*/metrics.jsonl")}

    def fresh() -> list[str]:
        found = [p for p in anna.data.glob("runs/*/metrics.jsonl") if p.stat().st_size > 4000]
        return [path.parent.name for path in found if path.parent.name not in before]

    wait_for(fresh, PATIENCE_S)
    (run_id,) = fresh()
    for each in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
        each.kill()
    process.wait()
    assert run_id not in ben.run("tidy")
    assert client.get_run(run_id).info.status == "RUNNING"
    closing, other = anna.start("evaluate"), ben.start("tidy")
    anna.end(closing)  # closes it without a word
    assert run_id not in ben.end(other)
    assert client.get_run(run_id).info.status == "KILLED"
    line = f"Continue with: mlflow run . -e train --env-manager local --run-id {run_id} -P resume={run_id}"
    assert line in anna.run("tidy")
    assert run_id not in anna.run("tidy")
