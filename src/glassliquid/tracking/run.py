"""One tracked run: opened, written to, and ended with its true status."""

import contextlib
import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from glassliquid.datasets.description import Dataset
from glassliquid.errors import Stopped, UserError, first_line_of
from glassliquid.tracking import tag
from glassliquid.tracking.artifacts import RunArtifacts
from glassliquid.tracking.code_version import code_version
from glassliquid.tracking.data import dataset_tags, mlflow_input
from glassliquid.tracking.given_run import (
    MOST_TAG_CHARACTERS,
    explaining_surroundings,
    kept_name,
    point_to,
    take_given_run,
    take_launch,
    take_step_key,
)
from glassliquid.tracking.liveness import identity_tags
from glassliquid.tracking.metrics import LARGEST_BATCH
from glassliquid.tracking.page import add_study_view
from glassliquid.tracking.store import (
    TrackingLost,
    connect,
    hurried,
    raise_if_lost,
    raising_if_lost,
    retried_if_added_meanwhile,
    store_fault,
)


class TrackedRun(RunArtifacts):
    """What a step keeps in MLflow."""

    def __init__(self, run_id: str, environment: str = "") -> None:
        """Write to the run of this id.

        Args:
            run_id: the run.
            environment: the manager with which `mlflow run` made the environment; empty for `local` and without `mlflow run`.
        """
        from mlflow import MlflowClient

        self.run_id = run_id
        self.environment = environment
        self._client = MlflowClient()
        self._times: dict[str, int] = {}

    @functools.cached_property
    def opened(self) -> Any:
        """MLflow's entity of the run as it was opened. What was written since is noted in it; nobody else writes there."""
        return self._client.get_run(self.run_id)

    @property
    def experiment_id(self) -> str:
        """The experiment that the run belongs to."""
        return str(self.opened.info.experiment_id)

    def describe(self, markdown: str) -> None:
        """Set the description that the run's page shows first."""
        self.tags({tag.NOTE: markdown})

    def study_view(self, study: str, searched: Sequence[str]) -> str:
        """Save a view of a study's trials on the experiment's page; the address that opens it."""
        return add_study_view(self.experiment_id, study, searched)

    def tags(self, tags: Mapping[str, object]) -> None:
        """Set tags; values are stored as text."""
        self.record(tags=tags)

    def forget(self, *names: str) -> None:
        """Remove tags that hold no more, where they are there."""
        for name in self.opened.data.tags.keys() & set(names):
            self._client.delete_tag(self.run_id, name)
            del self.opened.data.tags[name]

    def metrics(self, metrics: Mapping[str, float]) -> None:
        """Log final figures, those of the run as a whole."""
        self.record(metrics=metrics)

    def record(
        self,
        tags: Mapping[str, object] | None = None,
        params: Mapping[str, object] | None = None,
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        """Set tags, log parameters and final figures, in one call: each costs a server a request and a transaction.

        A parameter that the run has already is passed over: `mlflow run` has logged its own as they were typed, and MLflow
        refuses a second value for one, even 1e-3 for 0.001. So is a figure that is there already, in a resumed run.
        """
        from mlflow.entities import Metric, Param, RunTag

        present, now = self.opened.data, round(time.time() * 1000)
        texts = {key: str(value) for key, value in (tags or {}).items()}
        fresh_params = {key: str(value) for key, value in (params or {}).items() if key not in present.params}
        fresh = {key: value for key, value in (metrics or {}).items() if present.metrics.get(key) != value}
        if not (texts or fresh_params or fresh):
            return
        self._client.log_batch(
            self.run_id,
            tags=[RunTag(key, text) for key, text in texts.items()],
            params=[Param(key, text) for key, text in fresh_params.items()],
            metrics=[Metric(key, value, now, 0) for key, value in fresh.items()],
        )
        present.tags.update(texts)
        present.params.update(fresh_params)
        present.metrics.update(fresh)
        self._times.update(dict.fromkeys(fresh, now))

    def model_curves(
        self, points: Mapping[int, Mapping[str, float]], model_id: str | None, dataset: str, digest: str
    ) -> None:
        """Log figures of a model at several steps in one call, so that the model's own page lists them too.

        Args:
            points: step to names and values.
            model_id: the logged model; None for one that MLflow does not know, whose figures stand on this run alone.
            dataset: name of what the model was tried on.
            digest: its fingerprint.
        """
        from mlflow.entities import Metric

        now = round(time.time() * 1000)
        link = {"model_id": model_id, "dataset_name": dataset, "dataset_digest": digest} if model_id else {}
        metrics = [
            Metric(key, value, now if step else self._time_of(key, value, now), step, run_id=self.run_id, **link)
            for step, values in points.items()
            for key, value in values.items()
        ]
        for start in range(0, len(metrics), LARGEST_BATCH):
            self._client.log_batch(self.run_id, metrics=metrics[start : start + LARGEST_BATCH])

    def _time_of(self, key: str, value: float, now: int) -> int:
        """When the run got this figure, if it has it: with another time a store would take it for a second point."""
        if self.opened.data.metrics.get(key) != value:
            return now
        if key not in self._times:
            history = self._client.get_metric_history(self.run_id, key)
            self._times[key] = max(point.timestamp for point in history if point.value == value)
        return self._times[key]

    def dataset(self, dataset: Dataset, context: str, model_id: str | None = None) -> None:
        """Link the run to a dataset by its name and digest, and to the logged model that is tried on it, if any."""
        self.tags(dataset_tags(dataset))
        self.input(dataset.name, dataset.digest, dataset.folder, context, model_id)

    def input(self, name: str, digest: str, folder: Path, context: str, model_id: str | None = None) -> None:
        """Link the run to data of any kind by name and digest, and to the logged model that is tried on them, if any."""
        from mlflow.entities import LoggedModelInput

        models = [LoggedModelInput(model_id)] if model_id else None
        data = [mlflow_input(name, digest, folder, context)]
        # By the run's id: MLflow's active run is that of one thread.
        retried_if_added_meanwhile(lambda: self._client.log_inputs(self.run_id, data, models))

    def note_error(self, sentence: str) -> None:
        """Say on the run's page why it failed, also at the start of its description, instead of what was said of an earlier failure."""
        before = self.opened.data.tags
        described = before.get(tag.NOTE, "").removeprefix(before.get(tag.ERROR, "")).strip()
        texts = {tag.ERROR: sentence, tag.NOTE: f"{sentence}\n\n{described}".rstrip()}
        self.tags({name: text[:MOST_TAG_CHARACTERS] for name, text in texts.items()})


@contextlib.contextmanager
def tracked_run(
    stage: str,
    name: str,
    run_id: str | None = None,
    parent: str | None = None,
    tags: Mapping[str, object] | None = None,
) -> Iterator[TrackedRun]:
    """Open a run for one step and end it with its true status: FINISHED, FAILED, or KILLED when it was stopped.

    Args:
        stage: the entry point, which becomes a tag.
        name: the run's name; one that it has already, because a user gave it or it is continued, stays.
        run_id: an earlier run to continue; None attaches to the one that `mlflow run` made, or starts a new one.
        parent: the open run that this one belongs to as a child; whoever opened that has connected to the store.
        tags: set when the run is created, so that a run that is killed at once has them too.
    """
    if parent is None:
        connect()
    given, own_name = take_given_run()
    tracked = _open(run_id, given, parent, kept_name(run_id) or own_name or name, {tag.STAGE: stage, **(tags or {})})
    with _true_status(tracked):
        if given and run_id and given != run_id:
            point_to(given, run_id, own_name)
        yield tracked


def _open(
    run_id: str | None, given: str | None, parent: str | None, name: str, tags: Mapping[str, object]
) -> TrackedRun:
    """Make the run the active one of this process."""
    import mlflow

    launch_tags, params = take_launch(is_new=run_id is None)
    all_tags = {**code_version(), **identity_tags(), **take_step_key(), **launch_tags, **tags}
    with raising_if_lost():
        if run_id is not None:
            # Before it is RUNNING again: nobody may take it for one that its dead process has left.
            TrackedRun(run_id).tags(identity_tags())
        with explaining_surroundings(given):
            active = mlflow.start_run(
                run_id=run_id or given,
                nested=parent is not None,
                parent_run_id=parent,
                run_name=name,
                # As text: a server refuses a number, which a database takes.
                tags={key: str(value) for key, value in all_tags.items()},
            )
    tracked = TrackedRun(active.info.run_id, active.data.tags.get(tag.ENVIRONMENT, ""))
    tracked.opened = active
    tracked.record(params=params)
    return tracked


@contextlib.contextmanager
def _true_status(tracked: TrackedRun) -> Iterator[None]:
    """End the active run with the status that tells how the block ended, and say on its page which error ended it.

    Raises:
        TrackingLost: the block ended because a store is gone, full or read-only.
    """
    status, in_hurry = "FAILED", False
    try:
        with raising_if_lost():
            yield
        status = "FINISHED"
    except (Stopped, KeyboardInterrupt):
        # Whoever asked for that waits, and the store may be what hangs.
        status, in_hurry = "KILLED", True
        raise
    except Exception as error:
        in_hurry = isinstance(error, TrackingLost)
        sentence = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {first_line_of(error)}"
        # Where the artifact store is the trouble, the tracking store takes this.
        with contextlib.suppress(Exception), hurried() if in_hurry else contextlib.nullcontext():
            tracked.note_error(sentence)
        raise
    finally:
        _end(status, in_hurry)


def _end(status: str, in_hurry: bool) -> None:
    """End the active run; one that a lost store cannot be told of stays RUNNING there until the next command closes it.

    Raises:
        TrackingLost: the store was lost just now, so nobody knows of it yet.
    """
    import mlflow

    try:
        with hurried() if in_hurry else contextlib.nullcontext():
            mlflow.end_run(status)
    except Exception as error:
        if store_fault(error) is None:
            raise
        # Where another error is on its way, that one tells what happened.
        if status == "FINISHED":
            raise_if_lost(error)
