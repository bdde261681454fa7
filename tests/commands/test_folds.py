"""Cross-validation by the real command: each simulation tested once, figures of all on the parent, and how a kill ends."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest

from glassliquid.datasets.description import Dataset
from glassliquid.ensembles.split import Split
from tests.commands.conftest import PROJECT, Command, history

pytestmark = pytest.mark.xdist_group("folds")

SETTINGS = {"batch_size": 10, "batches_per_iteration": 3, "eval_every": 1, "iterations": 2, "seed": 5, "folds": 3}
NAME = "folded"


def folds_of(client, parent: str) -> dict[str, mlflow.entities.Run]:
    runs = client.search_runs(["0"], f"tags.`mlflow.parentRunId` = '{parent}'")
    return {run.data.tags["fold"]: run for run in runs}


def parents(client, version: int) -> list[mlflow.entities.Run]:
    return list(client.search_runs(["0"], f"tags.version = '{version}' and tags.folds = '3'"))


@pytest.fixture(scope="module")
def parent(command: Command, client, own_dir: Path) -> mlflow.entities.Run:
    done = command("train", data_dir=own_dir, version=70, register_as=NAME, **SETTINGS)
    assert done.returncode == 0, done.stderr
    (found,) = parents(client, 70)
    return found


def test_the_parent_has_the_accuracy_over_all_simulations_with_its_interval(parent, client, dataset: Dataset):
    found = folds_of(client, parent.info.run_id)
    assert sorted(found) == ["1", "2", "3"]
    assert {run.info.status for run in (parent, *found.values())} == {"FINISHED"}
    tested = [
        json.loads(mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/test_predictions.json"))
        for run in found.values()
    ]
    numbers = [number for fold in tested for number in set(fold["simulations"])]
    own_test = {record.simulation for record in dataset.records if record.split is Split.TEST}
    assert sorted(numbers) == sorted({record.simulation for record in dataset.records} - own_test)
    right = sum(
        (glass < liquid) == bool(label)
        for fold in tested
        for (glass, liquid), label in zip(fold["logits"], fold["labels"], strict=True)
    )
    metrics = parent.data.metrics
    assert metrics["test_images"] == 2 * len(numbers) == 34
    assert metrics["test_simulations"] == 17
    assert metrics["test_accuracy"] == right / 34
    assert metrics["test_accuracy_low"] <= metrics["test_accuracy"] <= metrics["test_accuracy_high"]
    assert metrics["test_accuracy_low"] < metrics["test_accuracy_high"]
    for name in ("best_val_accuracy", "final_val_accuracy", "largest_drop"):
        values = [run.data.metrics[name] for run in found.values()]
        assert metrics[name] == pytest.approx(sum(values) / 3, abs=1e-12)  # rounding
    page = parent.data.tags["mlflow.note.content"]
    assert "each of 17 simulations is tested once" in page
    assert "the 3 of the dataset's own test split are left out" in page


def test_it_keeps_a_table_a_figure_and_who_was_where_and_registers_nothing(parent, client):
    names = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert {"folds.csv", "folds.png", "folds.json", "config.json"} <= names
    rows = list(csv.DictReader(mlflow.artifacts.load_text(f"runs:/{parent.info.run_id}/folds.csv").splitlines()))
    assert [row["fold"] for row in rows] == ["1", "2", "3"]
    assert sum(int(row["simulations"]) for row in rows) == 17
    assert client.search_model_versions(f"name='{NAME}'") == []
    assert "No model is registered: train without folds for one." in parent.data.tags["mlflow.note.content"]


def test_a_fold_is_neither_evaluated_nor_continued_by_itself(parent, client, quick_command: Command, own_dir: Path):
    fold = folds_of(client, parent.info.run_id)["2"].info.run_id
    refused = quick_command("evaluate", data_dir=own_dir, model=fold, dataset="data_liquid5")
    assert refused.returncode == 2
    assert "is a fold of a cross-validation" in refused.stderr
    refused = quick_command("train", data_dir=own_dir, resume=fold, iterations=4)
    assert refused.returncode == 2
    assert "is a checkpoint of a fold" in refused.stderr


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"folds": 0}, "folds is 0, outside the allowed range 1 to 10000: pass a value in that range."),
        ({"folds": 18}, "folds is 18, but data_liquid5 has 17 simulations to test in them: pass 17 or fewer."),
        ({"folds": 3, "repeats": 2}, "folds is 3 and repeats is 2: leave one of the two out"),
        ({"folds_include_test": "true"}, "folds_include_test is true, but folds is 1: pass folds too"),
    ],
)
def test_folds_that_cannot_be_are_refused(quick_command: Command, own_dir: Path, wrong, sentence: str):
    refused = quick_command("train", data_dir=own_dir, version=71, **wrong)
    assert refused.returncode == 2
    assert sentence in refused.stderr


def test_a_killed_cross_validation_continues_and_ends_as_an_undisturbed_one(
    parent, client, command: Command, quick_command: Command, own_dir: Path, environment: dict[str, str]
):
    """Killed in the second of three folds: the first stays, the second continues in its run, the third follows."""
    arguments = [f"--{key}={value}" for key, value in (SETTINGS | {"version": 72, "data_dir": own_dir}).items()]
    program = [sys.executable, "-m", "entrypoints.train", *arguments]
    process = subprocess.Popen(
        program, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    interrupted, deadline = None, time.monotonic() + 250
    while interrupted is None or "2" not in folds_of(client, interrupted):
        assert process.poll() is None
        assert time.monotonic() < deadline
        started = parents(client, 72)
        interrupted = started[0].info.run_id if started else None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = folds_of(client, interrupted)
    assert before["1"].info.status == "FINISHED"
    told = quick_command("tidy", data_dir=own_dir).stdout
    assert f"--run-id {interrupted} -P resume={interrupted}" in told
    for wrong, change in (({"folds": 4}, "folds 3 -> 4"), ({"folds_include_test": "true"}, "folds_include_test")):
        refused = quick_command("train", data_dir=own_dir, resume=interrupted, **wrong)
        assert refused.returncode == 2
        assert change in refused.stderr
    done = command("train", data_dir=own_dir, resume=interrupted)
    assert done.returncode == 0, done.stderr
    after, expected = folds_of(client, interrupted), folds_of(client, parent.info.run_id)
    assert {fold: run.info.status for fold, run in after.items()} == dict.fromkeys("123", "FINISHED")
    assert [after[fold].info.run_id for fold in "12"] == [before[fold].info.run_id for fold in "12"]
    for fold in "123":
        for key in ("loss", "val_accuracy"):
            assert history(client, after[fold].info.run_id, key) == history(client, expected[fold].info.run_id, key)
    ended, undisturbed = client.get_run(interrupted).data.metrics, parent.data.metrics
    assert {key: ended[key] for key in undisturbed} == undisturbed
    refused = quick_command("train", data_dir=own_dir, resume=interrupted)
    assert refused.returncode == 2
    assert f"All 3 folds of the run {interrupted} have finished" in refused.stderr
    single = client.search_runs(["0"], "tags.fold = '1'")[0].info.run_id
    refused = quick_command("train", data_dir=own_dir, resume=single, folds=3)
    assert refused.returncode == 2
    assert "folds is 3, but resume continues a single training run: leave one of the two out." in refused.stderr
