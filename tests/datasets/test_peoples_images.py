"""Folders of images as people have them: numbers of runs and frames, words and numbers for classes, splits of their own, stacks."""

import re

import numpy as np
import pytest
from PIL import Image

from glassliquid.datasets.description import Label
from glassliquid.datasets.image_names import find_images
from glassliquid.datasets.images import kinds_of_pictures
from glassliquid.datasets.picture import UnusableImage, convert
from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError
from glassliquid.inputs.images.decoded import load_split
from tests.datasets.image_folders import grey, take


def flat_source(folder, names):
    """Pictures of other brightness each."""
    for place, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        grey(place + 1).save(folder / name)
    return folder


def told(folder, **options):
    found, unreadable = find_images(folder, **options)
    assert unreadable == []
    return {image.file: (image.label.value, image.simulation) for image in found}


def test_frames_of_a_run_are_not_taken_for_simulations(tmp_path):
    """They would lie in training and in test, and the test would tell nothing."""
    names = [f"{label}/run{(k - 1) // 5 + 1}_frame{k:04d}.png" for label in Label for k in range(1, 21)]
    flat_source(tmp_path, names)
    with pytest.raises(
        UserError, match=r"has 2 numbers that differ .* number=run if it is 1, number=frame if it is 0001"
    ):
        find_images(tmp_path)
    found, unreadable = find_images(tmp_path, number="run")
    assert [image.simulation for image in found] == [1, 1, 2, 2, 3, 3, 4, 4]
    assert len(unreadable) == 32
    assert unreadable[0].reason == "is glass of simulation 1, but so is glass/run1_frame0001.png"
    assert told(tmp_path, number=r"frame(\d+)")["glass/run4_frame0020.png"] == ("glass", 20)


def test_sizes_in_names_and_numbers_that_are_the_same_in_all_are_no_simulations(tmp_path):
    flat_source(tmp_path, [f"{label}_{k:03d}_250x250_N1000.png" for label in Label for k in range(1, 6)])
    assert told(tmp_path)["liquid_005_250x250_N1000.png"] == ("liquid", 5)


def test_the_class_folder_counts_before_the_name_and_whole_words_only(tmp_path):
    names = [f"{label}/glassformer_{k:04d}.png" for k, label in enumerate(Label, start=1)]
    flat_source(tmp_path, [*names, "LiquidState/0003.png", "data_liquid5/glass.4.png"])
    assert [found[0] for found in told(tmp_path).values()] == ["glass", "liquid", "liquid", "glass"]
    flat_source(tmp_path, ["glass/liquid_7.png"])
    _, (unreadable,) = find_images(tmp_path)
    assert unreadable.reason == "is called liquid, but lies in a folder of glass"


def test_other_words_for_the_labels_can_be_told(tmp_path):
    flat_source(tmp_path, ["solid/1.png", "fluid/1.png", "a_fluid_2.png"])
    assert len(find_images(tmp_path)[1]) == 3
    found = told(tmp_path, labels=("solid:glass", "fluid:liquid"))
    assert found == {"solid/1.png": ("glass", 1), "fluid/1.png": ("liquid", 1), "a_fluid_2.png": ("liquid", 2)}


def test_folders_of_numbers_can_be_classes(tmp_path):
    """As class folders of image datasets are: the number of the class is none of a simulation."""
    parts = (("train", (3, 4)), ("dev", (5, 6)), ("test", (7, 8)))
    flat_source(tmp_path, [f"{split}/{kind}/{k}.png" for split, numbers in parts for kind in (0, 1) for k in numbers])
    found, unreadable = find_images(tmp_path, labels=("0:glass", "1:liquid"))
    assert not unreadable
    assert {(image.file, image.label.value, image.simulation) for image in found} == {
        (f"{split}/{kind}/{k}.png", label, k)
        for kind, label in ((0, "glass"), (1, "liquid"))
        for split, numbers in parts
        for k in numbers
    }


def test_numbers_that_begin_again_in_each_folder_of_a_split_are_asked_about(tmp_path):
    """They may be other simulations, or the same: then the test would be of what was trained on."""
    flat_source(
        tmp_path, [f"{split}/{label}/{k}.png" for split in ("train", "test") for label in Label for k in (3, 4)]
    )
    with pytest.raises(
        UserError, match=r"has simulation 3 in two splits, test/glass/3\.png and train/glass/3\.png: number"
    ):
        find_images(tmp_path)


def test_pictures_of_two_simulations_that_are_the_same_are_told(tmp_path, pool, capsys):
    generator = np.random.default_rng(1)
    (tmp_path / "in").mkdir()
    for k in range(1, 41):
        for label in Label:
            pixels = generator.integers(0, 256, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "in" / f"{label}_{k}.png")
            if (label, k) == (Label.GLASS, 7):
                Image.fromarray(pixels).save(tmp_path / "in" / "glass_99.png")
    take(tmp_path / "in", tmp_path / "out" / "theirs", pool, size=16)
    assert "1 of 81 pictures are identical to one of another simulation, such as glass 99 and glass 7" in (
        capsys.readouterr().out
    )


