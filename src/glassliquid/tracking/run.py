"""One tracked run: opened, written to, and ended with its true status."""

import contextlib
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from glassliquid.datasets.description import Dataset
from glassliquid.errors import Stopped, UserError
from glassliquid.tracking import tag
from glassliquid.tracking.code_version import code_version
from glassliquid.tracking.given_run import MOST_TAG_CHARACTERS, point_to, take_given_run, take_launch, take_step_key
from glassliquid.tracking.liveness import identity_tags
from glassliquid.tracking.metrics import LARGEST_BATCH
from glassliquid.tracking.page import add_study_view, way_to
from glassliquid.tracking.store import (
    connect,
    raise_if_lost,
    raising_if_lost,
    retried_if_added_meanwhile,
    store_fault,
    without_retries,
)
from glassliquid.tracking.stored import find_run


class TrackedRun:
    """What a step keeps in MLflow."""

    def __init__(self, run_id: str, environment: str = "", is_part: bool = False) -> None:
        """Write to the run of this id.

        Args:
            run_id: the run.
            environment: the manager with which `mlflow run` made the environment; empty for `local` and without `mlflow run`.
            is_part: whether it is the child of another run.
        """
        from mlflow import MlflowClient

        self.run_id = run_id
        self.environment, self.is_part = environment, is_part
        self._client = MlflowClient()

    @property
    def experiment_id(self) -> str:
        """The experiment that the run belongs to."""
        return str(self._client.get_run(self.run_id).info.experiment_id)

    @property
    def page(self) -> str:
        """Where a person sees it."""
        import mlflow

        return way_to(self.experiment_id, self.run_id, mlflow.get_tracking_uri())

    def name(self, name: str) -> None:
        """Give the run a name that a person can read."""
        self._client.set_tag(self.run_id, tag.NAME, name)

    def describe(self, markdown: str) -> None:
        """Set the description that the run's page shows first."""
        self._client.set_tag(self.run_id, tag.NOTE, markdown)

    def study_view(self, study: str, searched: Sequence[str]) -> str:
        """Save a view of a study's trials on the experiment's page; the address that opens it."""
        return add_study_view(self.experiment_id, study, searched)

    def tags(self, tags: Mapping[str, object]) -> None:
        """Set tags; values are stored as text."""
        from mlflow.entities import RunTag

        # In one call: each costs a transaction, and a short trial of a sweep would spend its time on them.
        self._client.log_batch(self.run_id, tags=[RunTag(key, str(value)) for key, value in tags.items()])

    def forget(self, *names: str) -> None:
        """Remove tags that hold no more, where they are there."""
        for name in self._client.get_run(self.run_id).data.tags.keys() & set(names):
            self._client.delete_tag(self.run_id, name)

    def params(self, params: Mapping[str, object]) -> None:
        """Log parameters that the run does not have yet.

        `mlflow run` has logged its own as they were typed; MLflow refuses a second value for one, even 1e-3 for 0.001.
        """
        from mlflow.entities import Param

        present = self._client.get_run(self.run_id).data.params
        missing = [Param(key, str(value)) for key, value in params.items() if key not in present]
        self._client.log_batch(self.run_id, params=missing)

    def metrics(self, metrics: Mapping[str, float]) -> None:
        """Log final figures, those of the run as a whole; one that is there already (of a resumed run) is passed over."""
        from mlflow.entities import Metric

        present, now = self._client.get_run(self.run_id).data.metrics, round(time.time() * 1000)
        fresh = [Metric(key, value, now, 0) for key, value in metrics.items() if present.get(key) != value]
        if fresh:
            self._client.log_batch(self.run_id, metrics=fresh)

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
            Metric(key, value, now, step, run_id=self.run_id, **link)
            for step, values in points.items()
            for key, value in values.items()
        ]
        for start in range(0, len(metrics), LARGEST_BATCH):
            self._client.log_batch(self.run_id, metrics=metrics[start : start + LARGEST_BATCH])

    def file(self, path: Path, folder: str | None = None) -> None:
        """Keep a file as an artifact, replacing one of the same name."""
        self._client.log_artifact(self.run_id, str(path), folder)

    def copy(self, run_id: str, name: str) -> None:
        """Keep another run's artifact too."""
        import mlflow

        with tempfile.TemporaryDirectory() as folder:
            self.file(Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=name, dst_path=folder)))

    def json(self, value: Mapping[str, Any], name: str) -> None:
        """Keep a JSON artifact."""
        self._client.log_dict(self.run_id, dict(value), name)

    def text(self, text: str, name: str) -> None:
        """Keep a text artifact."""
        self._client.log_text(self.run_id, text, name)

    def figure(self, figure: Any, name: str) -> None:
        """Keep a matplotlib figure as a PNG artifact."""
        self._client.log_figure(self.run_id, figure, name, save_kwargs={"dpi": 110, "bbox_inches": "tight"})

    def image(self, pixels: Any, name: str) -> None:
        """Keep an RGB array as a PNG artifact."""
        self._client.log_image(self.run_id, pixels, name)

    def dataset(self, dataset: Dataset, context: str, model_id: str | None = None) -> None:
        """Link the run to a dataset by its name and digest, and to the logged model that is tried on it, if any."""
        self.tags({tag.DATASET: dataset.name, tag.DATASET_DIGEST: dataset.digest})
        self.input(dataset.name, dataset.digest, dataset.folder, context, model_id)

    def input(self, name: str, digest: str, folder: Path, context: str, model_id: str | None = None) -> None:
        """Link the run to data of any kind by name and digest, and to the logged model that is tried on them, if any."""
        import mlflow
        from mlflow.entities import LoggedModelInput

        model = LoggedModelInput(model_id) if model_id else None
        described = mlflow_dataset(name, digest, folder)
        retried_if_added_meanwhile(lambda: mlflow.log_input(described, context=context, model=model))

    def note_error(self, sentence: str) -> None:
        """Say on the run's page why it failed."""
        self.tags({tag.ERROR: sentence[:MOST_TAG_CHARACTERS]})


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
        parent: the open run that this one belongs to as a child.
        tags: set when the run is created, so that a run that is killed at once has them too.
    """
    connect()
    given, own_name = take_given_run()
    earlier = None if run_id is None else find_run(run_id)
    if earlier is not None:
        name = earlier.name
    elif own_name is not None:
        name = own_name
    tracked = _open(run_id, given, parent, name, {tag.STAGE: stage, **(tags or {})})
    with _true_status(tracked):
        tracked.name(name)
        if given and run_id and given != run_id:
            point_to(given, run_id, own_name)
        yield tracked


def _open(
    run_id: str | None, given: str | None, parent: str | None, name: str, tags: Mapping[str, object]
) -> TrackedRun:
    """Make the run the active one of this process."""
    import mlflow

    launch_tags, params = take_launch()
    all_tags = {**code_version(), **identity_tags(), **take_step_key(), **tags}
    if run_id is None:  # one that is continued has them
        all_tags |= launch_tags
    with raising_if_lost():
        if run_id is not None:
            # Before it is RUNNING again: nobody may take it for one that its dead process has left.
            TrackedRun(run_id).tags(identity_tags())
        active = mlflow.start_run(
            run_id=run_id or given,
            nested=parent is not None,
            parent_run_id=parent,
            run_name=name,
            # As text: a server refuses a number, which a database takes.
            tags={key: str(value) for key, value in all_tags.items()},
        )
    found = active.data.tags
    opened = TrackedRun(active.info.run_id, found.get(tag.ENVIRONMENT, ""), is_part=tag.PARENT in found)
    if params and run_id is None:
        opened.params(params)
    return opened


@contextlib.contextmanager
def _true_status(tracked: TrackedRun) -> Iterator[None]:
    """End the active run with the status that tells how the block ended, and say on its page which error ended it."""
    status, is_lost = "FAILED", False
    try:
        yield
        status = "FINISHED"
    except (Stopped, KeyboardInterrupt):
        status = "KILLED"
        raise
    except UserError as error:
        is_lost = store_fault(error) is not None
        if not is_lost:
            # The store may be the trouble; then it says so below.
            with contextlib.suppress(Exception):
                tracked.note_error(str(error))
        raise
    except Exception as error:
        is_lost = store_fault(error) is not None
        raise_if_lost(error)
        raise
    finally:
        _end(status, is_lost)


def _end(status: str, is_lost: bool) -> None:
    """End the active run; one that a lost store cannot be told of stays RUNNING there until the next command closes it.

    Raises:
        TrackingLost: the store was lost just now, so nobody knows of it yet.
    """
    import mlflow

    try:
        with without_retries() if is_lost else contextlib.nullcontext():
            mlflow.end_run(status)
    except Exception as error:
        if store_fault(error) is None:
            raise
        # Where another error is on its way, that one tells what happened.
        if status == "FINISHED":
            raise_if_lost(error)


def mlflow_dataset(name: str, digest: str, folder: Path) -> Any:
    """Data as MLflow describes them: name, digest of the pixels, folder."""
    from mlflow.data.dataset_source_registry import resolve_dataset_source
    from mlflow.data.meta_dataset import MetaDataset

    with warnings.catch_warnings():
        # MLflow knows two equal readers for a local folder, and says so each time.
        warnings.simplefilter("ignore")
        source = resolve_dataset_source(str(folder))
    # MLflow's class leaves a property abstract without saying so to Python.
    return MetaDataset(source, name=name, digest=digest)  # type: ignore[abstract]
