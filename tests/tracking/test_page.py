"""What an experiment's page is given, and that nobody's own words are overwritten."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from glassliquid.report.log import EVALUATED, EVERY_ITERATION
from glassliquid.tracking import tag
from glassliquid.tracking.page import KIND_TAG, VIEW_TAG, add_study_view, prepare_page, views, way_to
from glassliquid.training.config import TrainConfig


@pytest.fixture
def client(tmp_path: Path):
    import mlflow

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    yield mlflow.MlflowClient()
    mlflow.set_tracking_uri(before)


def test_a_page_gets_what_it_lacks_and_keeps_what_it_has(client):
    experiment = client.create_experiment("mine")
    client.set_experiment_tag(experiment, tag.NOTE, "My own words.")
    prepare_page(experiment)
    tags = client.get_experiment(experiment).tags
    assert tags[tag.NOTE] == "My own words."
    assert tags[KIND_TAG] == "custom_model_development"
    kept = {key.removeprefix(VIEW_TAG): json.loads(value) for key, value in tags.items() if key.startswith(VIEW_TAG)}
    assert kept.keys() == views().keys()
    for key, envelope in kept.items():
        # The form that the page reads: a text, a number, and the state as a text of its own.
        assert set(envelope) == {"name", "createdAt", "updatedAt", "state"}
        assert json.loads(envelope["state"]) == views()[key][1]
    client.set_experiment_tag(experiment, VIEW_TAG + "glassliquid-trials", "changed by hand")
    prepare_page(experiment)
    assert client.get_experiment(experiment).tags[VIEW_TAG + "glassliquid-trials"] == "changed by hand"


def test_the_description_links_to_the_views(client):
    experiment = client.create_experiment("mine")
    prepare_page(experiment)
    note = client.get_experiment(experiment).tags[tag.NOTE]
    for key in views():
        assert f"(#/experiments/{experiment}/runs?viewStateShareKey={key})" in note


@pytest.mark.parametrize("key", views())
def test_the_views_name_what_trainings_record(key: str):
    _, state = views()[key]
    settings = {field.name for field in fields(TrainConfig)} | {"dataset"}
    finals = {"best_val_accuracy", "final_val_accuracy", "largest_drop", "test_accuracy"}
    recorded = {f"params.`{name}`" for name in settings} | {f"metrics.`{name}`" for name in finals} | {"tags.`fate`"}
    assert set(state["selectedColumns"]) <= recorded
    for chart in state["compareRunCharts"]:
        if chart["type"] == "PARALLEL":
            assert set(chart["selectedParams"]) <= settings
            assert set(chart["selectedMetrics"]) <= finals
        else:
            assert chart["metricKey"] in {*EVALUATED, *EVERY_ITERATION, *finals, "gradient_norm"}
    assert {chart["metricSectionId"] for chart in state["compareRunCharts"]} <= {
        section["uuid"] for section in state["compareRunSections"]
    }


def test_a_study_has_a_view_of_its_own(client):
    experiment = client.create_experiment("mine")
    address = add_study_view(experiment, "night", ["batch_size", "dropout", "l2", "eta_threshold"])
    key = re.fullmatch(
        rf"#/experiments/{experiment}/runs\?viewStateShareKey=([\w-]+)&compareRunsMode=CHART", address
    ).group(1)
    envelope = json.loads(client.get_experiment(experiment).tags[VIEW_TAG + key])
    state = json.loads(envelope["state"])
    first = state["compareRunCharts"][0]
    assert (first["type"], first["selectedMetrics"]) == ("PARALLEL", ["best_val_accuracy"])
    assert first["selectedParams"] == ["batch_size", "dropout", "l2", "eta_threshold"]
    wanted = {"study": "night", "stage": "trial", "optuna_state": "COMPLETE"}
    for change in ({}, {"study": "other"}, {"stage": "replicate"}, {"optuna_state": "KILLED"}):
        client.create_run(experiment, tags={**wanted, **change})
    found = client.search_runs([experiment], state["searchFilter"])
    assert [run.data.tags["optuna_state"] for run in found] == ["COMPLETE"]
    assert found[0].data.tags["study"] == "night"


@pytest.mark.parametrize(
    ("address", "way"),
    [
        ("http://me:secret@host:5000/", "http://host:5000/#/experiments/7/runs/abc"),
        (
            "sqlite:////a folder/mlflow.db",
            "mlflow ui --backend-store-uri 'sqlite:////a folder/mlflow.db', then http://127.0.0.1:5000/#/experiments/7/runs/abc",
        ),
        (
            "postgresql://me:secret@host/runs",
            'mlflow ui --backend-store-uri "$MLFLOW_TRACKING_URI", then http://127.0.0.1:5000/#/experiments/7/runs/abc',
        ),
    ],
)
def test_the_way_to_a_page_shows_no_password(monkeypatch: pytest.MonkeyPatch, address: str, way: str):
    monkeypatch.setattr("mlflow.get_tracking_uri", lambda: address)
    assert way_to("7", "abc") == way
