"""A network and an input that are one new file each, on the real command lines: trained, registered, evaluated, tried elsewhere."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from safetensors import safe_open

from glassliquid.training.checkpoint import BEST

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow

INPUT = '''
"""The mean colour of an image: three numbers."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from glassliquid.datasets.snapshots import drawn
from glassliquid.ensembles.split import Split
from glassliquid.inputs import INPUTS, Input, Samples
from glassliquid.inputs.images.decoded import load_split


@INPUTS.register("colours")
@dataclass(frozen=True)
class Colours(Input):
    name: ClassVar[str] = "colours"
    colours: int = 3
    summary: ClassVar[str] = "mean colours"

    @classmethod
    def of_recipe(cls, recipe):
        return cls()

    @classmethod
    def of_description(cls, data):
        return cls(data["colours"])

    def description(self):
        return {"colours": self.colours}

    def mismatch(self, recipe):
        return None

    def load(self, dataset, split, device):
        found = load_split(dataset, split)
        return Samples(self.stacked([image.mean(axis=(0, 1)) for image in found.values]), found.labels, found.simulations)

    def sample_of(self, found, recipe):
        return drawn(found, recipe).mean(axis=(0, 1))

    def stacked(self, samples):
        return torch.tensor(np.stack(samples), dtype=torch.float32) / 255

    def batch(self, values, chosen, device):
        return values[chosen].to(device)

    def augmented(self, values, chosen, generator, device):
        return self.batch(values, chosen, device)

    def example(self):
        return np.zeros((2, self.colours), dtype=np.float32)

    def served(self, samples):
        return samples
'''

NETWORK = '''
"""Logistic regression on what the training split scales."""

import torch

from glassliquid.models.network import Network
from glassliquid.models.networks import MODELS


@MODELS.register("logistic")
class Logistic(Network):
    input = "colours"

    def __init__(self, reads, dropout, generator):
        super().__init__()
        self.reads = reads
        self.register_buffer("mean", torch.zeros(reads.colours))
        self.dense = torch.nn.Linear(reads.colours, 2)
        torch.nn.init.zeros_(self.dense.weight)

    def fit_scales(self, values):
        self.mean.copy_(values.mean(dim=0))

    def forward(self, batch):
        return self.dense(batch - self.mean)
'''

PROGRAM = """
import importlib, sys
import glassliquid.inputs, glassliquid.models.networks
glassliquid.inputs.__path__.append(sys.argv[1] + "/inputs")
glassliquid.models.networks.__path__.append(sys.argv[1] + "/networks")
importlib.import_module("entrypoints." + sys.argv[2]).main.main(sys.argv[3:], standalone_mode=False)
"""


def test_a_network_and_an_input_are_one_file_each(tmp_path: Path, dataset, environment: dict[str, str]):
    for package, name, text in (("inputs", "colours", INPUT), ("networks", "logistic", NETWORK)):
        (tmp_path / package).mkdir()
        (tmp_path / package / f"{name}.py").write_text(text)
    data = tmp_path / "data"
    shutil.copytree(dataset.folder.parents[1], data)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"

    def run(entry_point: str, **options: object) -> str:
        arguments = [part for key, value in {**options, "data_dir": data}.items() for part in (f"--{key}", str(value))]
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(tmp_path), entry_point, *arguments],
            cwd=tmp_path,
            env={**environment, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "MLFLOW_TRACKING_URI": uri},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("train", model="logistic", batch_size=8, iterations=4, eval_every=2, device="cpu")
    client = MlflowClient(uri)
    version = client.get_model_version("glass-liquid", "1")
    # Three numbers need not tell the classes apart, and a model at chance is not given the alias.
    client.set_registered_model_alias("glass-liquid", "data_liquid5", "1")
    assert (version.tags["input"], version.tags["colours"]) == ("colours", "3")
    assert "Input: mean colours" in version.description
    trained = client.get_run(version.run_id)
    assert trained.data.tags["input"] == "colours"
    names = {artifact.path for artifact in client.list_artifacts(version.run_id)}
    assert "training.png" in names
    assert "augmentation.png" not in names  # three numbers have no pictures
    path = client.download_artifacts(version.run_id, f"checkpoints/{BEST}", str(tmp_path))
    with safe_open(path, framework="pt") as file:  # this process does not know the network
        data_of = json.loads(file.metadata()["glassliquid"])["data"]
        assert (data_of["input"], data_of["colours"]) == ("colours", 3)
        assert float(file.get_tensor("model.mean").min()) > 0  # of the training split
    run("evaluate")
    (evaluated,) = client.search_runs([trained.info.experiment_id], "tags.stage = 'evaluate'")
    assert evaluated.data.metrics["test_accuracy"] == trained.data.metrics["test_accuracy"]
    assert "glass-liquid v1" in run("transfer_eval", liquids="5,100", find_breakdown="false")
    assert "glass-liquid v1" in run("transfer_eval", datasets="data_liquid5")
