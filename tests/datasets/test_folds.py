"""Folds: every simulation is tested once, in no fold in two splits, and the dataset's own test split only if it is asked for."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from glassliquid.datasets.description import Dataset, Label
from glassliquid.datasets.folds import folded
from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError
from glassliquid.inputs.images import Images
from glassliquid.inputs.images.decoded import load_split

DEVICE = torch.device("cpu")


def simulations(dataset: Dataset, split: Split) -> list[int]:
    return sorted({dataset.records[place].simulation for place in dataset.places(split)})


def own(dataset: Dataset, *splits: Split) -> list[int]:
    """The simulations that the dataset's files have for some splits."""
    return sorted({record.simulation for record in dataset.records if record.split in splits})


@pytest.mark.parametrize("folds", [2, 3, 5, 17])
@pytest.mark.parametrize("include_test", [False, True])
def test_every_simulation_is_tested_exactly_once(dataset: Dataset, folds: int, include_test: bool):
    parts = folded(dataset, folds, include_test, seed=3)
    taking_part = own(dataset, *Split) if include_test else own(dataset, Split.TRAIN, Split.VALIDATION)
    tested = [number for part in parts for number in simulations(part, Split.TEST)]
    assert sorted(tested) == taking_part
    sizes = [len(simulations(part, Split.TEST)) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    for part in parts:
        members = [number for split in Split for number in simulations(part, split)]
        assert sorted(members) == taking_part  # so none is in two splits
        rest = len(taking_part) - len(simulations(part, Split.TEST))
        assert len(simulations(part, Split.VALIDATION)) == max(1, round(rest * 15 / 85))


def test_the_samples_of_a_fold_are_those_of_its_simulations(dataset: Dataset):
    part = folded(dataset, 4, False, seed=0)[1]
    reads = Images.of_recipe(dataset.recipe)
    whole = {split: load_split(dataset, split) for split in Split}
    pixels = {
        (number, label): image
        for samples in whole.values()
        for number, label, image in zip(samples.simulations, samples.labels, samples.values, strict=True)
    }
    for split in Split:
        found = reads.load(part, split, DEVICE)
        assert sorted(set(found.simulations.tolist())) == simulations(part, split)
        assert len(found) == 2 * len(simulations(part, split))
        for number, label, image in zip(found.simulations, found.labels, found.values, strict=True):
            assert np.array_equal(image.numpy(), pixels[number, label])


def test_the_same_seed_deals_alike_and_another_one_otherwise(dataset: Dataset):
    def dealt(seed: int) -> list[list[int]]:
        parts = folded(dataset, 4, False, seed)
        return [simulations(part, split) for part in parts for split in (Split.TEST, Split.VALIDATION)]

    assert dealt(1) == dealt(1)
    assert dealt(1) != dealt(2)


def test_classes_that_come_from_different_simulations_are_in_every_split(dataset: Dataset):
    """As in a null dataset."""
    one_class = tuple(
        record for record in dataset.records if record.label is (Label.GLASS if record.simulation % 2 else Label.LIQUID)
    )
    for part in folded(replace(dataset, records=one_class), 4, True, seed=0):
        assert all(0 not in part.class_counts(split) for split in Split)
    with pytest.raises(
        UserError, match=r"folds is 12, and fold \d+ of \w+ would have no \w+ image for test: pass fewer"
    ):
        folded(replace(dataset, records=one_class), 12, True, seed=0)


def test_more_folds_than_simulations_are_refused(dataset: Dataset):
    with pytest.raises(UserError, match=r"folds is 18, but \w+ has 17 simulations to test in them: pass 17 or fewer\."):
        folded(dataset, 18, False, seed=0)
