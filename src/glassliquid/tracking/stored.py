"""Runs of the tracking store, read back."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from glassliquid.errors import UserError
from glassliquid.evaluation.fate import Fate
from glassliquid.files import raise_if_full
from glassliquid.tracking import tag
from glassliquid.tracking.liveness import is_here, living_process
from glassliquid.tracking.store import raise_if_lost, raise_unless_absent


@dataclass(frozen=True)
class StoredRun:
    """What the store has of a run."""

    run_id: str
    name: str
    status: str
    """RUNNING, FINISHED, FAILED or KILLED."""
    started: datetime
    """With its time zone."""
    seconds: float | None = None
    """How long it ran; None if it has not ended."""
    artifacts: str = ""
    """Address of its artifacts."""
    params: dict[str, str] = field(repr=False, default_factory=dict)
    metrics: dict[str, float] = field(repr=False, default_factory=dict)
    """The last value of each."""
    tags: dict[str, str] = field(repr=False, default_factory=dict)

    @property
    def stage(self) -> str:
        """The entry point, `trial` or `replicate`; empty if it is not a run of this project."""
        return self.tags.get(tag.STAGE, "")

    @property
    def parent(self) -> str | None:
        """The run that it is a child of."""
        return self.tags.get(tag.PARENT)

    @property
    def description(self) -> str:
        """The Markdown text of its page."""
        return self.tags.get(tag.NOTE, "")

    @property
    def is_part(self) -> bool:
        """Whether it is a replicate, a fold, or belongs to a trial of a sweep: its process may continue with others when it has ended."""
        return bool({*tag.PARTS, tag.TRIAL_STATE} & self.tags.keys()) or self.stage == "replicate"

    @property
    def has_parts(self) -> bool:
        """Whether it is the parent of replicates, of folds, or of the seeds of a trial."""
        return bool({tag.REPEATS, tag.FOLDS} & self.tags.keys())

    @property
    def has_diverged(self) -> bool:
        """Whether it is a training run that has ended because its loss was not finite any more."""
        return self.tags.get(tag.DIVERGED) == "true"

    @property
    def fate(self) -> Fate | None:
        """What became of a training run that came to its end; None if that is not known, or it is of several."""
        if self.tags.get(tag.FATE) in list(Fate):
            return Fate(self.tags[tag.FATE])
        # Earlier versions noted this alone.
        return Fate.COLLAPSED if self.tags.get("collapsed") == "true" else None

    @property
    def lives_in(self) -> str | None:
        """Where the process of the run lives, in words; None if it is dead or the run has ended.

        A run that is FAILED may be open: a second `mlflow run --run-id` marks it so, and until its next sign of life only
        its process tells, where that can be looked for. Of a part of another run that process tells nothing.
        """
        is_marked = self.status == "FAILED" and is_here(self.tags) and not self.is_part
        return living_process(self.tags) if self.status == "RUNNING" or is_marked else None

    def refuse_living(self, remedy: str) -> None:
        """Raise UserError, which ends with what to do, if the process of the run lives."""
        if (where := self.lives_in) is not None:
            raise UserError(f"The run {self.run_id} is still running ({where}): {remedy}.")


def find_run(run_id: str) -> StoredRun | None:
    """The run of that id; None if the store has none that this user may read, or it was deleted; TrackingLost if the store is gone."""
    from mlflow import MlflowClient
    from mlflow.entities import LifecycleStage
    from mlflow.exceptions import MlflowException

    try:
        run = MlflowClient().get_run(run_id)
    except MlflowException as error:
        raise_unless_absent(error)
        return None
    # What was deleted on the MLflow page can be read and not be written to.
    return _stored(run) if run.info.lifecycle_stage == LifecycleStage.ACTIVE else None


def children_of(run_id: str) -> list[StoredRun]:
    """The child runs of a run, oldest first."""
    from mlflow import MlflowClient

    experiment = MlflowClient().get_run(run_id).info.experiment_id
    return stored_where(f"tags.`{tag.PARENT}` = '{run_id}'", [experiment])


def stored_where(condition: str, experiments: list[str]) -> list[StoredRun]:
    """The runs of some experiments that meet a condition in MLflow's language, all of them, oldest first."""
    import mlflow

    found = mlflow.search_runs(experiments, condition, order_by=["attributes.start_time ASC"], output_format="list")
    assert isinstance(found, list)
    return [_stored(run) for run in found]


def metric_history(run_id: str) -> dict[str, list[tuple[int, float]]]:
    """All points of a run: metric name to pairs of step and value, ascending."""
    from mlflow import MlflowClient

    client = MlflowClient()
    return {
        key: sorted((point.step, point.value) for point in client.get_metric_history(run_id, key))
        for key in client.get_run(run_id).data.metrics
    }


def read_json_artifact(run_id: str, name: str) -> dict[str, Any]:
    """A JSON artifact of a run; UserError if it is missing or damaged."""
    import mlflow

    try:
        value = mlflow.artifacts.load_dict(f"runs:/{run_id}/{name}")
        if not isinstance(value, dict):
            raise ValueError("it is not an object")
    except Exception as error:  # of MLflow, of an object store's client, or of a damaged file
        raise_if_full(error)
        raise_if_lost(error)
        raise UserError(f"The run {run_id} has no readable {name}: choose another run.") from error
    return dict(value)


def _stored(run: Any) -> StoredRun:
    info = run.info
    return StoredRun(
        run_id=info.run_id,
        name=info.run_name or info.run_id[:8],
        status=info.status,
        started=datetime.fromtimestamp(info.start_time / 1000, UTC).astimezone(),
        seconds=None if info.end_time is None else (info.end_time - info.start_time) / 1000,
        artifacts=info.artifact_uri,
        params=dict(run.data.params),
        metrics=dict(run.data.metrics),
        tags=dict(run.data.tags),
    )
