"""Reading a dataset: the cache, and files that are damaged, changed or point elsewhere."""

import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from glassliquid.datasets.description import open_dataset
from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError
from glassliquid.inputs.images import decoded
from glassliquid.inputs.images.decoded import load_split
from tests.conftest import contents

REMEDY = "remove the folder .*make the dataset again"


@pytest.fixture
def copy(dataset, copied):
    """A dataset that the test may damage, not yet decoded."""
    folder = copied(dataset.folder)
    for cache in folder.glob(".decoded*"):
        cache.unlink()
    return open_dataset(folder)


@pytest.fixture
def png(copy):
    """One of its images."""
    return copy.folder / copy.records[3].file_name


def cache_of(dataset):
    (path,) = dataset.folder.glob(".decoded-*.npy")
    return path


@pytest.mark.parametrize("split", list(Split))
def test_pixels_labels_and_simulations_are_those_of_the_files(dataset, split):
    loaded = load_split(dataset, split)
    records = [record for record in dataset.records if record.split is split]
    assert len(loaded) == len(records) == {"train": 28, "validation": 6, "test": 6}[split]
    assert loaded.values.dtype == np.uint8
    for place, record in enumerate(records):
        with Image.open(dataset.folder / record.file_name) as image:
            assert np.array_equal(loaded.values[place], np.asarray(image))
        assert loaded.labels[place] == {"glass": 0, "liquid": 1}[record.label]  # as ImageFolder counts
        assert loaded.simulations[place] == record.simulation


def test_the_second_time_no_png_is_read(copy, monkeypatch):
    first = load_split(copy, Split.TRAIN)
    monkeypatch.setattr(decoded, "read_image", None)
    again = load_split(copy, Split.TRAIN)
    assert np.array_equal(again.values, first.values)
    assert isinstance(again.values.base, np.memmap) or isinstance(again.values, np.memmap)


def test_changing_the_loaded_pixels_changes_no_file(copy):
    loaded = load_split(copy, Split.TRAIN)
    before = cache_of(copy).read_bytes()
    loaded.values[:] = 0
    loaded.values.flush()
    assert cache_of(copy).read_bytes() == before
    assert load_split(copy, Split.TRAIN).values.any()


def test_the_cache_does_not_show_among_the_images(copy):
    before = contents(copy.folder)
    load_split(copy, Split.TEST)
    assert contents(copy.folder) == before


def test_an_image_saved_again_with_the_same_pixels_is_accepted(copy, png):
    expected = load_split(copy, Split.TRAIN).values.copy()
    with Image.open(png) as image:
        image.load()
    image.save(png, compress_level=9)
    assert np.array_equal(load_split(copy, Split.TRAIN).values, expected)


@pytest.mark.parametrize("decoded_before", [False, True])
def test_a_changed_image_is_noticed(copy, png, decoded_before):
    if decoded_before:
        load_split(copy, Split.TRAIN)
    with Image.open(png) as image:
        pixels = np.array(image)
    pixels[0, 0, 0] ^= 1  # the smallest change
    Image.fromarray(pixels).save(png)
    with pytest.raises(UserError, match=f"are not the ones that the dataset was made with .*{REMEDY}"):
        load_split(copy, Split.TRAIN)


def test_images_swapped_with_each_other_are_noticed(copy):
    one, other = (copy.folder / record.file_name for record in copy.records[:2])
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    with pytest.raises(UserError, match="are not the ones that the dataset was made with"):
        load_split(copy, Split.TRAIN)


def save(path, size=(64, 64), mode="RGB", kind="PNG"):
    Image.new(mode, size).save(path, format=kind)


def bomb(path):
    """A PNG that claims to be 60,000 pixels wide; decoding it would take 10 GB."""
    save(path)
    whole = bytearray(path.read_bytes())
    whole[16:24] = (60_000).to_bytes(4, "big") * 2
    path.write_bytes(whole)


