"""What a worker of a cluster must have to work for a command, and the check of it."""

import functools
import hashlib
import importlib.metadata
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glassliquid.errors import UserError
from glassliquid.physics.engines import ENGINES

PACKAGES = ("numpy", "gsd", "pillow")
"""Packages whose versions must agree, beside those of the engines."""

REMEDY = "start one worker process per core, each with one thread, with the .venv and the code of this clone (docs/CLUSTER.md)"


@dataclass(frozen=True)
class Requirements:
    """What a worker must have to work for this command."""

    versions: tuple[tuple[str, str], ...]
    """Pairs of name and version."""
    token_path: Path
    """A file in a folder of data_dir, which the worker must see."""
    token: str
    """Its content."""


def run_checked(requirements: Requirements, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Run a task on a worker, if the worker meets the requirements; UserError otherwise."""
    if unfit := unfitness(requirements):
        raise UserError(f"The worker {_own_address()} {unfit}: {REMEDY}.")
    return function(*arguments, **named)


def too_many_threads(threads: int) -> str:
    """The end of a sentence about a worker with more threads than one."""
    return f"has {threads} threads, but LAMMPS runs one simulation per process"


@functools.lru_cache(maxsize=4)
def unfitness(requirements: Requirements) -> str | None:
    """What is wrong with this worker; found out once a process."""
    if (threads := _own_threads()) > 1:
        return too_many_threads(threads)
    here = dict(own_versions())
    for name, wanted in requirements.versions:
        if here.get(name) != wanted:
            return f"has {name} {here.get(name)} where this command has {wanted}"
    try:
        seen = requirements.token_path.read_text(encoding="utf-8")
    except OSError:
        seen = None
    if seen != requirements.token:
        return f"does not see {requirements.token_path.parents[1]}, so data_dir is not on a file system that it shares"
    return None


def own_versions() -> tuple[tuple[str, str], ...]:
    """The versions that must agree between this command and its workers, as pairs of name and version."""
    found = [("Python", platform.python_version()), ("glassliquid's code", code_digest())]
    for package in (*PACKAGES, *(package for name in ENGINES for package in ENGINES.get(name).packages)):
        try:
            found.append((package, importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            # Installed by other means than pip, as conda-forge's LAMMPS is.
            found.append((package, "without a version"))
    return tuple(found)


@functools.cache
def code_digest() -> str:
    """Fingerprint of the package's own code."""
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _own_address() -> str:
    from distributed import get_worker

    try:
        return str(get_worker().address)
    except ValueError:
        return f"process {os.getpid()}"


def _own_threads() -> int:
    from distributed import get_worker

    try:
        return int(get_worker().state.nthreads)
    except ValueError:
        return 1  # not in a task
