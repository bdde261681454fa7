"""Dask workers as jobs of a queueing system (SLURM, PBS, LSF and others), from a dask-jobqueue configuration file."""

import contextlib
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from glassliquid.ensembles.dask_settings import variables
from glassliquid.ensembles.workers import MOST_WORKERS
from glassliquid.errors import UserError, first_line_of, listed
from glassliquid.files import read_plain

CLUSTERS = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "lsf": "LSFCluster",
    "sge": "SGECluster",
    "oar": "OARCluster",
    "moab": "MoabCluster",
    "htcondor": "HTCondorCluster",
    "local": "LocalCluster",
}
"""Names in the configuration file to dask-jobqueue's classes; local runs its jobs as processes, for trying things out."""


LARGEST_CONFIGURATION = 1 << 20
"""Bytes."""
MOST_LINES = 1000


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader without aliases: one value in many places can become endless when it is merged."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse what stands for another value."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it has an alias, which no configuration needs")
        return super().compose_node(parent, index)


def read_configuration(path: Path) -> tuple[str, dict[str, Any]]:
    """The queueing system and its settings, one process a core.

    Raises:
        UserError: the file is not YAML, or not a configuration of one known queueing system.
    """
    try:
        value = yaml.load(read_plain(path, LARGEST_CONFIGURATION).decode("utf-8"), _Loader)  # a safe one
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise UserError(
            f"{path} cannot be read as YAML ({first_line_of(error)}): pass a dask-jobqueue configuration file."
        ) from error
    systems = value.get("jobqueue") if isinstance(value, dict) else None
    if not isinstance(systems, dict) or len(systems) != 1 or not set(systems) <= set(CLUSTERS):
        raise UserError(
            f"{path} does not configure one queueing system: write jobqueue: and below it one of {listed(CLUSTERS)} "
            "(docs/CLUSTER.md has an example)."
        )
    ((system, settings),) = systems.items()
    cores = settings.get("cores") if isinstance(settings, dict) else None
    if type(cores) is not int or not 1 <= cores <= MOST_WORKERS or "memory" not in settings:
        raise UserError(
            f"{path} must say how many cores and how much memory a job has: add cores: and memory: to {system}."
        )
    _check_settings(path, system, settings)
    if settings.get("processes", cores) != cores:
        raise UserError(
            f"{path} has processes: {settings['processes']} for cores: {cores}, and LAMMPS runs one simulation per process: "
            "give both the same number, or leave processes out."
        )
    return system, {**settings, "processes": cores}


def _check_settings(path: Path, system: str, settings: dict[Any, Any]) -> None:
    """Raise UserError unless every setting is a plain value or a list of texts, as dask-jobqueue's are."""
    for name, value in settings.items():
        plain = value is None or isinstance(value, str | int | float)
        texts = isinstance(value, list) and len(value) <= MOST_LINES and all(isinstance(each, str) for each in value)
        if (
            not isinstance(name, str)
            or not (plain or texts)
            or (name == "job-script-prologue" and isinstance(value, str))
        ):
            raise UserError(
                f"{path} has a setting {str(name)[:40]!r} of {system} that is neither a plain value "
                "nor a list of texts: correct it."
            )


@contextlib.contextmanager
def open_queue(path: Path, workers: int | None) -> Iterator[tuple[Any, Callable[[], None]]]:
    """A Dask cluster whose workers are jobs, which end with the block.

    Args:
        path: dask-jobqueue configuration file.
        workers: how many worker processes to ask for; None: as many as one job has.

    Yields:
        The cluster, and a function to call once a worker has come: from then on jobs that end are replaced. Before, a
        mistake in the job's script would submit jobs forever.
    """
    import dask
    import dask_jobqueue
    import dask_jobqueue.local

    system, settings = read_configuration(path)
    cores = settings["cores"]
    jobs = 1 if workers is None else math.ceil(workers / cores)
    if system != "local":
        # The workers run this clone's code, whatever is installed where they start.
        code = Path(__file__).resolve().parents[2]
        settings["job-script-prologue"] = [
            *(settings.get("job-script-prologue") or []),
            f'export PYTHONPATH="{code}:$PYTHONPATH"',
            *(f"export {name}={value}" for name, value in variables().items()),
        ]
    module = dask_jobqueue.local if system == "local" else dask_jobqueue
    made = getattr(module, CLUSTERS[system])
    command = getattr(made.job_cls, "submit_command", "")
    if command and shutil.which(command.split()[0]) is None:
        raise UserError(
            f"{path} is for {system}, whose command {command.split()[0]} is not on this machine: run make_data where jobs are "
            "submitted."
        )
    with dask.config.set({f"jobqueue.{system}.{name}": value for name, value in settings.items()}):
        try:
            cluster = made()
        except (ValueError, TypeError, RuntimeError, OSError) as error:
            raise UserError(f"{path} was refused by dask-jobqueue ({error}): correct it.") from error
        with cluster:
            cluster.scale(jobs=jobs)
            yield cluster, lambda: cluster.adapt(minimum_jobs=jobs, maximum_jobs=jobs)
