"""The linear model on features on the real command lines."""

import csv
import json
import re
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient

from glassliquid.datasets.description import open_dataset
from glassliquid.physics.structure import FEATURES, features
from glassliquid.trajectories.trajectory import read_configurations
from tests.commands.conftest import Command

pytestmark = pytest.mark.slow

NAME = "structure-test"
ADDRESS = f"models:/{NAME}@data_liquid5"
SETTINGS = {"model": "structure", "batch_size": 14, "iterations": 10, "batches_per_iteration": 4}


def test_it_is_trained_registered_scored_and_served(
    command: Command, client: MlflowClient, data_dir: Path, dataset, ensemble, own_data: Path
):
    done = command("train", data_dir=data_dir, register_as=NAME, **SETTINGS)
    assert done.returncode == 0, done.stderr
    version = client.get_model_version_by_alias(NAME, "data_liquid5")
    assert (version.tags["input"], version.tags["features"]) == ("descriptors", "1")
    assert f"float32, the {len(FEATURES)} features" in version.description
    trained = client.get_run(version.run_id).data
    names = {artifact.path for artifact in client.list_artifacts(version.run_id)}
    assert {"evidence.csv", "evidence.png", "training.png"} <= names
    done = command("evaluate", model=ADDRESS, data_dir=data_dir)
    assert done.returncode == 0, done.stderr
    assert f"{100 * trained.metrics['test_accuracy']:.2f} % (" in done.stdout
    done = command("transfer_eval", model=ADDRESS, liquids="5,100", find_breakdown="false", data_dir=data_dir)
    assert done.returncode == 0, done.stderr
    assert f"{NAME} v1" in done.stdout
    done = command("visualize", model=ADDRESS, data_dir=own_data)
    assert done.returncode == 0, done.stderr
    assert (
        "It has weights for features of a whole configuration, not for particles. The largest is that of "
        in done.stdout
    )
    (folder,) = (own_data / "pictures").glob(f"data_liquid5-{NAME}-*")
    pictures = {"evidence.png", "fields_liquid.png", "fields_glass.png", "certain_and_wrong.png"}
    assert {path.name for path in folder.iterdir()} == pictures | {"evidence.csv", "particles.csv"}
    served = mlflow.pyfunc.load_model(ADDRESS)
    assert served.metadata.signature.inputs.inputs[0].shape == (-1, len(FEATURES))
    found = read_configurations(ensemble.path(ensemble.simulations[0]), [200, 5])
    asked = np.stack([features(each.positions, each.types, each.length) for each in found])
    glass, liquid = served.predict(asked)
    assert 0 <= liquid < 0.5 < glass <= 1


def test_seeds_give_intervals_of_what_the_features_say(command: Command, client: MlflowClient, data_dir: Path, dataset):
    done = command("train", data_dir=data_dir, register_as="none", repeats=3, **SETTINGS)
    assert done.returncode == 0, done.stderr
    parent = client.search_runs(["0"], "tags.repeats = '3' AND params.model = 'structure'")[0].info.run_id
    children = [run.info.run_id for run in client.search_runs(["0"], f"tags.`mlflow.parentRunId` = '{parent}'")]
    seeds = [mlflow.artifacts.load_dict(f"runs:/{child}/evidence.json") for child in children]
    rows = list(csv.DictReader(mlflow.artifacts.load_text(f"runs:/{parent}/evidence.csv").splitlines()))
    assert [row["name"] for row in rows] == [feature.name for feature in FEATURES]
    for row in rows:
        values = [seed[row["name"]] for seed in seeds]
        assert row["seeds"] == "3"
        assert float(row["mean"]) == pytest.approx(np.mean(values))
        assert float(row["low"]) <= float(row["mean"]) <= float(row["high"])
        assert (float(row["lowest"]), float(row["highest"])) == (min(values), max(values))


def test_what_it_cannot_do_is_a_sentence(quick_command: Command, data_dir: Path, dataset, copied):
    imported = copied(dataset.folder)
    value = json.loads((imported / "dataset.json").read_text())
    value["recipe"]["source"] = "images"
    (imported / "dataset.json").write_text(json.dumps(value))
    done = quick_command("train", data_dir=imported.parents[1], **SETTINGS)
    assert done.returncode == 2
    assert "imported images have no particles" in done.stderr
    value["recipe"]["source"] = "simulate"
    (imported / "dataset.json").write_text(json.dumps(value))
    done = quick_command("train", data_dir=imported.parents[1], **SETTINGS)
    assert done.returncode == 2
    assert f"There is no ensemble 'small' in {imported.parents[1] / 'ensembles'}" in done.stderr


def test_it_stands_beside_other_networks(command: Command, client: MlflowClient, own_data: Path, tmp_path: Path):
    """Trained on the way, once; of no image of the test split it is worse."""
    name = "beside-structure"
    settings = {**SETTINGS, "model": "compact", "learning_rate": 0.01, "register_as": name}
    assert command("train", data_dir=own_data, **settings).returncode == 0
    address = f"models:/{name}@data_liquid5"
    # Other tests evaluate networks on the same data.
    digest = open_dataset(own_data / "datasets" / "data_liquid5").digest
    condition = f"tags.baseline = '{digest}' AND attributes.status = 'FINISHED'"
    for _ in range(2):
        done = command("evaluate", model=address, data_dir=own_data)
        assert done.returncode == 0, done.stderr
        assert "no better than the linear model on g(r) (test split)" in done.stdout
        assert "trained on the same data, reaches validation 100.00 % (6 of 6, " in done.stdout
        assert len(client.search_runs(["0"], condition)) == 1
    newest = client.search_runs(["0"], "tags.stage = 'evaluate'", max_results=1)[0]
    assert newest.data.metrics["structure_test_accuracy"] == 1
    line = client.search_runs(["0"], condition, max_results=1)[0]
    assert line.info.run_name == "structure data_liquid5"
    assert line.data.metrics["test_accuracy"] == newest.data.metrics["structure_test_accuracy"]
    assert {"evidence.csv", "evidence.png"} <= {each.path for each in client.list_artifacts(line.info.run_id)}
    rows = list(csv.DictReader(mlflow.artifacts.load_text(f"runs:/{line.info.run_id}/evidence.csv").splitlines()))
    assert [row["name"] for row in rows] == [feature.name for feature in FEATURES]
    assert {row["seeds"] for row in rows} == {"5"}
    assert all(float(row["low"]) <= float(row["mean"]) <= float(row["high"]) for row in rows)
    done = command("transfer_eval", model=address, liquids="5,100", find_breakdown="false", data_dir=own_data)
    assert done.returncode == 0, done.stderr
    assert "the linear model on g(r) on " in done.stdout
    assert re.search(r"\| liquid 5 \(training\) .* 100.0 % +\|\n", done.stdout)
    done = command("transfer_eval", model=address, datasets="data_liquid5", data_dir=own_data)
    assert done.returncode == 0, done.stderr
    assert len(client.search_runs(["0"], condition)) == 1
    shutil.copytree(own_data / "datasets", tmp_path / "datasets")
    done = command("evaluate", model=address, data_dir=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "There is no linear model on g(r) to compare with. There is no ensemble 'small' in " in done.stdout
