"""A sandbox for each module of hostile inputs, with the shared data in it."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from glassliquid.datasets.description import Dataset
from glassliquid.ensembles.ensemble import Ensemble
from tests.hostile.budget import IS_LONG
from tests.hostile.figures import keep
from tests.hostile.guard import Sandbox


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long run takes minutes a property."""
    for item in items:
        if "tests/hostile" in str(item.path) and IS_LONG:
            item.add_marker(pytest.mark.timeout(3000))


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    made = Sandbox(tmp_path_factory.mktemp("sandbox"), collect="HOSTILE_COLLECT" in os.environ)
    yield made
    for tally in made.tallies.values():
        keep(tally)
        for fault, count in Counter(_signature(fault) for fault in tally.faults).most_common():
            print(f"\n{count} x {fault}")
        print(f"\n{tally.target}: {tally.generated} generated, {tally.rejected} refused, {tally.accepted} accepted")


@pytest.fixture(scope="module")
def placed(sandbox: Sandbox, dataset: Dataset, ensemble: Ensemble) -> Sandbox:
    """The sandbox with a copy of the shared ensemble and dataset."""
    shutil.copytree(ensemble.folder, sandbox.data / "ensembles" / ensemble.name)
    shutil.copytree(dataset.folder, sandbox.data / "datasets" / dataset.name)
    for cache in (sandbox.data / "datasets" / dataset.name).glob(".decoded*"):
        cache.unlink()
    return sandbox


@pytest.fixture
def in_sandbox(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths are those of the sandbox."""
    monkeypatch.chdir(sandbox.root)


def restored(path: Path, content: bytes) -> None:
    """Put a file's content back, whatever an input made of it."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
    path.write_bytes(content)


def _signature(fault: str) -> str:
    """What equal faults have in common: the place in our code, and the error."""
    lines = [line.strip() for line in fault.splitlines() if line.strip()]
    frames = [line for line in lines if "/src/glassliquid/" in line or "/entrypoints/" in line]
    return f"{frames[-1] if frames else ''} | {lines[-1][:300]}"
