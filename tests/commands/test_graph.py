"""The network of particles on the real command lines."""

import csv
import json
import math
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from mlflow import MlflowClient

from glassliquid.datasets.configurations import as_array
from glassliquid.tracking.find_model import find_model
from glassliquid.trajectories.trajectory import read_configurations
from tests.commands.conftest import Command

pytestmark = pytest.mark.slow

NAME = "graph-test"
ADDRESS = f"models:/{NAME}@data_liquid5"
SETTINGS = {"model": "graph", "batch_size": 14, "iterations": 10, "batches_per_iteration": 4, "width": 16}


def test_it_is_trained_registered_scored_and_served(
    command: Command, client: MlflowClient, data_dir: Path, dataset, ensemble, own_data: Path, tmp_path: Path
):
    done = command("train", data_dir=data_dir, register_as=NAME, **SETTINGS)
    assert done.returncode == 0, done.stderr
    version = client.get_model_version_by_alias(NAME, "data_liquid5")
    assert (version.tags["input"], version.tags["neighbours"]) == ("particles", "24")
    assert "Input: float32 configurations of N particles" in version.description
    trained = client.get_run(version.run_id).data
    assert (trained.params["width"], trained.params.get("depth")) == ("16", None)
    assert trained.metrics["test_accuracy"] == 1
    done = command("evaluate", model=ADDRESS, data_dir=data_dir)
    assert done.returncode == 0, done.stderr
    assert "100.00 % (" in done.stdout
    done = command("transfer_eval", model=ADDRESS, liquids="5,100", find_breakdown="false", data_dir=data_dir)
    assert done.returncode == 0, done.stderr
    assert f"{NAME} v1" in done.stdout
    check_shown(command, own_data)
    check_served(ensemble, tmp_path)


def check_shown(command: Command, data_dir: Path) -> None:
    """Its numbers of each particle, physics beside them, and no pictures of what it does not have."""
    done = command("visualize", model=ADDRESS, data_dir=data_dir)
    assert done.returncode == 0, done.stderr
    assert "The values for each particle (attribution, attention, physical fields) are in" in done.stdout
    assert "| attention   | modulus of psi6 (snapshot) " in done.stdout
    (folder,) = (data_dir / "pictures").glob(f"data_liquid5-{NAME}-*")
    pictures = {"particles.png", "fields_liquid.png", "fields_glass.png", "correlations.png", "certain_and_wrong.png"}
    assert {path.name for path in folder.iterdir()} == pictures | {"particles.csv", "correlations.csv"}
    with (folder / "particles.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for start in (0, 100):
        sample = rows[start : start + 100]
        assert sum(float(row["attention"]) for row in sample) == pytest.approx(1, rel=1e-4)
        # The particles' parts add up to the logit, which P(glass) is of; six digits are written of each.
        p_glass = float(sample[0]["p_glass"])
        attribution = sum(float(row["attribution"]) for row in sample)
        assert 1 / (1 + math.exp(-attribution)) == pytest.approx(p_glass, rel=1e-3)


def check_served(ensemble, tmp_path: Path) -> None:
    served = mlflow.pyfunc.load_model(ADDRESS)
    assert served.metadata.signature.inputs.inputs[0].shape == (-1, -1, 4)
    path = ensemble.path(ensemble.simulations[0])
    asked = np.stack([as_array(each) for each in read_configurations(path, [200, 5])])
    found = served.predict(asked)
    assert 0 <= found[1] < 0.5 < found[0] <= 1
    model = find_model(ADDRESS, tmp_path).model
    with torch.inference_mode():
        expected = model(model.reads.served(torch.from_numpy(asked))).softmax(dim=1)[:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    assert served.predict(asked[:1, :60]).shape == (1,)  # fewer particles


def test_what_it_cannot_do_is_a_sentence(quick_command: Command, dataset, copied):
    folder = copied(dataset.folder)
    data = folder.parents[1]
    done = quick_command("train", data_dir=data, **SETTINGS)
    assert done.returncode == 2
    assert f"There is no ensemble 'small' in {data / 'ensembles'}" in done.stderr
    value = json.loads((folder / "dataset.json").read_text())
    value["recipe"]["source"] = "images"
    (folder / "dataset.json").write_text(json.dumps(value))
    for command in ("train", "evaluate"):
        asked = SETTINGS if command == "train" else {"model": ADDRESS}
        done = quick_command(command, data_dir=data, **asked)
        assert done.returncode == 2
        assert "imported images have no particles" in done.stderr
    done = quick_command("train", data_dir=data, **{**SETTINGS, "model": "compact"})
    assert done.returncode == 2
    assert "width is 16, but the model compact has no such setting: leave it out" in done.stderr
