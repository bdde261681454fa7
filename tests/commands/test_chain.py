"""A user's session through `mlflow run`, on small real data: train, compare, load, evaluate, register."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from glassliquid.datasets.description import Dataset
from glassliquid.ensembles.split import Split
from glassliquid.evaluation.predict import predict_logits
from glassliquid.evaluation.scores import glass_probabilities, wilson_interval
from glassliquid.inputs.images.decoded import load_split
from glassliquid.training.checkpoint import load_checkpoint
from glassliquid.training.found_model import restore_model
from tests.commands.conftest import Command, history

pytestmark = pytest.mark.xdist_group("chain")

SETTINGS = {
    "batch_size": 14,
    "iterations": 5,
    # So it gets all 6 validation images right: with 5 it may have guessed, and would not be given the alias.
    "batches_per_iteration": 12,
    "learning_rate": 0.01,
    "eval_every": 1,
    "version": 5,
    "step": 1,
    "trial": 2,
}


@pytest.fixture(scope="module")
def trained(mlflow_run: Command, client, dataset: Dataset, data_dir: Path):
    """The run of one training."""
    done = mlflow_run("train", data_dir=data_dir, **SETTINGS)
    assert done.returncode == 0, done.stderr
    run_id = re.search(r"in run with ID '(\w+)'", done.stderr).group(1)
    return client.get_run(run_id)


def test_the_run_tells_its_story(trained, client, dataset: Dataset):
    run_id, data = trained.info.run_id, trained.data
    assert trained.info.status == "FINISHED"
    assert (
        trained.info.run_name
        == "V5-S1-T2 batch 14, rate 0.01, iterations 5, batches_per_iteration 12, eval_every 1 data_liquid5 compact"
    )
    assert data.params["batch_size"] == "14"
    assert data.tags["stage"] == "train"
    assert (data.tags["dataset"], data.tags["dataset_digest"]) == ("data_liquid5", dataset.digest)
    assert (data.tags["collapsed"], data.tags["fate"]) == ("false", "stayed")
    assert {"git_commit", "git_dirty", "version", "step", "trial"} <= data.tags.keys()
    for key in ("loss", "learning_rate", "images_per_second", "val_loss", "val_accuracy", "gradient_norm"):
        assert [step for step, _ in history(client, run_id, key)] == [1, 2, 3, 4, 5], key
    best = max(value for _, value in history(client, run_id, "val_accuracy"))
    assert data.metrics["best_val_accuracy"] == best
    assert data.metrics["final_val_accuracy"] == history(client, run_id, "val_accuracy")[-1][1]
    right = round(data.metrics["test_accuracy"] * data.metrics["test_images"])
    interval = (data.metrics["test_accuracy_low"], data.metrics["test_accuracy_high"])
    assert interval == pytest.approx(wilson_interval(right, 6))
    names = {file.path for file in client.list_artifacts(run_id)} | {
        file.path for file in client.list_artifacts(run_id, "checkpoints")
    }
    assert {"training.png", "config.json", "checkpoints/best.safetensors", "checkpoints/current.safetensors"} <= names
    assert [used.dataset.name for used in trained.inputs.dataset_inputs] == ["data_liquid5"]


def test_the_registered_model_is_the_best_checkpoint(
    trained, client, tracking_uri: str, dataset: Dataset, tmp_path: Path
):
    import mlflow

    test = load_split(dataset, Split.TEST)
    registered = mlflow.pytorch.load_model("models:/glass-liquid@data_liquid5")
    path = mlflow.artifacts.download_artifacts(
        run_id=trained.info.run_id, artifact_path="checkpoints/best.safetensors", dst_path=str(tmp_path)
    )
    model = restore_model(load_checkpoint(Path(path)))
    logits = predict_logits(model, torch.from_numpy(test.values), torch.device("cpu"))
    with torch.inference_mode():
        p_glass = registered(torch.from_numpy(np.array(test.values))).numpy()
    np.testing.assert_allclose(p_glass, glass_probabilities(logits), rtol=1e-4, atol=1e-5)
    assert ((logits.argmax(axis=1) == test.labels).mean()) == trained.data.metrics["test_accuracy"]
    flavors = mlflow.models.get_model_info("models:/glass-liquid@data_liquid5").flavors
    assert "pickle" not in json.dumps(flavors["pytorch"])


def test_evaluating_the_registered_model_gives_the_score_of_its_training(
    trained, mlflow_run: Command, client, data_dir: Path
):
    done = mlflow_run("evaluate", data_dir=data_dir)
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"glass-liquid v1, trained on data_liquid5, on data_liquid5: validation .* test .*95 % interval", done.stdout
    )
    evaluated = client.get_run(re.search(r"in run with ID '(\w+)'", done.stderr).group(1))
    assert evaluated.data.metrics["test_accuracy"] == trained.data.metrics["test_accuracy"]
    assert evaluated.data.metrics["val_accuracy"] == trained.data.metrics["best_val_accuracy"]


@pytest.mark.parametrize("form", ["{id}", "runs:/{id}", "models:/glass-liquid/1", "{file}"])
def test_every_name_of_a_model_finds_it(trained, command: Command, data_dir: Path, form: str, tmp_path: Path):
    import mlflow

    run_id = trained.info.run_id
    file = mlflow.artifacts.download_artifacts(
        run_id=run_id, artifact_path="checkpoints/best.safetensors", dst_path=str(tmp_path)
    )
    done = command("evaluate", model=form.format(id=run_id, file=file), data_dir=data_dir)
    assert done.returncode == 0, done.stderr
    assert f"{100 * trained.data.metrics['test_accuracy']:.2f} % (" in done.stdout


def test_the_alias_moves_only_to_a_better_model(trained, command: Command, client, data_dir: Path):
    settings = {**SETTINGS, "iterations": 1, "batches_per_iteration": 1, "learning_rate": 0.000001}
    done = command("train", data_dir=data_dir, **settings)
    assert done.returncode == 0, done.stderr
    versions = client.search_model_versions("name='glass-liquid'")
    accuracy = {version.version: float(version.tags["best_val_accuracy"]) for version in versions}
    holder = client.get_model_version_by_alias("glass-liquid", "data_liquid5").version
    assert accuracy[holder] == max(accuracy.values())


def test_resuming_an_interrupted_run_goes_on_in_it(
    trained, mlflow_run: Command, command: Command, client, data_dir: Path
):
    """The state after two iterations, continued, is the run of five: same weights, no point doubled or lost."""
    stopped = command("train", data_dir=data_dir, max_hours=0.0000001, register_as="none", **SETTINGS)
    assert stopped.returncode == 75
    run_id = re.search(r"-P resume=(\w+)", stopped.stderr).group(1)
    assert client.get_run(run_id).info.status == "KILLED"
    done = command("train", data_dir=data_dir, resume=run_id, register_as="none")
    assert done.returncode == 0, done.stderr
    assert client.get_run(run_id).info.status == "FINISHED"
    for key in ("loss", "val_loss", "val_accuracy", "gradient_norm"):
        assert history(client, run_id, key) == history(client, trained.info.run_id, key), key


def test_the_chain_checks_its_settings_before_minutes_go_into_data(mlflow_run: Command, tmp_path: Path):
    for wrong, message in (
        ({"preset": "huge"}, "choose one of demo, fast, reference"),
        ({"model": "vgg"}, "model is 'vgg'"),
    ):
        done = mlflow_run("main", data_dir=tmp_path, **wrong)
        assert done.returncode == 1
        assert message in done.stderr
        assert not (tmp_path / "ensembles").exists()