DIFFERENT = {
    "the same": ("{label}_{k}.png", (16, 16), None),
    "another size": (
        "{label}_{k}.png",
        (16, 24),
        r"\(glass: PNG, mode L, 16 x 16 pixels; liquid: PNG, mode L, 24 x 24",
    ),
    "another format": ("{label}_{k}.{ending}", (16, 16), r"\(glass: PNG, mode L, .*; liquid: JPEG, mode L"),
}


@pytest.mark.parametrize("kind", DIFFERENT)
def test_pictures_that_tell_their_label_by_format_or_size_are_told(tmp_path, kind):
    """A network would learn the traces of a compression or of an enlargement, and never look at the particles."""
    name, sides, message = DIFFERENT[kind]
    for label, side, ending in zip(Label, sides, ("png", "jpg"), strict=True):
        for k in range(1, 6):
            Image.fromarray(np.full((side, side), 9 * k, np.uint8)).save(
                tmp_path / name.format(label=label, k=k, ending=ending)
            )
    images, _ = find_images(tmp_path)
    told = kinds_of_pictures(tmp_path, images)
    assert told is None if message is None else re.search(message, told)


def test_pictures_of_few_values_are_told(tmp_path, pool, capsys):
    """Masks of 0 and 1 in 8 bits look black."""
    for k in range(1, 41):
        for label in Label:
            picture = np.zeros((16, 16), np.uint8)
            picture[: k % 16, 1:] = 1
            picture[0, 0] = 1
            Image.fromarray(picture).save(tmp_path / f"{label}_{k}.png")
    take(tmp_path, tmp_path.parent / "faint" / "theirs", pool, size=16)
    assert "80 of 80 pictures use fewer than 16 of the 256 values" in capsys.readouterr().out


def test_somebodys_own_split_is_kept(tmp_path, pool):
    parts = {"train": range(1, 15), "val": range(15, 18), "test": range(18, 21)}
    names = [f"{part}/{label}/{k:04d}.png" for part, numbers in parts.items() for label in Label for k in numbers]
    source = flat_source(tmp_path / "in", names)
    dataset, _ = take(source, tmp_path / "datasets" / "theirs", pool)
    for record in dataset.records:
        expected = "train" if record.simulation < 15 else "validation" if record.simulation < 18 else "test"
        assert record.split == expected
    flat_source(source, ["train/glass/0018.png", "glass/0021.png"])
    with pytest.raises(UserError, match=r"in a folder of a split, and glass/0021\.png in none"):
        find_images(source)
    (source / "glass" / "0021.png").unlink()
    (source / "test" / "glass" / "0018.png").unlink()
    with pytest.raises(
        UserError, match=r"has simulation 18 in two splits, train/glass/0018\.png and test/liquid/0018\.png"
    ):
        find_images(source)


def test_part_of_the_range_of_16_bits_is_stretched_for_the_whole_folder(tmp_path, pool, capsys):
    for k in range(1, 41):
        for label in Label:
            values = np.full((16, 16), 10 + k, dtype=np.uint16)
            values[:, 8:] = 255 if label is Label.GLASS else 10
            Image.fromarray(values).save(tmp_path / f"{label}_{k}.tif")
    dataset, _ = take(tmp_path, tmp_path.parent / "out16" / "theirs", pool, size=16)
    assert "the values from 10 to 255 become 0 to 255" in capsys.readouterr().out
    images = load_split(dataset, Split.TRAIN)
    for pixels, label, simulation in zip(images.values, images.labels, images.simulations, strict=True):
        assert (pixels[:, 8:] == (255 if label == 0 else 0)).all()
        assert (pixels[:, :8] == int(simulation) * 255 // 245).all()


@pytest.mark.parametrize("ending", ["tif", "gif", "webp", "png"])
def test_stacks_and_animations_are_refused(tmp_path, ending):
    pages = [Image.fromarray(np.random.default_rng(k).integers(0, 255, (8, 8, 3), dtype=np.uint8)) for k in range(3)]
    pages[0].save(tmp_path / f"a.{ending}", save_all=True, append_images=pages[1:])
    with pytest.raises(UnusableImage, match="has several pages or frames: save each as a file of its own"):
        convert(tmp_path / f"a.{ending}", 8)


def test_images_that_are_all_the_same_are_refused(tmp_path, pool):
    for k in range(1, 41):
        for label in Label:
            grey(0).save(tmp_path / f"{label}_{k}.png")
    with pytest.raises(UserError, match="has 80 images that all look the same"):
        take(tmp_path, tmp_path.parent / "out0" / "theirs", pool)
