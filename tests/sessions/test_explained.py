"""What is known of particles, and what is said where something is not."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from glassliquid.datasets.description import Dataset
from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError
from glassliquid.inputs.images import Images
from glassliquid.inputs.particles import Particles
from glassliquid.models.network import build_model
from glassliquid.sessions import explained
from glassliquid.sessions.explained import Explained, particle_numbers
from glassliquid.training.found_model import FoundModel


def of(dataset: Dataset, model: str, reads: Images | Particles) -> Explained:
    network = build_model(model, reads, 0.0, torch.Generator().manual_seed(0)).eval()
    found = FoundModel(network, SimpleNamespace(data={"name": "data"}), "model", None)  # type: ignore[arg-type]
    test = reads.load(dataset, Split.TEST, torch.device("cpu"))
    return Explained(found, dataset, test, np.zeros((6, 64, 64, 3), dtype=np.uint8), np.full(6, 0.5), [0, 3])


def test_images_that_were_imported_have_no_particles(dataset: Dataset):
    imported = replace(dataset, recipe=replace(dataset.recipe, source="images"))
    numbers, sentence = particle_numbers(of(imported, "compact", Images(64)))
    assert numbers is None
    assert sentence == (
        "There are no values for particles: imported images have no particles; make a dataset from simulations or "
        "trajectories."
    )


def test_without_physical_fields_there_are_the_networks_numbers(dataset: Dataset, monkeypatch: pytest.MonkeyPatch):
    def refuse(_dataset: Dataset, _split: Split) -> None:
        raise UserError("The box is 5 wide.")

    monkeypatch.setattr(explained, "load_fields", refuse)
    numbers, sentence = particle_numbers(of(dataset, "graph", Particles()))
    assert sentence == "There are no physical fields: The box is 5 wide."
    assert numbers is not None
    assert numbers.fields is None
    assert set(numbers.values) == {"attribution", "attention"}
