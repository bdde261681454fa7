"""The stand-in for conda: answer the questions that `mlflow run` (3.17) asks conda, and no others.

MLflow asks `conda --help`, `conda env list --json` and `conda env create -n NAME --file FILE`, and then
starts the run with `conda activate NAME && ...` in the project's folder. NAME ends with the SHA-1 of the text
of conda.yaml, so the environment can be checked in that last step. A refusal there makes MLflow mark the run
as failed; refused any earlier, MLflow leaves it "running" forever.
"""

import hashlib
import json
import platform
import sys
from importlib import metadata
from pathlib import Path

HELP = """\
This is not conda. It is a stand-in by which `mlflow run` uses this project's virtual environment on a machine
that has no conda; it installs nothing. A real conda on this machine is always preferred."""


def main(arguments: list[str]) -> int:
    """Answer one call and return its exit status."""
    match arguments:
        case ["--help"]:
            print(HELP)
        case ["env", "list", "--json"]:
            # None by name: whether this environment serves is known when the project is.
            print(json.dumps({"envs": []}))
        case ["env", "create", "-n", _, "--file", _]:
            say(
                f"this machine has no conda; using the virtual environment {sys.prefix} "
                f"(Python {platform.python_version()}) instead, nothing is created"
            )
        case ["activate", name]:
            return activate(name)
        case _:
            call = " ".join(arguments)
            say(f"this machine has no conda, and its stand-in for `mlflow run` cannot do `conda {call}`.")
            return 1
    return 0


def activate(name: str) -> int:
    """Check that this virtual environment has what the project in the current folder pins."""
    for path in sorted([*Path().glob("*.yaml"), *Path().glob("*.yml")]):
        text = path.read_text(encoding="utf-8")
        if name == "mlflow-" + hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest():
            break
    else:
        say(f"no file in {Path.cwd()} asks for the environment {name}.")
        return 1
    lacks = missing(text)
    if lacks:
        others = f" and {len(lacks) - 1} more" if len(lacks) > 1 else ""
        say(
            f"the virtual environment {sys.prefix} does not have what {path.resolve()} asks for "
            f"({lacks[0]}{others}): run `make venv` in {Path.cwd()}, activate its .venv and try again."
        )
    return bool(lacks)


def missing(text: str) -> list[str]:
    """List what a conda.yaml asks for and this environment does not have.

    The version of Python is not compared: the packages' own pins decide what runs.
    """
    import yaml
    from packaging.requirements import Requirement

    lacks = []
    for entry in yaml.safe_load(text).get("dependencies", []):
        if isinstance(entry, str):
            if entry.split("=")[0].split(">")[0].split("<")[0].strip() not in ("python", "pip"):
                lacks.append(f"{entry}, a conda package")
            continue
        for requirement in map(Requirement, entry.get("pip", [])):
            if requirement.marker and not requirement.marker.evaluate():
                continue
            try:
                found = metadata.version(requirement.name)
            except metadata.PackageNotFoundError:
                lacks.append(f"{requirement}, not installed")
                continue
            if not requirement.specifier.contains(found, prereleases=True):
                lacks.append(f"{requirement}, {found} is installed")
    return lacks


def say(sentence: str) -> None:
    """Print one line that names its speaker; MLflow reads standard output."""
    print(f"glassliquid: {sentence}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
