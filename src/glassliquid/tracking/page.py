"""How an experiment looks on the MLflow page: its description, its kind, and saved views with the columns and charts that matter.

MLflow has no defaults for columns and charts that a project could set; what it has, since 3.15, are saved views: tags of the
experiment, listed under `Views` on its page, each opened by an address. The form of their content is that of MLflow 3.17's own
page (`compareRunCharts` and so on); a page of another version shows the view without what it does not know.
"""

import functools
import json
import shlex
from collections.abc import Sequence
from typing import Any

from glassliquid.tracking import tag
from glassliquid.tracking.faults import without_credentials
from glassliquid.tracking.store import retried_if_added_meanwhile

KIND_TAG, KIND = "mlflow.experimentKind", "custom_model_development"
"""Otherwise the page asks its first visitor whether this is about language models."""
VIEW_TAG = "mlflow.sharedViewState."
VIEW_KEY = "viewStateShareKey"
TRAININGS, TRIALS = "glassliquid-trainings", "glassliquid-trials"
CREATED_MS = 1_767_225_600_000
"""2026-01-01; views are sorted by it."""

SETTINGS = ("dataset", "model", "batch_size", "dropout", "schedule", "learning_rate")
FIGURES = ("best_val_accuracy", "final_val_accuracy", "largest_drop", "test_accuracy")
SECTION, OTHERS = "Training", "Model metrics"
"""Sections of charts: ours, open, and MLflow's own for every other metric, closed."""


def prepare_page(experiment_id: str) -> None:
    """Give an experiment what its page lacks; what is there, written by us or by a person, stays."""
    from mlflow import MlflowClient

    client = MlflowClient()
    present = client.get_experiment(experiment_id).tags
    wanted = {KIND_TAG: KIND, tag.NOTE: _note(experiment_id)}
    wanted |= {VIEW_TAG + key: _envelope(name, state) for key, (name, state) in views().items()}
    for name, value in wanted.items():
        if name not in present:
            retried_if_added_meanwhile(functools.partial(client.set_experiment_tag, experiment_id, name, value))


def way_to(experiment_id: str, run_id: str) -> str:
    """Where the page of a run is: its address on a server, or else the command that shows the store, and the address then.

    Args:
        experiment_id: the run's experiment.
        run_id: the run.
    """
    from mlflow import get_tracking_uri

    address = get_tracking_uri()
    place = f"#/experiments/{experiment_id}/runs/{run_id}"
    if address.startswith(("http://", "https://")):
        return f"{without_credentials(address).rstrip('/')}/{place}"
    # A password is not for the screen; the variable holds the address for the command as well.
    shown = shlex.quote(address) if without_credentials(address) == address else '"$MLFLOW_TRACKING_URI"'
    return f"mlflow ui --backend-store-uri {shown}, then http://127.0.0.1:5000/{place}"


def views() -> dict[str, tuple[str, dict[str, Any]]]:
    """The saved views: key to name and state."""
    searched = ("batch_size", "dropout", "learning_rate", "l2")
    return {
        TRAININGS: ("Training runs", _state("tags.stage = 'train'", _curves())),
        TRIALS: ("Trials of sweeps", _state("tags.stage = 'trial'", [_parallel(searched), *_curves()[:2]])),
    }


def add_study_view(experiment_id: str, study: str, searched: Sequence[str]) -> str:
    """Save a view of a study's trials, with parallel coordinates first; the address, within the MLflow page, that opens it.

    MLflow's own comparison of chosen runs would draw three parameters at most, against whichever metric was logged first.
    """
    from mlflow import MlflowClient

    key = f"{TRIALS}-{study}"
    filter_text = f"tags.study = '{study}' and tags.stage = 'trial' and tags.optuna_state != 'KILLED'"
    state = _state(filter_text, [_parallel(searched), *_curves()[:2]])
    MlflowClient().set_experiment_tag(experiment_id, VIEW_TAG + key, _envelope(f"Trials of {study}", state))
    return _address(experiment_id, key, charts=True)


def _address(experiment_id: str, key: str, charts: bool) -> str:
    mode = "&compareRunsMode=CHART" if charts else ""
    return f"#/experiments/{experiment_id}/runs?{VIEW_KEY}={key}{mode}"


def _note(experiment_id: str) -> str:
    def link(name: str, key: str, charts: bool = False) -> str:
        return f"[{name}]({_address(experiment_id, key, charts)})"

    return (
        f"The training runs at a glance: {link('table', TRAININGS)}, {link('charts', TRAININGS, True)}; the trials of sweeps: {link('table', TRIALS)}, {link('charts', TRIALS, True)}.\n\n"
        "Can a network tell a glass from a liquid in a picture, how close to the glass "
        "transition, and when does it fail? The description of a run begins with its headline; `fate` and `largest_drop` say whether a training run kept what it had "
        "learned; `mlflow run . -e report` writes all of it into one page."
    )


def _envelope(name: str, state: dict[str, Any]) -> str:
    content = json.dumps(state, separators=(",", ":"))
    return json.dumps({"name": name, "createdAt": CREATED_MS, "updatedAt": CREATED_MS, "state": content})


def _state(filter_text: str, charts: list[dict[str, Any]]) -> dict[str, Any]:
    """What the page keeps of itself: filter and order of the runs, columns, charts."""
    columns = [f"params.`{name}`" for name in SETTINGS] + [f"metrics.`{name}`" for name in FIGURES]
    return {
        "searchFilter": filter_text,
        "orderByKey": "metrics.`best_val_accuracy`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": [*columns, "tags.`fate`"],
        "runsHiddenMode": "FIRST_20_RUNS",
        "compareRunCharts": charts,
        "compareRunSections": [_section(SECTION, True), _section(OTHERS, False)],
        "hideEmptyCharts": True,
    }


def _section(name: str, is_open: bool) -> dict[str, Any]:
    flags = dict.fromkeys(("isReordered", "deleted", "isGenerated"), False)
    return {"uuid": name, "name": name, "display": is_open, **flags}


def _curves() -> list[dict[str, Any]]:
    logarithmic = ("val_loss", "loss", "learning_rate", "gradient_norm")
    return [
        _line("val_accuracy", range={"yMin": 0.4, "yMax": 1.02}),
        *(_line(metric, scaleType="log") for metric in logarithmic),
        _chart("BAR", "largest_drop", metricKey="largest_drop"),
    ]


def _chart(kind: str, name: str, **more: Any) -> dict[str, Any]:
    flags = dict.fromkeys(("deleted", "isGenerated"), False)
    place = {"type": kind, "uuid": f"glassliquid-{name}", "metricSectionId": SECTION}
    return {**place, **flags, "runsCountToCompare": 20, **more}


def _line(metric: str, **more: Any) -> dict[str, Any]:
    axes = {"xAxisKey": "step", "xAxisScaleType": "linear", "yAxisKey": "metric", "scaleType": "linear", "range": {}}
    look = {"yAxisExpressions": [], "lineSmoothness": 0, "useGlobalXaxisKey": True, "useGlobalLineSmoothing": True}
    return _chart("LINE", metric, metricKey=metric, selectedMetricKeys=[metric], **{**axes, **look, **more})


def _parallel(params: Sequence[str]) -> dict[str, Any]:
    """Parallel coordinates of settings against the best validation accuracy."""
    metrics = ["best_val_accuracy"]
    return _chart("PARALLEL", "parallel", selectedParams=list(params), selectedMetrics=metrics, showAllRuns=True)
