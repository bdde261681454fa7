"""The seed of the faults, and workplaces that leave no process behind."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.workplace import Workplace

SEED_VARIABLE = "FAULTS_SEED"


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


def short(*values: object) -> object:
    """A parameter of the quick tests; the long run has a larger one."""
    return pytest.param(*values, marks=[pytest.mark.short])


def long(*values: object) -> object:
    """A parameter of the long run only."""
    return pytest.param(*values, marks=[pytest.mark.long, pytest.mark.timeout(3000)])
