"""One small ensemble and one dataset of it, made once through the real code and shared by all tests."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from glassliquid.datasets.build import make_dataset
from glassliquid.datasets.description import Dataset, Recipe
from glassliquid.ensembles.ensemble import Ensemble, plan_ensemble
from glassliquid.ensembles.making import make_ensemble
from glassliquid.ensembles.workers import LocalPool
from glassliquid.physics.engine import Engine
from glassliquid.physics.engines import engine_of_this_process
from glassliquid.physics.protocol import PRESETS, Protocol
from tests.postgresql import server

ROOT = Path(__file__).resolve().parents[1]
SEED = 1
SIMULATIONS = 20
PROTOCOL = Protocol(
    particles=100,
    equilibration_steps=PRESETS["demo"].protocol.equilibration_steps,
    cooling_steps=2_000,
    snapshots=(0, 5, 60, 100, 195, 200),
)
"""The demo preset's equilibration, a smaller system and a faster cooling: a tenth of a second a simulation."""


@pytest.fixture(autouse=True)
def started_in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """Command lines that are printed in this process name the project `.`, wherever the tests themselves were started from."""
    monkeypatch.setattr("glassliquid.command_line.project_address", lambda: ".")


def ignore_progress(done: int, total: int) -> None:
    """A report of progress that nobody reads."""


@pytest.fixture(scope="session")
def pool() -> Iterator[LocalPool]:
    """Two worker processes for everything that does not kill them."""
    with LocalPool(2) as workers:
        yield workers


@pytest.fixture(scope="session")
def engine() -> Engine:
    """LAMMPS, the reference."""
    return engine_of_this_process("lammps")


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the shared ensemble and dataset. Look, but copy before changing anything in it."""
    root = tmp_path_factory.getbasetemp()
    # Under pytest-xdist all processes share one ensemble: whoever comes first makes it, the others wait at its lock.
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    return root / "shared-data"


@pytest.fixture(scope="session")
def ensemble(data_dir: Path, pool: LocalPool) -> Ensemble:
    """Twenty complete simulations."""
    folder = data_dir / "ensembles" / "small"
    return make_ensemble(plan_ensemble(folder, "demo", PROTOCOL, SIMULATIONS, SEED), pool, ignore_progress)


@pytest.fixture(scope="session")
def recipe(ensemble: Ensemble) -> Recipe:
    return Recipe(
        source="simulate",
        ensemble=ensemble.name,
        ensemble_digest=ensemble.digest,
        liquid=5,
        glass=200,
        image_size=64,
        window=1.0,
        inherent=False,
    )


@pytest.fixture(scope="session")
def dataset(data_dir: Path, ensemble: Ensemble, recipe: Recipe, pool: LocalPool) -> Dataset:
    """Forty images of 64 pixels, liquid 5 against glass 200."""
    return make_dataset(data_dir / "datasets" / "data_liquid5", ensemble, recipe, pool, ignore_progress)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """Address of a PostgreSQL server that is started for the tests of one process."""
    with server() as running:
        yield running.address


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[Path], Path]:
    """Copies a shared folder to a place where the test may change it."""

    def copy(folder: Path) -> Path:
        target = tmp_path / folder.parent.name / folder.name
        shutil.copytree(folder, target)
        return target

    return copy


@pytest.fixture
def start_python() -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts Python programs that import the package of this checkout; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []
    paths = [str(ROOT / "src"), str(ROOT)]

    def start(program: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # its workers are in its process group, which can be killed as a whole
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder and its bytes, but for hidden ones (locks and caches)."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }
