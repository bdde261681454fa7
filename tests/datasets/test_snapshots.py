from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glassliquid.datasets.description import Dataset, Recipe
from glassliquid.ensembles.ensemble import Ensemble, Simulation
from glassliquid.ensembles.inherent import make_inherent
from glassliquid.ensembles.split import Split
from glassliquid.ensembles.workers import LocalPool
from glassliquid.inputs.images import Images
from glassliquid.inputs.images.decoded import load_split
from tests.conftest import ignore_progress


def drawn_snapshots(
    ensemble: Ensemble, simulations: Sequence[Simulation], snapshots: Sequence[int], recipe: Recipe
) -> list[NDArray[np.uint8]]:
    return list(Images.of_recipe(recipe).from_snapshots(ensemble, simulations, snapshots, recipe))


def test_images_in_memory_are_those_of_the_dataset(ensemble: Ensemble, dataset: Dataset):
    """To the pixel, so that a score on the one is a score on the other."""
    data = load_split(dataset, Split.TEST)
    members = [each for each in ensemble.simulations if each.split is Split.TEST]
    drawn = drawn_snapshots(ensemble, members, (200, 5), dataset.recipe)
    by_class = [drawn[0::2], drawn[1::2]]  # glass, liquid
    for image, label, simulation in zip(data.values, data.labels, data.simulations, strict=True):
        place = [each.number for each in members].index(simulation)
        np.testing.assert_array_equal(by_class[label][place], image)


def test_size_and_window_are_those_of_the_recipe(ensemble: Ensemble, recipe: Recipe):
    (whole,) = drawn_snapshots(ensemble, ensemble.simulations[:1], (60,), replace(recipe, image_size=128))
    (middle,) = drawn_snapshots(ensemble, ensemble.simulations[:1], (60,), replace(recipe, image_size=64, window=0.5))
    assert whole.shape == (128, 128, 3)
    # Half the box at half the size has the same scale: it is the middle of the whole picture.
    np.testing.assert_array_equal(whole[32:96, 32:96], middle)


def test_inherent_structures_are_drawn_where_the_recipe_says_so(
    ensemble: Ensemble, recipe: Recipe, pool: LocalPool, copied: Callable[[Path], Path]
):
    chosen = replace(ensemble, folder=copied(ensemble.folder), simulations=ensemble.simulations[:1])
    make_inherent(chosen, [60], pool, ignore_progress)
    (thermal,) = drawn_snapshots(chosen, chosen.simulations, (60,), recipe)
    (inherent,) = drawn_snapshots(chosen, chosen.simulations, (60,), replace(recipe, inherent=True))
    assert (thermal != inherent).any()
