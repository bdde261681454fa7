"""No simulation that a model was trained on may be used to judge it."""

from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from glassliquid.datasets.description import Dataset, Label, Recipe, Record
from glassliquid.ensembles.ensemble import Ensemble, plan_ensemble
from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError
from glassliquid.evaluation.unseen import trained_recipe, unseen_of_dataset, unseen_of_ensemble
from glassliquid.files import write_json
from glassliquid.inputs.images import Images
from glassliquid.layout import Layout
from glassliquid.settings import stored
from tests.conftest import PROTOCOL


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def planned(layout: Layout, name: str, simulations: int, seed: int, particles: int = 100) -> Ensemble:
    """An ensemble of which only the description exists; that is all it takes."""
    folder = layout.ensemble(name)
    ensemble = plan_ensemble(folder, "demo", replace(PROTOCOL, particles=particles), simulations, seed)
    write_json(folder / "ensemble.json", stored(ensemble))
    return ensemble


def recipe_of(ensemble: Ensemble) -> Recipe:
    return Recipe(
        source="simulate",
        ensemble=ensemble.name,
        ensemble_digest=ensemble.digest,
        liquid=5,
        glass=200,
        image_size=64,
        window=1.0,
        inherent=False,
    )


def numbers(ensemble: Ensemble, *splits: Split) -> set[int]:
    return {member.number for member in ensemble.simulations if member.split in splits}


def test_in_its_own_ensemble_a_model_is_judged_on_validation_and_test(layout: Layout):
    own = planned(layout, "own", 40, seed=1)
    unseen = unseen_of_ensemble(own, recipe_of(own), layout, "model")
    assert unseen.numbers == numbers(own, Split.VALIDATION, Split.TEST)
    assert len(unseen.numbers) == 12
    assert unseen.note is None


def test_in_an_ensemble_of_another_seed_all_simulations_are_new(layout: Layout):
    own, other = planned(layout, "own", 40, seed=1), planned(layout, "other", 30, seed=2)
    assert unseen_of_ensemble(other, recipe_of(own), layout, "model").numbers == set(range(1, 31))


def test_a_longer_ensemble_of_the_same_seed_repeats_the_training(layout: Layout):
    """Its first simulations are those of the shorter one, whatever split they are in now."""
    own, longer = planned(layout, "own", 40, seed=1), planned(layout, "longer", 60, seed=1)
    assert [each.seed for each in own.simulations] == [each.seed for each in longer.simulations[:40]]
    unseen = unseen_of_ensemble(longer, recipe_of(own), layout, "model")
    assert unseen.numbers == set(range(1, 61)) - numbers(own, Split.TRAIN)
    # With another number of particles the same seed is another simulation.
    larger = planned(layout, "larger", 60, seed=1, particles=144)
    unseen = unseen_of_ensemble(larger, recipe_of(own), layout, "model")
    assert unseen.numbers == set(range(1, 61))
    assert unseen.note == "The simulations of larger have 144 particles, those of the training 100."


def test_without_the_ensemble_of_the_training_only_held_out_splits_count_and_that_is_said(layout: Layout):
    other = planned(layout, "other", 30, seed=2)
    elsewhere = replace(recipe_of(other), ensemble="gone", ensemble_digest="f" * 16)
    unseen = unseen_of_ensemble(other, elsewhere, layout, "model")
    assert unseen.numbers == numbers(other, Split.VALIDATION, Split.TEST)
    assert unseen.note is not None
    assert "gone (ffffffffffffffff) is not here" in unseen.note


def dataset_of(layout: Layout, ensemble: Ensemble, chosen: set[int]) -> Dataset:
    members = [each for each in ensemble.simulations if each.number in chosen]
    records = [
        Record(f"{each.split}/glass/{each.stem}.png", Label.GLASS, each.number, 200, 0.05, each.split)
        for each in members
    ]
    return Dataset(layout.dataset("data_some"), recipe_of(ensemble), "0" * 16, tuple(records))


def test_a_dataset_that_the_model_has_seen_altogether_is_refused(layout: Layout):
    own = planned(layout, "own", 40, seed=1)
    seen = dataset_of(layout, own, numbers(own, Split.TRAIN))
    with pytest.raises(
        UserError, match=r"All simulations of the dataset data_some are in the training split of model v1.*"
    ):
        unseen_of_dataset(seen, recipe_of(own), layout, "model v1")


def test_an_ensemble_that_repeats_nothing_but_the_training_is_refused(layout: Layout):
    own = planned(layout, "own", 40, seed=1)
    first = next(n for n in range(3, 40) if own.simulations[n].split is not Split.TRAIN)
    few = replace(planned(layout, "few", 3, seed=1), simulations=own.simulations[:first])
    repeated = replace(few, simulations=tuple(each for each in few.simulations if each.split is Split.TRAIN))
    with pytest.raises(UserError, match="All simulations of the ensemble few"):
        unseen_of_ensemble(repeated, recipe_of(own), layout, "model")


def test_a_dataset_of_another_ensemble_is_new_in_all_its_splits(layout: Layout):
    own, other = planned(layout, "own", 40, seed=1), planned(layout, "other", 30, seed=2)
    dataset = dataset_of(layout, other, {1, 2, 3})
    assert unseen_of_dataset(dataset, recipe_of(own), layout, "model").numbers == {1, 2, 3}


def test_the_checkpoint_says_how_its_images_were_made(layout: Layout):
    own = planned(layout, "own", 40, seed=1)
    data = {"name": "data_x", "digest": "0" * 16, "recipe": asdict(recipe_of(own))}
    found = SimpleNamespace(state=SimpleNamespace(data=data), label="model", model=SimpleNamespace(reads=Images(64)))
    assert trained_recipe(found) == recipe_of(own)
    found.model.reads = Images(128)
    with pytest.raises(UserError, match=r"it is of uint8 RGB images of 64 pixels, but the network reads .* of 128"):
        trained_recipe(found)
    data["recipe"] = {"liquid": 5}
    with pytest.raises(UserError, match="recipe of its data are damaged"):
        trained_recipe(found)
    del data["recipe"]
    with pytest.raises(UserError, match="recipe of its data are damaged"):
        trained_recipe(found)
