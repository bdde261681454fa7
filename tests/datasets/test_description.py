"""Descriptions and tables that are damaged or point elsewhere."""

import csv
import json

import pytest

from glassliquid.datasets.description import open_dataset
from glassliquid.datasets.make import check_both_classes
from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError
from glassliquid.inputs.images.decoded import load_split


@pytest.fixture
def copy(dataset, copied):
    """A dataset that the test may damage."""
    return open_dataset(copied(dataset.folder))


def rewrite_table(folder, change):
    path = folder / "metadata.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    change(rows)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0] if rows else ["file_name"])
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize(
    "file_name",
    ["../../outside.png", "train/../../outside.png", "/etc/hostname", "..", "", "train/glass/\0.png"],
)
def test_a_path_out_of_the_dataset_is_refused(copy, file_name):
    rewrite_table(copy.folder, lambda rows: rows[2].update(file_name=file_name))
    with pytest.raises(UserError, match=r"metadata\.csv is damaged \(.*\): remove the dataset's folder"):
        open_dataset(copy.folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[0].update(label="crystal"), r"damaged \(line 2: .*crystal"),
        (lambda rows: rows[0].update(simulation="one"), r"damaged \(line 2: .*one"),
        (lambda rows: rows[1].update(split="all"), r"damaged \(line 3: .*all"),
        (lambda rows: [row.pop("label") for row in rows], r"damaged \(line 2: 'label'"),
        (lambda rows: rows.reverse(), "empty or not ordered by split"),
        (lambda rows: rows.clear(), "empty or not ordered by split"),
    ],
)
def test_a_damaged_table_is_refused(copy, change, message):
    rewrite_table(copy.folder, change)
    with pytest.raises(UserError, match=rf"metadata\.csv is {message}"):
        open_dataset(copy.folder)


def test_a_split_without_a_class_is_refused_by_what_would_score_on_it(copy):
    """As an earlier version made it, of many images of glass and few of liquid."""
    assert check_both_classes(copy) is copy

    def without_liquid(rows):
        rows[:] = [row for row in rows if (row["split"], row["label"]) != ("test", "liquid")]

    rewrite_table(copy.folder, without_liquid)
    with pytest.raises(
        UserError, match=r"The split test of the dataset .* has no image of liquid \(of 3\), so nothing can be"
    ):
        check_both_classes(open_dataset(copy.folder))


def test_a_simulation_in_both_classes_of_a_null_dataset_is_refused(copy):
    """It would tell the classes apart by what they have in common."""
    rewrite_table(
        copy.folder,
        lambda rows: [row.update(snapshot="5", temperature="1.95125") for row in rows],
    )
    value = json.loads(copy.description_path.read_text())
    value["recipe"] |= {"glass": 5, "null": True}
    copy.description_path.write_text(json.dumps(value))
    with pytest.raises(UserError, match="is listed twice"):
        open_dataset(copy.folder)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00garbage", b"\0" * 200], ids=["not text", "zeros"])
def test_a_table_that_is_no_text_is_refused(copy, content):
    (copy.folder / "metadata.csv").write_bytes(content)
    with pytest.raises(UserError, match=r"metadata\.csv is (damaged|empty)"):
        open_dataset(copy.folder)


def test_a_missing_table_is_named(copy):
    (copy.folder / "metadata.csv").unlink()
    with pytest.raises(UserError, match=r"metadata\.csv is missing: remove the folder"):
        open_dataset(copy.folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda value: value.pop("digest"), "digest is missing"),
        (lambda value: value.update(digest=7), "digest is 7: pass text"),
        (lambda value: value.update(format=9), "have 'format', which this version of glassliquid does not know"),
        (lambda value: value.update(recipe=[]), r"recipe is \[\]"),
        (lambda value: value["recipe"].pop("liquid"), "recipe.liquid is missing"),
        (
            lambda value: value["recipe"].update(extra=1),
            "in recipe, have 'extra', which this version of glassliquid does not know",
        ),
        (lambda value: value["recipe"].update(image_size="64"), "recipe.image_size is '64': pass a whole number"),
        (lambda value: value["recipe"].update(inherent=0), "recipe.inherent is 0: pass true or false"),
    ],
)
def test_a_damaged_description_is_refused(copy, change, message):
    path = copy.folder / "dataset.json"
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
    with pytest.raises(UserError, match=rf"dataset\.json.*{message}.* remove the dataset's folder"):
        open_dataset(copy.folder)


def test_half_a_description_is_refused(copy):
    path = copy.folder / "dataset.json"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match=r"dataset\.json is damaged .*: it is not a dataset"):
        open_dataset(copy.folder)


@pytest.mark.parametrize("image_size", [0, -64, 10**9])
def test_an_image_size_that_no_image_has_is_refused(copy, image_size):
    """Before memory or disk is set aside for it."""
    path = copy.folder / "dataset.json"
    value = json.loads(path.read_text())
    value["recipe"]["image_size"] = image_size
    path.write_text(json.dumps(value))
    with pytest.raises(UserError, match=r"image_size|cannot be used"):
        load_split(open_dataset(copy.folder), Split.TRAIN)
