"""How far it is from the command line to the first gradient, for somebody who reads the code.

Counted is the walk: the functions of this project that are on the call stack when `loss.backward()` is first called, from the click
callback on, and those that docs/ARCHITECTURE.md names on the way there (its steps of a training run, up to the first gradient), which really were
called. Not counted are the many that these call in turn, which a reader of the main line need not open.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_FILES = MOST_FUNCTIONS = 12


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> dict[str, list[str]]:
    folder = tmp_path_factory.mktemp("walk")
    shutil.copytree(ROOT / "tests" / "released" / "v0.1" / "datasets", folder / "data" / "datasets")
    options = ("--data-dir", str(folder / "data"), "--batch-size", "8", "--device", "cpu", "--register-as", "none")
    done = subprocess.run(
        [sys.executable, "-m", "tests.commands.trace_walk", *options],
        cwd=ROOT,
        env={**environment, "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout.strip(), done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def documented() -> tuple[set[str], set[str]]:
    """The files and the names in the section of ARCHITECTURE.md that follows a training run, up to the first gradient."""
    page = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    before, found, _ = page.partition("**the first gradient**")
    assert found
    quoted = set(re.findall(r"`([\w./]+)`", before.rpartition("\n## ")[2]))
    files = {each for each in quoted if each.endswith(".py")}
    return files, quoted - files


def test_the_first_gradient_is_twelve_files_and_functions_away(traced: dict[str, list[str]]):
    files, names = documented()
    walk = set(traced["stack"]) | {each for each in traced["entered"] if re.split(r"[:.]", each)[-1] in names}
    assert len(walk) <= MOST_FUNCTIONS, sorted(walk)
    assert len(files | {each.partition(":")[0] for each in walk}) <= MOST_FILES, sorted(walk)


def test_what_is_on_the_stack_is_in_the_documented_walk(traced: dict[str, list[str]]):
    files = [each.partition(":")[0] for each in traced["stack"]]
    assert files[0].startswith("entrypoints/")
    assert files[-1] == "src/glassliquid/training/trainer.py"
    assert set(files) <= documented()[0]


def test_the_documented_walk_is_walked(traced: dict[str, list[str]]):
    """But for the class of the settings, and for the decorator that has made the command when it was imported."""
    entered = {re.split(r"[:.]", each)[-1] for each in traced["entered"]}
    assert documented()[1] - entered == {"TrainJob", "entry_point"}
