"""The seed of the faults, and workplaces that leave no process behind."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from glassliquid.commands.jobs import COARSE_LIQUIDS
from glassliquid.datasets.description import Dataset
from glassliquid.ensembles.ensemble import Ensemble
from tests.conftest import PROTOCOL, ROOT
from tests.faults.workplace import TRAINING, Workplace

SEED_VARIABLE = "FAULTS_SEED"
CHAIN_SIMULATIONS = 60
"""Seven tenths of them, with two images each, are more than the batch of 80 that a training run has by default."""
PRESET = f"""
import sys
sys.path.insert(0, {str(ROOT / "src")!r})
from glassliquid.physics import protocol
protocol.PRESETS["demo"] = protocol.Preset(
    protocol=protocol.Protocol(
        particles={PROTOCOL.particles}, equilibration_steps={PROTOCOL.equilibration_steps}, cooling_steps={PROTOCOL.cooling_steps},
        snapshots={tuple(sorted({*COARSE_LIQUIDS, 5, 200}))},
    ),
    simulations={CHAIN_SIMULATIONS},
)
"""
"""Makes the demo small; Python runs it when it starts. The chain has no parameters for that."""


@pytest.fixture
def fault_seed() -> int:
    seed = int(os.environ.get(SEED_VARIABLE, "1"))
    print(f"The faults come from {SEED_VARIABLE}={seed}.")  # pytest shows it if the test fails
    return seed


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Callable[..., Workplace]]:
    """Makes workplaces; what still runs in them at the end is killed."""
    made: list[Workplace] = []

    def make(name: str = "work", server: str | None = None) -> Workplace:
        made.append(Workplace(tmp_path / name, server))
        return made[-1]

    yield make
    for place in made:
        place.end()


@pytest.fixture
def small_demo(tmp_path: Path) -> Callable[[Workplace], None]:
    """Makes the chain of a workplace a small one."""
    (tmp_path / "preset").mkdir()
    (tmp_path / "preset" / "sitecustomize.py").write_text(PRESET)

    def shrink(place: Workplace) -> None:
        place.environment["PYTHONPATH"] += f"{os.pathsep}{tmp_path / 'preset'}"

    return shrink


@pytest.fixture(scope="session")
def undisturbed(dataset: Dataset, ensemble: Ensemble, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """A workplace with a finished training, the only one there; tests may evaluate and report it."""
    place = Workplace(tmp_path_factory.mktemp("undisturbed") / "work")
    place.take(dataset, ensemble)
    place.run("train", **TRAINING)
    yield place
    place.end()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for 40 MB, for a whole workplace: data, tracking database, artifacts."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("a small file system can only be mounted by root")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(folder)], check=False)
    if mounted.returncode:
        pytest.skip("this machine does not let tests mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def short(*values: object) -> object:
    """A parameter of the quick tests; the long run has a larger one."""
    return pytest.param(*values, marks=[pytest.mark.short])


def long(*values: object) -> object:
    """A parameter of the long run only."""
    return pytest.param(*values, marks=[pytest.mark.long, pytest.mark.timeout(3000)])
