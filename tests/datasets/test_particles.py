"""The particles of an image are those that were drawn."""

from dataclasses import replace

import numpy as np
import pytest

from glassliquid.datasets.configurations import split_configurations
from glassliquid.datasets.description import Dataset
from glassliquid.datasets.draw import COLOURS
from glassliquid.datasets.particles import shown_particles
from glassliquid.datasets.sides import open_sides
from glassliquid.ensembles.ensemble import Ensemble
from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError
from glassliquid.inputs.images.decoded import load_split


def test_each_particle_has_its_colour_in_the_image(dataset: Dataset):
    data, configurations = load_split(dataset, Split.TRAIN), split_configurations(dataset, Split.TRAIN)
    glasses = [place for place, record in enumerate(dataset.records) if record.label == "glass"][:3]
    for place in glasses:  # glasses, whose particles do not overlap
        shown = shown_particles(configurations[place], dataset.recipe)
        assert len(shown.numbers) == 100
        types = configurations[place, :, 2].astype(int)
        columns, rows = np.floor(shown.points).astype(int).T
        pixels = data.values[place][rows, columns]
        expected = np.array(COLOURS)[types]
        assert (np.abs(pixels - expected).max(axis=1) <= 1).mean() > 0.95
        # Radii of half a diameter: 1 and 0.88 of sigma_AA.
        assert shown.radii[types == 1].mean() / shown.radii[types == 0].mean() == pytest.approx(0.88)


def test_a_window_shows_only_the_particles_inside_it(dataset: Dataset):
    configuration = split_configurations(dataset, Split.TRAIN)[0]
    whole = shown_particles(configuration, dataset.recipe)
    shown = shown_particles(configuration, replace(dataset.recipe, window=0.5))
    assert 10 < len(shown.numbers) < 45  # a quarter of the area of 100 particles
    assert set(shown.numbers) < set(whole.numbers)
    assert (shown.points >= 0).all()
    assert (shown.points < dataset.recipe.image_size).all()
    # The window is centred and magnifies twice.
    inside = np.isin(whole.numbers, shown.numbers)
    assert shown.points == pytest.approx(2 * (whole.points[inside] - 16), abs=1e-4)


def test_another_ensemble_of_the_same_name_is_refused(dataset: Dataset, ensemble: Ensemble):
    other = replace(dataset, recipe=replace(dataset.recipe, ensemble_digest="0" * 16))
    with pytest.raises(
        UserError, match=f"'small' in .* is not the one that data_liquid5 was drawn from .*{ensemble.digest}"
    ):
        open_sides(other)
