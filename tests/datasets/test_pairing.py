"""Datasets of two ensembles, matched in energy: what is drawn of which, that no split knows of another, and what is refused."""

import json
import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from glassliquid.datasets.build import make_dataset
from glassliquid.datasets.configurations import load_configurations
from glassliquid.datasets.description import Label, Recipe, open_dataset
from glassliquid.datasets.sides import NUMBERED_ON, Sides, check_sides, open_sides, recipe_names
from glassliquid.ensembles.ensemble import Ensemble, open_ensemble, plan_ensemble
from glassliquid.ensembles.inherent import inherent_energies
from glassliquid.ensembles.making import make_ensemble
from glassliquid.errors import UserError
from glassliquid.settings import restored
from glassliquid.trajectories.trajectory import read_configurations
from tests.conftest import PROTOCOL, SEED, SIMULATIONS, ignore_progress


@pytest.fixture(scope="module")
def sides(ensemble, tmp_path_factory, pool) -> Sides:
    """The shared ensemble for glasses, and one of another seed that was cooled ten times as slowly for liquids."""
    data = tmp_path_factory.mktemp("data")
    shutil.copytree(ensemble.folder, data / "ensembles" / "quick")
    protocol = replace(PROTOCOL, cooling_steps=10 * PROTOCOL.cooling_steps)
    other = plan_ensemble(data / "ensembles" / "slow", "demo", protocol, SIMULATIONS, SEED + 1, ensemble.engine)
    return Sides(make_ensemble(other, pool, ignore_progress), open_ensemble(data / "ensembles" / "quick"))


def recipe_for(sides: Sides, **changes) -> Recipe:
    settings = {"source": "simulate", "liquid": 60, "glass": 200, "image_size": 32, "window": 1.0, "inherent": True}
    return Recipe(**{**settings, "match": "energy", **recipe_names(sides), **changes})


def made(sides: Sides, name: str, pool, **changes):
    folder = sides.liquid.folder.parents[1] / "datasets" / name
    return make_dataset(folder, sides.liquid, recipe_for(sides, **changes), pool, ignore_progress, sides.glass)


@pytest.fixture(scope="module")
def matched(sides, pool):
    return made(sides, "matched", pool)


def test_pairs_are_within_a_split_and_within_the_tolerance(matched, sides):
    energies = {
        Label.LIQUID: inherent_energies(sides.liquid, [60])[:, 0],
        Label.GLASS: inherent_energies(sides.glass, [200])[:, 0],
    }
    for split, found in matched.matching.splits.items():
        rows = [each for each in matched.records if each.split == split]
        assert Counter(each.label for each in rows) == {Label.GLASS: found.pairs, Label.LIQUID: found.pairs}
        assert found.auc_low <= 0.5 <= found.auc_high
        # In one dimension pairs can be taken in the order of their energies, and none is worse for it.
        glass, liquid = (
            np.sort([energies[label][sides.member(each).number - 1] for each in rows if each.label is label])
            for label in Label
        )
        assert np.abs(glass - liquid).max() <= matched.matching.tolerance


def test_a_simulation_is_there_once_in_a_class_and_in_the_split_of_its_own_ensemble(matched, sides):
    assert len({(each.label, each.simulation) for each in matched.records}) == len(matched.records)
    for each in matched.records:
        assert sides.member(each).split is each.split
        assert (each.simulation > NUMBERED_ON) == (each.label is Label.GLASS)
    assert open_dataset(matched.folder) == matched
    assert open_sides(matched) == sides


def test_the_description_says_what_matching_did(matched, sides):
    described = json.loads((matched.folder / "dataset.json").read_text())
    recipe, matching = described["recipe"], described["matching"]
    assert (recipe["ensemble"], recipe["glass_ensemble"]) == ("slow", "quick")
    assert (recipe["ensemble_digest"], recipe["glass_ensemble_digest"]) == (sides.liquid.digest, sides.glass.digest)
    assert sum(matching["before"]["glass"]) == sum(matching["before"]["liquid"]) == SIMULATIONS
    pairs = sum(matching[split]["pairs"] for split in ("train", "validation", "test"))
    assert sum(matching["after"]["glass"]) == sum(matching["after"]["liquid"]) == pairs == len(matched.records) / 2


def test_particles_are_read_from_the_ensemble_of_their_class(matched, sides):
    found = load_configurations(matched)
    for row, each in zip(found, matched.records, strict=True):
        ensemble = {Label.LIQUID: sides.liquid, Label.GLASS: sides.glass}[each.label]
        path = ensemble.folder / "inherent" / f"sim-{each.simulation % NUMBERED_ON:05d}.gsd"
        (expected,) = read_configurations(path, [each.snapshot])
        assert np.array_equal(row[:, :2], expected.positions)


