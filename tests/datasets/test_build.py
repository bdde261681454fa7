"""Datasets as they lie on disk: layout, table, digest, and that nothing is overwritten or left half-made."""

import csv
import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from glassliquid.datasets.build import check_recipe, labels_of, make_dataset
from glassliquid.datasets.description import open_dataset
from glassliquid.datasets.draw import DrawConfig, draw
from glassliquid.ensembles.ensemble import open_ensemble, plan_ensemble
from glassliquid.ensembles.making import make_ensemble
from glassliquid.errors import UserError
from glassliquid.files import PARTIAL_SUFFIX
from glassliquid.trajectories.trajectory import read_configurations
from tests.conftest import PROTOCOL, SIMULATIONS, contents, ignore_progress


def table(folder):
    with (folder / "metadata.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def make(folder, ensemble, recipe, pool, report=ignore_progress):
    return make_dataset(folder, ensemble, recipe, pool, report)


class Interrupted(Exception):
    """Stands for Ctrl-C, which pytest would take for itself."""


def test_layout_is_split_label_simulation(dataset, ensemble):
    expected = {
        f"{simulation.split}/{label}/{simulation.stem}.png"
        for simulation in ensemble.simulations
        for label in ("glass", "liquid")
    }
    assert set(contents(dataset.folder)) == expected | {"metadata.csv", "dataset.json"}
    # Image folders take every sub-folder for a class.
    for split in ("train", "validation", "test"):
        assert sorted(path.name for path in (dataset.folder / split).iterdir()) == ["glass", "liquid"]


def test_the_table_has_a_row_an_image(dataset, ensemble):
    rows = table(dataset.folder)
    assert list(rows[0]) == ["file_name", "label", "simulation", "snapshot", "temperature", "split"]
    assert len(rows) == 2 * SIMULATIONS
    expected = {"liquid": ("5", 1.95125), "glass": ("200", 0.05)}  # T_k = 2 - 1.95 k / 200
    for row in rows:
        snapshot, temperature = expected[row["label"]]
        assert row["snapshot"] == snapshot
        assert float(row["temperature"]) == pytest.approx(temperature, rel=1e-12)
        assert row["file_name"] == f"{row['split']}/{row['label']}/sim-{int(row['simulation']):05d}.png"
        assert (dataset.folder / row["file_name"]).is_file()


def test_images_are_in_the_split_of_their_simulation(dataset, ensemble):
    described = json.loads((ensemble.folder / "ensemble.json").read_text())
    split = {entry["number"]: entry["split"] for entry in described["simulations"]}
    for row in table(dataset.folder):
        assert row["split"] == split[int(row["simulation"])]


def test_another_dataset_of_the_ensemble_has_the_same_split(tmp_path, dataset, ensemble, recipe, pool):
    other = make(tmp_path / "data_liquid60", ensemble, replace(recipe, liquid=60, image_size=32), pool)
    places = [{(record.simulation, record.split) for record in each.records} for each in (dataset, other)]
    assert places[0] == places[1]


def test_images_show_their_snapshots(dataset, ensemble):
    record = dataset.records[-1]
    simulation = ensemble.simulations[record.simulation - 1]
    found = read_configurations(ensemble.path(simulation), [record.snapshot])[0]
    expected = draw(found.positions, found.types, found.length, DrawConfig(image_size=64))
    with Image.open(dataset.folder / record.file_name) as image:
        assert (image.size, image.mode) == ((64, 64), "RGB")
        assert np.array_equal(np.asarray(image), expected)


def test_the_description_says_how_it_was_made(dataset, recipe, ensemble):
    described = json.loads((dataset.folder / "dataset.json").read_text())
    assert described["recipe"] == {
        "version": 3,
        "source": "simulate",
        "ensemble": "small",
        "ensemble_digest": ensemble.digest,
        "glass_ensemble": "",
        "glass_ensemble_digest": "",
        "liquid": 5,
        "glass": 200,
        "image_size": 64,
        "window": 1.0,
        "inherent": False,
        "null": False,
        "match": "none",
        "liquid_range": 0,
        "match_tolerance": None,
    }
    assert described["images"] == {"train": 28, "validation": 6, "test": 6}
    assert described["classes"] == ["glass", "liquid"]
    assert described["temperatures"] == pytest.approx({"glass": 0.05, "liquid": 1.95125})
    assert described["digest"] == dataset.digest


def test_making_it_again_elsewhere_gives_the_same_bytes(tmp_path, dataset, ensemble, recipe, pool):
    again = make(tmp_path / "data_liquid5", ensemble, recipe, pool)
    assert again.digest == dataset.digest
    assert contents(again.folder) == contents(dataset.folder)


def test_a_null_dataset_draws_both_classes_of_each_split_from_one_state(tmp_path, ensemble, recipe, pool):
    null = replace(recipe, glass=5, null=True, image_size=32)
    made = make(tmp_path / "data_null", ensemble, null, pool)
    assert {record.snapshot for record in made.records} == {5}
    assert {record.temperature for record in made.records} == {1.95125}
    numbers = [record.simulation for record in made.records]
    assert sorted(numbers) == list(range(1, SIMULATIONS + 1))  # each simulation is in one class
    splits = {simulation.number: simulation.split for simulation in ensemble.simulations}
    for split, each_class in (("train", 7), ("validation", 1), ("test", 1)):
        there = [record for record in made.records if record.split == split]
        assert all(splits[record.simulation] == split for record in there)
        assert sum(record.label == "glass" for record in there) in (each_class, each_class + 1)
        assert sum(record.label == "liquid" for record in there) >= each_class
    assert open_dataset(made.folder) == made
    assert made.recipe.null
    # The seed of the ensemble alone decides.
    again = make(tmp_path / "again", ensemble, null, pool)
    assert (again.digest, again.records) == (made.digest, made.records)
    assert labels_of(replace(ensemble, seed=2), null=True) != labels_of(ensemble, null=True)


def test_a_null_dataset_needs_a_simulation_a_class_in_each_split(ensemble):
    few = plan_ensemble(ensemble.folder, "demo", PROTOCOL, 5, 1)
    with pytest.raises(UserError, match="null is true, but the split validation of small has 1 simulation"):
        labels_of(few, null=True)


def test_a_null_recipe_has_one_state(recipe):
    with pytest.raises(UserError, match="null is true, and liquid 5 is not glass 200"):
        replace(recipe, null=True)


def test_finding_it_there_draws_nothing(dataset, ensemble, recipe, pool):
    before = {path: path.stat().st_mtime_ns for path in dataset.folder.rglob("*.png")}
    assert make(dataset.folder, ensemble, recipe, pool) == dataset
    assert {path: path.stat().st_mtime_ns for path in dataset.folder.rglob("*.png")} == before


def test_digest_differs_for_another_seed(tmp_path, ensemble, recipe, pool):
    protocol = replace(PROTOCOL, particles=32, equilibration_steps=0, cooling_steps=200)
    digests = set()
    for seed in (1, 2):
        small = make_ensemble(plan_ensemble(tmp_path / f"seed{seed}", "demo", protocol, 3, seed), pool, ignore_progress)
        ours = replace(recipe, ensemble=small.name, ensemble_digest=small.digest)
        digests |= {small.digest, make(tmp_path / f"data{seed}", small, ours, pool).digest}
    assert len(digests) == 4


@pytest.mark.parametrize(
    "change", [{"liquid": 60}, {"glass": 195}, {"image_size": 32}, {"window": 0.5}, {"inherent": True}]
)
def test_digest_differs_for_another_recipe(tmp_path, dataset, ensemble, copied, recipe, pool, change):
    copy = open_ensemble(copied(ensemble.folder))
    assert make(tmp_path / "other", copy, replace(recipe, **change), pool).digest != dataset.digest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"liquid": 60}, "liquid is 5 there and 60 here"),
        ({"glass": 195}, "glass is 200 there and 195 here"),
        ({"image_size": 32}, "image_size is 64 there and 32 here"),
        ({"window": 0.5}, r"window is 1\.0 there and 0\.5 here"),
        ({"inherent": True}, "inherent is False there and True here"),
        ({"ensemble_digest": "0" * 16}, r"ensemble_digest is \w+ there and 0+ here"),
    ],
)
def test_another_recipe_is_refused_and_nothing_overwritten(dataset, ensemble, copied, recipe, pool, change, message):
    folder = copied(dataset.folder)
    with pytest.raises(UserError, match=rf"'data_liquid5' was made differently \({message}\): .* -P name=NAME"):
        make(folder, ensemble, replace(recipe, **change), pool)
    assert contents(folder) == contents(dataset.folder)


