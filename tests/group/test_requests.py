"""What a server is asked by a command: each request costs it a transaction, and a training run nothing but time."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.group.proxy import Proxy
from tests.group.servers import own_environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

MOST_OF_A_TRAINING = 70


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


def test_a_training_asks_little(asked, data_dir: Path):
    """The first training, for which the experiment's page and the registered model are made too, of the default length."""
    found = asked("train", batch_size=14, data_dir=data_dir)
    assert found.total() <= MOST_OF_A_TRAINING
    assert not [kind for kind in found if "get-history" in kind]