def test_of_a_range_of_liquids_each_simulation_is_used_at_most_once(sides, pool):
    several = made(sides, "several", pool, liquid_range=40, image_size=16)
    liquids = [each for each in several.records if each.label is Label.LIQUID]
    assert {each.snapshot for each in liquids} <= {60, 100}
    assert len({each.simulation for each in liquids}) == len(liquids)
    assert sum(split.liquids for split in several.matching.splits.values()) == 2 * SIMULATIONS
    assert open_dataset(several.folder) == several


def test_two_ensembles_without_matching_are_all_drawn(sides, pool):
    both = made(sides, "both", pool, match="none", inherent=False, liquid=200)
    assert len(both.records) == 2 * SIMULATIONS
    assert both.matching is None
    assert len(load_configurations(both)) == 2 * SIMULATIONS


def test_too_few_pairs_name_the_index_at_which_the_energies_meet(sides, pool):
    with pytest.raises(
        UserError,
        match=r"Only \d+ of \d+ pairs can be made in \w+ with liquid 200: .* which the liquids of 'slow' have at index \d+, "
        r"between (5 and 60|60 and 100|100 and 195): pass liquid=(60|100)\.",
    ):
        made(sides, "far", pool, liquid=200, match_tolerance=1e-5)
    assert not (sides.liquid.folder.parents[1] / "datasets" / "far").exists()


def test_energies_that_meet_nowhere_are_refused(sides, pool):
    swapped = Sides(sides.glass, sides.liquid)
    with pytest.raises(
        UserError, match=r"the energies do not overlap \(e_IS of the glasses is -3\.8\d+, and that of .* 'quick'"
    ):
        made(swapped, "nowhere", pool, match_tolerance=1e-5)


def test_a_tolerance_that_reaches_everything_is_refused(sides, pool):
    with pytest.raises(UserError, match=r"e_IS alone still tells glass from liquid .* pass a smaller match_tolerance"):
        made(sides, "wide", pool, liquid=200, match_tolerance=10.0)


def planned(sides: Sides, name: str, seed: int = 7, simulations: int = SIMULATIONS, **changes) -> Ensemble:
    protocol = replace(PROTOCOL, **changes)
    return plan_ensemble(sides.liquid.folder.with_name(name), "demo", protocol, simulations, seed, sides.liquid.engine)


def test_what_differs_between_ensembles_is_named(sides):
    with pytest.raises(
        UserError, match=r"'slow' and 'larger' do not fit together \(N is 100 and 144; .*the side of the box"
    ):
        check_sides(replace(sides, glass=planned(sides, "larger", particles=144)))
    other = "lammps" if sides.liquid.engine != "lammps" else "numba"
    with pytest.raises(UserError, match=f"the engine is {sides.liquid.engine} and {other}"):
        check_sides(replace(sides, glass=replace(planned(sides, "other"), engine=other)))
    check_sides(replace(sides, glass=planned(sides, "slower", cooling_steps=40_000)))


def test_simulations_of_one_seed_are_in_one_split_or_refused(sides):
    """Those of one seed start from the same liquid, however fast they are cooled afterwards."""
    twin = replace(sides, glass=planned(sides, "twin", SEED + 1, cooling_steps=40_000))
    check_sides(twin)
    assert twin.offset == 0
    for liquid, glass in zip(twin.liquid.simulations, twin.glass.simulations, strict=True):
        assert (liquid.split, liquid.number) == (glass.split, twin.number(Label.GLASS, glass))
    longer = replace(sides, glass=planned(sides, "longer", SEED + 1, simulations=2 * SIMULATIONS))
    with pytest.raises(UserError, match=r"have a simulation of the same seed \(\d+\), for \w+ there and for \w+ here"):
        check_sides(longer)


def test_a_recipe_of_version_2_is_of_one_ensemble(recipe):
    old = {"version": 2, "source": "simulate", "ensemble": "small", "ensemble_digest": "0" * 16, "liquid": 5}
    old |= {"glass": 200, "image_size": 64, "window": 1.0, "inherent": False, "null": False}
    assert restored(Recipe, old, "The values") == replace(recipe, ensemble_digest="0" * 16)
    assert restored(Recipe, old, "The values").ensemble_of(Label.GLASS) == ("small", "0" * 16)