@pytest.mark.parametrize("held", [[], ["notes.txt"], ["metadata.csv"]], ids=["empty", "foreign", "half a dataset"])
def test_another_folder_of_the_name_is_left_alone(tmp_path, ensemble, recipe, pool, held):
    folder = tmp_path / "data_liquid5"
    folder.mkdir()
    for name in held:
        (folder / name).write_text("somebody's work")
    with pytest.raises(UserError, match=r"data_liquid5 is not a dataset \(found .*no dataset\.json\): move it away"):
        make(folder, ensemble, recipe, pool)
    assert contents(folder) == dict.fromkeys(held, b"somebody's work")


def test_a_file_of_the_name_is_left_alone(tmp_path, ensemble, recipe, pool):
    (tmp_path / "data_liquid5").write_text("somebody's work")
    with pytest.raises(UserError, match=r"data_liquid5 is not a dataset \(found a file"):
        make(tmp_path / "data_liquid5", ensemble, recipe, pool)


def test_an_interrupted_build_leaves_no_half_dataset(tmp_path, dataset, ensemble, recipe, pool):
    def interrupt(done, total):
        raise Interrupted("by the user")

    folder = tmp_path / "data_liquid5"
    with pytest.raises(Interrupted, match="by the user"):
        make(folder, ensemble, recipe, pool, report=interrupt)
    assert not folder.exists()
    # What a killed build leaves has a hidden name, and goes with the next build.
    leftover = folder.with_name(f".data_liquid5{PARTIAL_SUFFIX}")
    (leftover / "train" / "glass").mkdir(parents=True, exist_ok=True)
    (leftover / "train" / "glass" / "sim-99999.png").write_bytes(b"half an image")
    assert contents(make(folder, ensemble, recipe, pool).folder) == contents(dataset.folder)
    assert not leftover.exists()


def test_a_missing_or_damaged_simulation_ends_the_build_without_a_trace(tmp_path, ensemble, copied, recipe, pool):
    copy = open_ensemble(copied(ensemble.folder))
    path = copy.path(copy.simulations[4])
    path.write_bytes(path.read_bytes()[:4_000])
    for message in (r"sim-00005\.gsd is damaged", r"sim-00005\.gsd is missing"):
        with pytest.raises(UserError, match=message):
            make(tmp_path / "data_liquid5", copy, recipe, pool)
        assert not (tmp_path / "data_liquid5").exists()
        path.unlink(missing_ok=True)


def test_inherent_structures_draw_other_images_of_lower_energy(tmp_path, dataset, ensemble, copied, recipe, pool):
    copy = open_ensemble(copied(ensemble.folder))
    made = make(tmp_path / "quenched", copy, replace(recipe, inherent=True), pool)
    assert [record.file_name for record in made.records] == [record.file_name for record in dataset.records]
    for record in made.records:
        simulation = copy.simulations[record.simulation - 1]
        snapshot = read_configurations(copy.path(simulation), [record.snapshot])[0]
        minimum = read_configurations(copy.inherent_path(simulation), [record.snapshot])[0]
        assert minimum.log["inherent_energy"] < snapshot.log["potential_energy"]
        assert (made.folder / record.file_name).read_bytes() != (dataset.folder / record.file_name).read_bytes()


@pytest.mark.parametrize(
    ("liquid", "glass", "message"),
    [
        (200, 200, "liquid and glass are both 200: choose two different"),
        (-1, 200, "liquid is -1, but snapshot indices run from 0"),
        (5, 201, "glass is 201, but snapshot indices run from 0"),
        (6, 200, "liquid is 6, which the ensemble 'small' does not store"),
    ],
)
def test_impossible_snapshots_are_refused(ensemble, liquid, glass, message):
    with pytest.raises(UserError, match=message):
        check_recipe(ensemble.protocol, ensemble.name, liquid, glass, null=False)


def test_a_missing_dataset_names_the_command_that_makes_it(dataset):
    with pytest.raises(UserError, match=r"no dataset 'other' .*data_liquid5.*mlflow run \. -e make_data -P name=other"):
        open_dataset(dataset.folder.with_name("other"))


def test_opening_gives_back_what_was_made(dataset):
    assert open_dataset(dataset.folder) == dataset


def test_tasks_do_not_carry_the_whole_ensemble_again_and_again(ensemble, recipe, tmp_path):
    """A task must not grow with the ensemble, or sending all of them grows with its square."""
    sizes = []

    class Weighing:
        size = 1
        broken = ()

        def executor(self):
            return self

        def submit(self, function, task):
            sizes.append(len(pickle.dumps(task)))
            raise Interrupted("weighed")

    for count in (2_000, 20_000):
        planned = plan_ensemble(tmp_path / "planned", "demo", PROTOCOL, count, 1)
        with pytest.raises(Interrupted, match="weighed"):
            make(tmp_path / f"weighed{count}", planned, recipe, Weighing())
    assert sizes[1] < 1.1 * sizes[0]  # digits of larger numbers
