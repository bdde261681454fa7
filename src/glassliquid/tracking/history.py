"""What an experiment holds, read back for a report: its runs, their curves, and artifacts."""

import concurrent.futures
import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glassliquid.errors import UserError, did_you_mean, listed
from glassliquid.tracking.bulk import histories
from glassliquid.tracking.faults import without_credentials
from glassliquid.tracking.stored import StoredRun, stored_where

if TYPE_CHECKING:
    import pandas

READERS = 4
"""Threads that ask the store at once: a server answers them side by side, a database file at least while others parse."""

LARGEST = sys.float_info.max

Curve = Sequence[tuple[int, float]]
"""Pairs of iteration and value, ascending."""


@dataclass(frozen=True)
class Experiment:
    """An experiment of the tracking store."""

    experiment_id: str
    name: str
    address: str
    """Of the tracking store, without user and password: it stands in a page that is passed on."""

    def page(self, run_id: str) -> str | None:
        """Address of a run's page; None if the store is not a server, whose pages have no fixed address."""
        if not self.address.startswith(("http://", "https://")):
            return None
        return f"{self.address.rstrip('/')}/#/experiments/{self.experiment_id}/runs/{run_id}"


def find_experiment(name: str | None) -> Experiment:
    """The experiment of that name or id; None is that of the active run.

    Raises:
        UserError: there is none; the message lists those that there are.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    client = mlflow.MlflowClient()
    found: Any = None
    if name is None:
        active = mlflow.active_run()
        found = client.get_experiment(active.info.experiment_id if active is not None else "0")
    else:
        found = client.get_experiment_by_name(name)
        if found is None and name.isdigit():
            try:
                found = client.get_experiment(name)
            except MlflowException:
                found = None
    if found is None:
        names = sorted(experiment.name for experiment in client.search_experiments())
        near = did_you_mean(name or "", names)
        raise UserError(
            f"There is no experiment {name!r}{near} (there: {listed(names)}): choose one of these, or auto."
        )
    return Experiment(str(found.experiment_id), str(found.name), without_credentials(mlflow.get_tracking_uri()))


def all_experiments() -> list[Experiment]:
    """Every experiment of the tracking store that was not deleted."""
    import mlflow

    address = without_credentials(mlflow.get_tracking_uri())
    found = mlflow.MlflowClient().search_experiments()
    return [Experiment(str(each.experiment_id), str(each.name), address) for each in found]


def read_runs(experiment: Experiment, since: datetime | None) -> list[StoredRun]:
    """The runs of an experiment that started at `since` or later, oldest first."""
    condition = "" if since is None else f"attributes.start_time >= {round(since.timestamp() * 1000)}"
    return stored_where(condition, [experiment.experiment_id])


def runs_table(experiment: Experiment) -> "pandas.DataFrame":
    """The runs of an experiment as MLflow's own table: columns `run_id`, `status`, `params.*`, `metrics.*`, `tags.*` and others."""
    import mlflow

    return mlflow.search_runs([experiment.experiment_id])


def read_curves(runs: Sequence[StoredRun], keys: Iterable[str]) -> dict[str, dict[str, Curve]]:
    """The points of some metrics of runs: run id to metric name to points; what a run does not have is left out."""
    curves: dict[str, dict[str, Curve]] = {run.run_id: {} for run in runs}
    asked = [(key, [run.run_id for run in runs if key in run.metrics]) for key in keys]
    # A few requests for all where the store can; else one for each curve.
    at_once = {key: histories(run_ids, key) for key, run_ids in asked}
    single = [(run_id, key) for key, run_ids in asked if at_once[key] is None for run_id in run_ids]
    for key, found in at_once.items():
        for run_id, points in (found or {}).items():
            curves[run_id][key] = _curve(points)
    with concurrent.futures.ThreadPoolExecutor(READERS) as threads:
        for (run_id, key), curve in zip(single, threads.map(_history, single), strict=True):
            curves[run_id][key] = curve
    return curves


def artifact_names(run: StoredRun) -> list[str]:
    """The files at the top of a run's artifacts; none if the artifact store does not answer."""
    try:
        return [entry.path for entry in _artifacts(run).list_artifacts() if not entry.is_dir]
    except Exception:  # a lost artifact store is said in the report, and is no reason to have none
        return []


def read_artifact(run: StoredRun, name: str) -> bytes | None:
    """A file of a run's artifacts; None if it is not there or cannot be read."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with tempfile.TemporaryDirectory() as folder:
        try:
            return Path(_artifacts(run).download_artifacts(name, folder)).read_bytes()
        except Exception:  # as above: whatever the artifact store's trouble is
            return None


def _artifacts(run: StoredRun) -> Any:
    """MLflow's access to a run's artifacts by their address; by the run's id it makes four requests more for each file."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(run.artifacts)


def _history(task: tuple[str, str]) -> Curve:
    """The curve of a run and a metric, by the client's interface."""
    from mlflow import MlflowClient

    return _curve((point.step, point.value) for point in MlflowClient().get_metric_history(*task))


def _curve(points: Iterable[tuple[int, float]]) -> Curve:
    """In order, without what cannot be drawn; MLflow keeps an infinite value as the largest number that there is."""
    return sorted(point for point in points if abs(point[1]) < LARGEST)
