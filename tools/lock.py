"""Write requirements.lock, requirements-test.lock and conda.yaml from the ranges in pyproject.toml.

    python tools/lock.py           choose versions again
    python tools/lock.py --conda   only bring conda.yaml in line with requirements.lock
    python tools/lock.py --check   fail if conda.yaml does not have the pins of requirements.lock

pip resolves the ranges (`pip install --dry-run --report`) and installs nothing. It resolves them for the
machine that it runs on: choose versions with Python 3.11 on Linux x86-64.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
LOCK, TEST_LOCK, CONDA = (ROOT / f for f in ("requirements.lock", "requirements-test.lock", "conda.yaml"))

# torch pins these itself, exactly, where its build needs them; another build needs others, or none.
CUDA = ("nvidia-", "cuda-", "triton")

LOCK_HEAD = """\
# Every package of a run, exactly. Written by `make lock` from the ranges in pyproject.toml; conda.yaml has
# the same pins. Without the CUDA libraries on purpose: torch pins them itself, where its build needs them.
"""
TEST_HEAD = """\
# What the tests and linters need beyond requirements.lock. Written by `make lock`.
"""
CONDA_HEAD = """\
# The environment of a run for `mlflow run`, with conda or with --env-manager uv. The pins are those of
# requirements.lock: MLflow names an environment after the text of this file, so they stand here in full.
# Written by `make lock`. The project itself is not in it: a run executes the clone that it was started in.
name: glassliquid
channels:
  - conda-forge
dependencies:
  - python=3.11
  - pip
  - pip:
"""


def resolve(requirements: list[str]) -> dict[str, str]:
    """Let pip choose versions for the requirements and all that they need."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
        subprocess.run([*command, "--report", str(report), *requirements], check=True)
        items = json.loads(report.read_text(encoding="utf-8"))["install"]
    pins = {canonicalize_name(i["metadata"]["name"]): Version(i["metadata"]["version"]).public for i in items}
    return {name: pins[name] for name in sorted(pins) if not name.startswith(CUDA)}


def read_pins(path: Path) -> list[str]:
    """Read the pins of a lock file, markers included."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def conda_text() -> str:
    """Write conda.yaml's text from requirements.lock."""
    return CONDA_HEAD + "".join(f"      - {pin}\n" for pin in read_pins(LOCK))


def main(arguments: list[str]) -> int:
    """Do what the only argument says."""
    if arguments == ["--check"]:
        if CONDA.read_text(encoding="utf-8") != conda_text():
            print("conda.yaml does not match requirements.lock: run `python tools/lock.py --conda`.")
            return 1
        return 0
    if not arguments:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        needs, test_needs = project["dependencies"], project["optional-dependencies"]["test"]
        every = map(Requirement, [*needs, *test_needs])
        markers = {canonicalize_name(r.name): f"; {r.marker}" for r in every if r.marker}
        run_pins = resolve(needs)
        lines = [f"{name}=={version}{markers.get(name, '')}\n" for name, version in run_pins.items()]
        LOCK.write_text(LOCK_HEAD + "".join(lines), encoding="utf-8")
        test_pins = resolve([*test_needs, "--constraint", str(LOCK)])
        own = {name: version for name, version in test_pins.items() if name not in run_pins}
        lines = [f"{name}=={version}{markers.get(name, '')}\n" for name, version in own.items()]
        TEST_LOCK.write_text(TEST_HEAD + "".join(lines), encoding="utf-8")
    elif arguments != ["--conda"]:
        print(__doc__)
        return 2
    CONDA.write_text(conda_text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
