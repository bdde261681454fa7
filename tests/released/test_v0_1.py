"""What glassliquid 0.1 wrote is read, drawn and trained to the same result by this version; README.md says how it was made."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from glassliquid.datasets.build import make_dataset
from glassliquid.datasets.description import Recipe, open_dataset
from glassliquid.ensembles.ensemble import open_ensemble
from glassliquid.ensembles.split import Split
from glassliquid.ensembles.workers import LocalPool
from glassliquid.errors import UserError
from glassliquid.inputs.images.decoded import load_split
from glassliquid.sessions.training_run import load_training_splits
from glassliquid.settings import restored, stored
from glassliquid.training.checkpoint import load_checkpoint
from glassliquid.training.config import TrainConfig
from glassliquid.training.progress import Progress
from glassliquid.training.trainer import Trainer
from tests.commands.conftest import PROJECT
from tests.conftest import ignore_progress

V0_1 = Path(__file__).parent / "v0.1"
DATASETS = {
    "data_liquid5": "91b4873412e3ebb5",
    "data_inherent": "7f31ad0ba9d8b492",
    "data_window": "d9efa8cf58f936f6",
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A copy in which locks and caches may appear."""
    for folder in ("ensembles", "datasets"):
        shutil.copytree(V0_1 / folder, tmp_path / folder)
    return tmp_path


def test_the_ensemble_loads(data: Path):
    ensemble = open_ensemble(data / "ensembles" / "released")
    assert ensemble.digest == "983c76a8ec839d9d"
    assert not ensemble.missing()
    assert [each.split for each in ensemble.simulations].count(Split.TRAIN) == 8
    assert ensemble.simulations[0].seed == 12467808127879573787


@pytest.mark.parametrize(("name", "digest"), DATASETS.items())
def test_a_dataset_loads_and_is_drawn_again_with_the_same_content(data: Path, name: str, digest: str, pool: LocalPool):
    released = open_dataset(data / "datasets" / name)
    assert released.digest == digest
    ensemble = open_ensemble(data / "ensembles" / "released")
    drawn = make_dataset(data / "datasets" / "drawn", ensemble, released.recipe, pool, ignore_progress)
    assert drawn.digest == digest
    assert drawn.records == released.records


def test_the_images_load(data: Path):
    found = load_split(open_dataset(data / "datasets" / "data_liquid5"), Split.TRAIN)
    assert found.values.shape == (16, 32, 32, 3)


class Silent:
    def record(self, iteration: int, metrics: Mapping[str, float]) -> None:
        """Keep nothing."""


@pytest.mark.parametrize("model", ["compact", "cnn2018"])
def test_a_training_gives_the_weights_that_it_gave(data: Path, tmp_path: Path, model: str):
    """Same seed, same weights.

    On the machine that made them they are equal bit for bit. Elsewhere sums are rounded in another order: with two threads
    or without oneDNN 99 of 100 weights differ by less than 5e-8 and the worst by 2e-5, since a first step of Adam is as large
    as the rate however small the gradient. One iteration fewer, or another seed, changes the median by 5e-4 or more.
    """
    kept = json.loads((V0_1 / f"{model}.json").read_text())
    config = restored(TrainConfig, kept["config"], "The settings of 0.1")
    splits = load_training_splits(open_dataset(data / "datasets" / "data_liquid5"), model, "cpu")
    trainer = Trainer(config, splits.data, splits.validate, Silent(), tmp_path, "run")
    trainer.train(lambda: False)
    weights = {name: tensor.numpy().reshape(-1) for name, tensor in trainer.model.state_dict().items()}
    with np.load(V0_1 / f"{model}.npz") as released:
        assert set(released) == set(weights)
        pairs = [(weights[name][:: 997 if weights[name].size >= 20_000 else 1], released[name]) for name in released]
    difference = np.abs(np.concatenate([found - expected for found, expected in pairs]))
    assert np.quantile(difference, 0.99) < 1e-6
    assert difference.max() < config.learning_rate


def test_an_old_checkpoint_is_refused_in_a_sentence():
    with pytest.raises(UserError, match=r"checkpoints of glassliquid 0\.1 .*train again"):
        load_checkpoint(V0_1 / "current.pt")


def test_stored_forms_without_a_version_are_read():
    kept = json.loads((V0_1 / "checkpoint.json").read_text())
    config = restored(TrainConfig, kept["config"], "The settings")
    assert (config.model, config.seed, config.eta_threshold) == ("compact", 5, ((0.9, None),))
    assert restored(Progress, kept["progress"], "The progress").best_iteration == 2
    assert restored(Progress, {**kept["progress"], "best_loss": float("inf")}, "The progress").best_loss == float("inf")
    recipe = restored(Recipe, kept["data"]["recipe"], "The recipe")
    assert (recipe.ensemble_digest, recipe.null) == ("983c76a8ec839d9d", False)


FOUND_OUT = {"first_step"}
"""Had a number as its default, and is found out since; numbers are still taken."""


def test_every_parameter_of_0_1_is_there_with_its_type_and_default():
    old, new = (yaml.safe_load((folder / "MLproject").read_text())["entry_points"] for folder in (V0_1, PROJECT))
    for entry_point, declared in old.items():
        for name, parameter in declared["parameters"].items():
            found = new[entry_point]["parameters"][name]
            if name in FOUND_OUT:
                continue
            assert found["type"] == parameter["type"], name
            same = str(found["default"]) == str(parameter["default"])
            assert same or float(found["default"]) == float(parameter["default"]), name


def newer(value: dict[str, Any]) -> dict[str, Any]:
    return {**value, "version": 99}


def unknown(value: dict[str, Any]) -> dict[str, Any]:
    return {**value, "momentum": 0.9}


def in_the_recipe(value: dict[str, Any]) -> dict[str, Any]:
    return {**value, "recipe": newer(value["recipe"])}


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (
            "datasets/data_liquid5/dataset.json",
            newer,
            "are of version 99, but this program reads only up to 3: use the newer",
        ),
        ("datasets/data_liquid5/dataset.json", in_the_recipe, "in recipe, are of version 99"),
        (
            "datasets/data_liquid5/dataset.json",
            unknown,
            "have 'momentum', which this version of glassliquid does not know",
        ),
        ("ensembles/released/ensemble.json", newer, "are of version 99, but this program reads only up to"),
        (
            "ensembles/released/ensemble.json",
            unknown,
            "have 'momentum', which this version of glassliquid does not know",
        ),
    ],
)
def test_what_a_newer_version_wrote_ends_in_a_sentence(data: Path, file: str, change: Any, message: str):
    """Through the real command line."""
    path = data / file
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    options = ("train", "--dataset", "data_liquid5") if "dataset" in file else ("export", "--ensemble", "released")
    assert message in refusal(data, *options)


def test_an_old_checkpoint_is_refused_by_the_command(data: Path):
    message = refusal(data, "evaluate", "--dataset", "data_liquid5", "--model", str(V0_1 / "current.pt"))
    assert "like the checkpoints of glassliquid 0.1 (.pt)" in message


def refusal(data: Path, name: str, *options: str) -> str:
    """The sentence in which a command ends, started as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", f"entrypoints.{name}", *options, "--data-dir", str(data)],
        cwd=PROJECT,
        env={"PATH": "/usr/bin:/bin", "MLFLOW_TRACKING_URI": f"sqlite:///{data}/mlflow.db", "HOME": str(data)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    (sentence,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    return sentence


def test_a_stored_form_of_today_carries_its_version():
    assert stored(TrainConfig())["version"] == TrainConfig.VERSION