@pytest.mark.parametrize("decoded_before", [False, True])
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.unlink(), "it is missing"),
        (lambda path: path.write_bytes(b""), "cannot identify image file"),
        (lambda path: path.write_bytes(path.read_bytes()[:30]), "."),
        (lambda path: path.write_bytes(path.read_bytes()[:2_000]), "truncated"),
        (lambda path: path.write_text("no image\n" * 300), "cannot identify image file"),
        (lambda path: save(path, kind="JPEG"), "cannot identify image file"),
        (lambda path: save(path, size=(64, 32)), r"it is \(64, 32\) RGB, not \(64, 64\) RGB"),
        (lambda path: save(path, size=(128, 128)), r"it is \(128, 128\) RGB, not \(64, 64\) RGB"),
        (lambda path: save(path, mode="L"), r"it is \(64, 64\) L, not \(64, 64\) RGB"),
        (lambda path: save(path, mode="RGBA"), r"it is \(64, 64\) RGBA, not"),
        (bomb, "."),
    ],
    ids=["missing", "empty", "header", "half", "text", "jpeg", "narrow", "large", "grey", "transparent", "bomb"],
)
def test_a_damaged_image_is_named(copy, png, damage, reason, decoded_before):
    if decoded_before:
        load_split(copy, Split.TRAIN)
    damage(png)
    with pytest.raises(UserError, match=rf"{png.name} cannot be used \(.*{reason}.*\): {REMEDY}"):
        load_split(copy, Split.TRAIN)


def test_a_folder_in_place_of_an_image_is_named(copy, png):
    png.unlink()
    png.mkdir()
    with pytest.raises(UserError, match=rf"{png.name} cannot be used \(.*\): {REMEDY}"):
        load_split(copy, Split.TRAIN)


def test_a_link_out_of_the_dataset_is_not_followed(copy, png, tmp_path):
    outside = tmp_path / "outside.png"
    png.rename(outside)
    png.symlink_to(outside)
    with pytest.raises(
        UserError, match=rf"{png.name} cannot be used \(it is a link that leads out of the dataset\): {REMEDY}"
    ):
        load_split(copy, Split.TRAIN)


def test_a_folder_of_images_that_is_a_link_is_not_followed(copy, tmp_path):
    folder = copy.folder / "train" / "glass"
    folder.rename(tmp_path / "outside")
    folder.symlink_to(tmp_path / "outside")
    with pytest.raises(UserError, match="it is a link that leads out of the dataset"):
        load_split(copy, Split.TRAIN)


def test_a_dataset_reached_through_a_link_is_read(copy, tmp_path):
    link = tmp_path / "linked"
    link.symlink_to(copy.folder)
    assert len(load_split(open_dataset(link), Split.TRAIN)) == 28


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"something else entirely" * 100),
        lambda path: np.save(path, np.zeros((40, 64, 64, 3), dtype=np.float32)),
        lambda path: np.save(path, np.zeros((3, 64, 64, 3), dtype=np.uint8)),
    ],
    ids=["truncated", "empty", "foreign", "other type", "other shape"],
)
def test_a_damaged_cache_is_named_or_made_anew(copy, damage):
    expected = load_split(copy, Split.TRAIN).values.copy()
    path = cache_of(copy)
    damage(path)
    try:
        loaded = load_split(copy, Split.TRAIN)
    except UserError as error:
        assert str(error).startswith(f"{path} is damaged")
        assert "delete it" in str(error)
        path.unlink()  # the remedy
        loaded = load_split(copy, Split.TRAIN)
    assert np.array_equal(loaded.values, expected)


def test_another_dataset_has_another_cache(copy):
    load_split(copy, Split.TRAIN)
    first = cache_of(copy)
    os.utime(first, ns=(0, 0))
    with pytest.raises(UserError, match="are not the ones that the dataset was made with"):
        load_split(replace(copy, digest="0" * 16), Split.TRAIN)
    assert list(copy.folder.glob(".decoded-*.npy")) == [first]
