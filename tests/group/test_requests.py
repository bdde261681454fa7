"""What a server is asked by a command: each request costs it a transaction, and a training run nothing but time."""

import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.group.proxy import Proxy
from tests.group.servers import own_environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

MOST_OF_A_TRAINING = 60
"""Of the first one, whose experiment and registered model are made too."""
EACH_MINUTE = 3
"""Two batches of points, one of them with a sign of life, and whether the run is RUNNING."""
MOST_OF_A_SWEEP, OF_A_TRIAL = 85, 18
MOST_OF_A_REPORT, OF_A_FILE = 30, 2
"""Listing it and getting it."""


@pytest.fixture
def asked(proxy: Proxy, data_dir: Path, dataset) -> Callable[..., Counter[str]]:
    """Runs a command through `mlflow run` and counts its requests by kind."""

    def run(entry_point: str, **options: object) -> Counter[str]:
        proxy.counts.clear()
        parameters = [part for key, value in options.items() for part in ("-P", f"{key}={value}")]
        command = [sys.executable, "-m", "mlflow", "run", ".", "--env-manager", "local", "-e", entry_point, *parameters]
        environment = {**own_environment(), "MLFLOW_TRACKING_URI": proxy.address}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        kinds: Counter[str] = Counter()
        for request, times in proxy.counts.items():
            kinds[re.sub(r"[0-9a-f]{32}", "ID", request)] += times
        print(entry_point, kinds.total(), kinds.most_common())
        return kinds

    return run


def test_commands_ask_little(asked, data_dir: Path, tmp_path: Path):
    began = time.monotonic()
    found = asked("train", batch_size=14, data_dir=data_dir)
    minutes = (time.monotonic() - began) / 60
    assert found.total() <= MOST_OF_A_TRAINING + EACH_MINUTE * minutes
    assert not [kind for kind in found if "get-history" in kind]
    began, trials = time.monotonic(), 2
    settings = {"trials": trials, "jobs": 1, "iterations": 20, "batches_per_iteration": 4, "batch_sizes": "7,14"}
    found = asked("sweep", **settings, data_dir=data_dir)
    minutes = (time.monotonic() - began) / 60
    assert found.total() <= MOST_OF_A_SWEEP + OF_A_TRIAL * trials + EACH_MINUTE * minutes
    page = tmp_path / "log.html"
    found = asked("report", data_dir=data_dir, output=page)
    files = sum(times for kind, times in found.items() if kind.startswith("GET /api/2.0/mlflow-artifacts/artifacts/"))
    assert files >= 3  # the sweep's table and pictures
    assert page.read_text().count("data:image/") >= files - 1
    assert found.total() <= MOST_OF_A_REPORT + OF_A_FILE * files
