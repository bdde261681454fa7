"""visualize through its command line, on a model that was really trained."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from glassliquid.datasets.description import Dataset
from glassliquid.datasets.draw import DrawConfig, draw
from glassliquid.ensembles.ensemble import Ensemble
from glassliquid.ensembles.split import Split
from glassliquid.evaluation.predict import predict_logits
from glassliquid.evaluation.scores import glass_probabilities
from glassliquid.inputs.images.decoded import load_split
from glassliquid.physics.fields import FIELDS
from glassliquid.training.checkpoint import load_checkpoint
from glassliquid.training.found_model import restore_model
from glassliquid.trajectories.trajectory import read_configurations
from tests.commands.conftest import Command
from tests.commands.test_bad_input import assert_one_sentence

SETTINGS = {"batch_size": 14, "iterations": 2, "batches_per_iteration": 4, "eval_every": 1, "register_as": "none"}


@pytest.fixture(scope="module")
def client(tracking_uri: str):
    import mlflow

    mlflow.set_tracking_uri(tracking_uri)
    return mlflow.MlflowClient()


@pytest.fixture(scope="module")
def trained(command: Command, client, own_data: Path):
    """The run of one training on the shared dataset."""
    done = command("train", data_dir=own_data, **SETTINGS)
    assert done.returncode == 0, done.stderr
    newest = client.search_runs(["0"], "tags.stage = 'train'", max_results=1, order_by=["attributes.start_time DESC"])
    return newest[0]


@pytest.fixture(scope="module")
def checkpoint(trained, client, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    return Path(client.download_artifacts(trained.info.run_id, "checkpoints/best.safetensors", str(folder)))


@pytest.fixture(scope="module")
def shown(command: Command, client, trained, own_data: Path):
    """The run of one visualization."""
    done = command("visualize", data_dir=own_data, model=trained.info.run_id, samples=2)
    assert done.returncode == 0, done.stderr
    assert "| attribution | modulus of psi6 (snapshot) " in done.stdout
    newest = client.search_runs(
        ["0"], "tags.stage = 'visualize'", max_results=1, order_by=["attributes.start_time DESC"]
    )
    return newest[0]


@pytest.fixture(scope="module")
def folder(shown, trained, own_data: Path) -> Path:
    return own_data / "pictures" / f"data_liquid5-run-{trained.info.run_id[:8]}"


def test_training_keeps_a_panel_of_augmented_images(trained, client):
    assert "augmentation.png" in {file.path for file in client.list_artifacts(trained.info.run_id)}


def test_pictures_and_table_are_in_the_run_and_on_the_disk(shown, client, folder: Path, dataset: Dataset):
    kept = {file.path for file in client.list_artifacts(shown.info.run_id)}
    assert kept == {path.name for path in folder.iterdir()}
    first = [record.simulation for record in dataset.records if record.split is Split.TEST][:2]
    maps = {f"first_layer_{label}_sim-{number:05d}.png" for label in ("glass", "liquid") for number in first}
    physics = {"particles.csv", "fields_liquid.png", "fields_glass.png", "correlations.csv", "correlations.png"}
    assert kept == {"attribution.png", "certain_and_wrong.png", "filters.png", *physics, *maps}
    for path in folder.glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")
    description = shown.data.tags["mlflow.note.content"]
    assert "are in particles.csv" in description
    assert "correlation" in description
    assert "liquid, A (n = 3)" in description
    assert "| attribution | modulus of psi6 (snapshot)" in description
    assert shown.data.tags["dataset"] == "data_liquid5"


def test_the_correlations_are_those_of_the_table(folder: Path):
    """Of the samples in particles.csv, two of the three simulations, the mean is near that of all three."""
    with (folder / "correlations.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * len(FIELDS)
    assert {(row["label"], row["species"], row["simulations"]) for row in rows} == {
        (label, species, "3") for label in ("liquid", "glass") for species in "AB"
    }
    assert {row["particles"] for row in rows} == {"195", "105"}  # 65 and 35 of 100, in three
    for row in rows:
        assert float(row["low"]) <= float(row["correlation"]) <= float(row["high"])
        assert float(row["low_together"]) <= float(row["correlation"]) <= float(row["high_together"])
    with (folder / "particles.csv").open(newline="") as file:
        particles = [row for row in csv.DictReader(file) if (row["label"], row["species"]) == ("glass", "A")]
    found = [
        spearmanr(*zip(*((float(row["attribution"]), float(row["moved"])) for row in sample), strict=True)).statistic
        for sample in (particles[:65], particles[65:])
    ]
    (mean,) = (
        float(row["correlation"])
        for row in rows
        if (row["label"], row["species"]) == ("glass", "A") and row["field"].startswith("distance")
    )
    # The third correlation follows, and is one.
    assert -1 <= 3 * mean - sum(found) <= 1


def test_the_table_has_each_particle_where_it_is(folder: Path, dataset: Dataset, ensemble: Ensemble, checkpoint: Path):
    with (folder / "particles.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * 100
    test = load_split(dataset, Split.TEST)
    model = restore_model(load_checkpoint(checkpoint))
    p_glass = glass_probabilities(predict_logits(model, torch.from_numpy(test.values), torch.device("cpu")))
    records = [record for record in dataset.records if record.split is Split.TEST]
    for start in range(0, 400, 100):
        image = rows[start : start + 100]
        number, snapshot, label = int(image[0]["simulation"]), int(image[0]["snapshot"]), image[0]["label"]
        place = next(k for k, r in enumerate(records) if (r.simulation, r.label) == (number, label))
        assert float(image[0]["p_glass"]) == pytest.approx(p_glass[place], abs=1e-5)
        (found,) = read_configurations(ensemble.path(ensemble.simulations[number - 1]), [snapshot])
        positions = np.array([(float(row["x"]), float(row["y"])) for row in image])
        types = np.array([{"A": 0, "B": 1}[row["species"]] for row in image])
        # Drawn again from the table, the image is the dataset's, so the numbers belong to these particles.
        drawn = draw(positions, types, found.length, DrawConfig(image_size=64))
        assert np.abs(drawn.astype(int) - test.values[place].astype(int)).max() <= 2
        assert [int(row["particle"]) for row in image] == list(range(100))
        assert len({row["attribution"] for row in image}) > 50


def test_without_trajectories_there_are_pictures_and_a_sentence(
    command: Command, client, dataset: Dataset, checkpoint: Path, copied: Callable[[Path], Path], tmp_path: Path
):
    copied(dataset.folder)
    done = command("visualize", data_dir=tmp_path, model=checkpoint)
    assert done.returncode == 0, done.stderr
    assert "There are no values for particles: There is no ensemble 'small'" in done.stdout
    (folder,) = (tmp_path / "pictures").iterdir()
    names = {path.name for path in folder.iterdir()}
    assert {"attribution.png", "filters.png", "certain_and_wrong.png"} < names
    assert "particles.csv" not in names


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 0}, "samples is 0"),
        ({"samples": 21}, "samples is 21, outside the allowed range 1 to 20"),
        ({"samples": "all"}, "samples is 'all': pass a whole number"),
        ({"samples": 4}, "samples is 4, but the test split has 3 liquid images"),
        ({"model": "missing.pt"}, "no model 'missing.pt'"),
        ({"dataset": "data_liquid99"}, "no dataset 'data_liquid99'"),
    ],
)
def test_a_wrong_value_ends_in_one_sentence(
    quick_command: Command, data_dir: Path, dataset: Dataset, checkpoint: Path, options, message
):
    assert_one_sentence(quick_command("visualize", **{"data_dir": data_dir, "model": checkpoint, **options}), message)


def test_a_trajectory_that_is_gone_is_named(
    command: Command,
    dataset: Dataset,
    ensemble: Ensemble,
    checkpoint: Path,
    copied: Callable[[Path], Path],
    tmp_path: Path,
):
    """One file of the ensemble is missing: the sentence names it, and nothing is made up for the others."""
    copied(dataset.folder)
    folder = copied(ensemble.folder)
    number = next(record.simulation for record in dataset.records if record.split is Split.TEST)
    (folder / f"sim-{number:05d}.gsd").unlink()
    done = command("visualize", data_dir=tmp_path, model=checkpoint)
    assert done.returncode == 0, done.stderr
    assert "There are no values for particles: " in done.stdout
    assert f"sim-{number:05d}.gsd is missing" in done.stdout
    names = {path.name for path in (tmp_path / "pictures").glob("*/*")}
    assert "attribution.png" in names
    assert not names & {"particles.csv", "fields_liquid.png", "fields_glass.png", "correlations.csv"}
