"""Datasets of existing images: names tell label and simulation, any size and mode is read, nothing harmful is."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glassliquid.datasets.description import Label, open_dataset
from glassliquid.datasets.image_names import find_images
from glassliquid.datasets.images import BLOCK, split_of
from glassliquid.datasets.picture import UnusableImage, convert
from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError
from glassliquid.inputs.images.decoded import load_split
from tests.conftest import contents
from tests.datasets.image_folders import ORANGE, grey, take


@pytest.fixture
def source(tmp_path):
    """Forty simulations, 1 to 40, the glass brighter by 100, each with its own brightness."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    for number in range(1, 41):
        grey(number + 100).save(folder / f"glass.{number:05d}.png")
        grey(number).save(folder / f"liquid.{number:05d}.png")
    return folder


def test_a_folder_of_images_becomes_a_dataset(source, tmp_path, pool):
    dataset, left_out = take(source, tmp_path / "datasets" / "theirs", pool)
    assert left_out == []
    assert open_dataset(dataset.folder) == dataset
    assert len(dataset.records) == 80
    found = {}
    for split in Split:
        images = load_split(dataset, split)
        for pixels, label, simulation in zip(images.values, images.labels, images.simulations, strict=True):
            # The brightness says which image it was made of.
            assert (pixels == simulation + (100 if label == 0 else 0)).all()
            found.setdefault(int(simulation), set()).add(split)
    assert sorted(found) == list(range(1, 41))
    assert all(len(splits) == 1 for splits in found.values())  # both images of a simulation lie in one split
    assert {(r.label, r.snapshot, r.temperature) for r in dataset.records} == {
        ("glass", 200, 0.05),
        ("liquid", 5, 1.95125),
    }


def test_the_same_folder_is_found_there_and_another_is_not_taken_for_it(source, tmp_path, pool):
    target = tmp_path / "datasets" / "theirs"
    take(source, target, pool)
    before = contents(target)
    take(source, target, pool)
    assert contents(target) == before
    grey(7, 64).save(source / "glass.00007.png")
    with pytest.raises(UserError, match=r"'theirs' was made differently .ensemble_digest is"):
        take(source, target, pool)
    with pytest.raises(UserError, match="ensemble_digest is"):
        take(source, target, pool, seed=2)


def test_splits_are_those_of_the_numbers_whatever_a_folder_has():
    everything = [split_of(number, 1) for number in range(10_000)]
    assert [everything.count(split) for split in Split] == [7_000, 1_500, 1_500]
    assert everything[:20] != everything[20:40]
    assert everything != [split_of(number, 2) for number in range(10_000)]
    assert sorted(everything[:20]) == sorted(BLOCK)


@pytest.mark.parametrize(
    ("file", "label", "number"),
    [
        ("glass.00012.png", "glass", 12),
        ("Liquid_7.JPG", "liquid", 7),
        ("data_liquid5/sim-00012.png", "liquid", 12),
        ("data_liquid5/liquid.00012.png", "liquid", 12),
        ("liquid5/glass/12.png", "glass", 12),  # the nearest name counts
        ("glassy/liquid/run3.0004.tif", "liquid", 4),
    ],
)
def test_names_tell_label_and_simulation(tmp_path, file, label, number):
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    grey(1).save(tmp_path / file)
    (found,), unreadable = find_images(tmp_path)
    assert (found.file, found.label, found.simulation, unreadable) == (file, label, number, [])


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("crystal.00001.png", "has neither glass nor liquid in its name or its folder's"),
        ("not_glass.00001.png", "has both a label and its opposite in 'not_glass.00001.png'"),
        ("non-liquid/00001.png", "has both a label and its opposite in 'non-liquid'"),
        ("glass.png", "has no number in its name"),
        ("glass_or_liquid.00001.png", "has both glass and liquid"),
        (f"glass.{'9' * 40}.png", "has the number 99999999999999999999 in its name, but the largest allowed is"),
    ],
)
def test_names_that_do_not_tell_are_listed(tmp_path, file, reason):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    grey(1).save(tmp_path / file)
    found, (unreadable,) = find_images(tmp_path)
    assert not found
    assert unreadable.file == file
    assert reason in unreadable.reason


def test_two_images_of_one_label_and_simulation_are_listed(tmp_path):
    for name in ("glass.1.png", "glass.00001.bmp"):
        grey(1).save(tmp_path / name)
    _, (unreadable,) = find_images(tmp_path)
    assert unreadable.reason == "is glass of simulation 1, but so is glass.00001.bmp"


def test_other_files_and_hidden_ones_are_passed_over(source):
    (source / "notes.txt").write_text("glass 1")
    (source / ".glass.00099.png").write_bytes(b"")
    (source / ".cache").mkdir()
    (source / ".cache" / "glass.00098.png").write_bytes(b"")
    found, unreadable = find_images(source)
    assert (len(found), unreadable) == (80, [])


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16", "YCbCr", "HSV"])
def test_every_mode_is_the_same_picture(tmp_path, mode):
    """Black left, white right: every mode can say that."""
    half = np.zeros((32, 32), dtype=np.uint8)
    half[:, 16:] = 255
    if mode == "I;16":
        image = Image.fromarray(half.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(np.stack([half] * 3, axis=-1)).convert("L" if mode == "LA" else "RGB").convert(mode)
    path = tmp_path / ("a.png" if mode in ("RGB", "RGBA", "L", "LA", "P", "1", "I;16") else "a.tif")
    image.convert("RGB").save(path) if mode == "HSV" else image.save(path)
    # JPEG-like colour spaces round.
    assert np.abs(convert(path, 32).astype(int) - half[:, :, None]).max() <= 2


def test_transparent_ground_is_white(tmp_path):
    pixels = np.zeros((32, 32, 4), dtype=np.uint8)
    pixels[:16] = (*ORANGE, 255)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = convert(tmp_path / "a.png", 32)
    assert (found[:16] == ORANGE).all()
    assert (found[16:] == 255).all()


def test_any_size_is_scaled_and_the_middle_of_an_oblong_is_taken(tmp_path):
    pixels = np.zeros((100, 300, 3), dtype=np.uint8)
    pixels[:, 100:200] = ORANGE
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = convert(tmp_path / "a.png", 50)
    assert found.shape == (50, 50, 3)
    # But for the edge that scaling mixes nothing of the rest is left.
    assert (found[:, 2:-2] == ORANGE).all()
    same = np.random.default_rng(1).integers(0, 255, (50, 50, 3), dtype=np.uint8)
    Image.fromarray(same).save(tmp_path / "b.png")
    assert (convert(tmp_path / "b.png", 50) == same).all()


def bomb(path: Path, width=60_000, height=60_000):
    """A valid PNG of a few kilobytes whose header claims 3.6 thousand million pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1_000_000), 9)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path):
    bomb(tmp_path / "a.png", 5_000, 5_000)
    with pytest.raises(UnusableImage, match="claims 5000 x 5000 pixels, and at most 16,777,216 are allowed"):
        convert(tmp_path / "a.png", 32)
    bomb(tmp_path / "b.png")
    with pytest.raises(UnusableImage, match=r"claims 60000 x 60000|is damaged .*decompression bomb"):
        convert(tmp_path / "b.png", 32)


def test_files_that_are_no_images_are_refused(tmp_path):
    path = tmp_path / "a.png"
    for content, message in (
        (b"", "is not an image of a known format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(touch trap) run\n", "is not an image of a known format"),
        (b"\x89PNG\r\n\x1a\n garbage", "is (damaged|no image)"),
    ):
        path.write_bytes(content)
        with pytest.raises(UnusableImage, match=message):
            convert(path, 32)
    grey(1).save(path)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(UnusableImage, match="is damaged"):
        convert(path, 32)
    Image.fromarray(np.ones((4, 4), dtype=np.float32)).save(tmp_path / "b.tif")
    with pytest.raises(UnusableImage, match="has floating-point pixels"):
        convert(tmp_path / "b.tif", 32)


@pytest.fixture
def hostile(source, tmp_path):
    """What a careless or malicious sender may have put between the images."""
    secret = tmp_path / "secret.png"
    grey(99).save(secret)
    (source / "glass.00101.png").symlink_to(secret)
    (source / "glass.00102.png").symlink_to(tmp_path / "nowhere")
    (source / "elsewhere").symlink_to(tmp_path)
    os.mkfifo(source / "glass.00103.png")
    bomb(source / "glass.00104.png")
    (source / "glass.00105.png").write_bytes(b"no image")
    (source / "glass.00106.png").mkdir()
    return source


def test_what_cannot_be_read_is_listed_and_nothing_is_left(hostile, tmp_path, pool):
    target = tmp_path / "datasets" / "theirs"
    with pytest.raises(
        UserError,
        match=r"theirs has 5 image\(s\) that cannot be used \(glass\.00101\.png is a link that leads out of the folder; .*skip_unreadable=true",
    ) as ended:
        take(hostile, target, pool)
    for words in (
        "00102.png is a link that leads out",
        "00103.png is not a regular file",
        "00104.png",
        "00105.png is not an image",
    ):
        assert words in str(ended.value)
    assert not target.exists()
    assert not list(target.parent.glob(".*.partial"))


def test_what_cannot_be_read_is_skipped_when_the_user_allows_it(hostile, tmp_path, pool):
    dataset, left_out = take(hostile, tmp_path / "datasets" / "theirs", pool, skip=True)
    assert [each.file for each in left_out] == [f"glass.{n:05d}.png" for n in range(101, 106)]
    assert len(dataset.records) == 80
    assert '"skipped"' in dataset.description_path.read_text()
    assert not any(record.simulation > 100 for record in dataset.records)


def test_a_folder_without_images_is_named(tmp_path, pool):
    with pytest.raises(UserError, match=r"has no images: their names must be like glass\.00012\.png"):
        find_images(tmp_path)
    with pytest.raises(UserError, match="which is not a folder"):
        find_images(tmp_path / "nowhere")
    for number in range(40):
        grey(number).save(tmp_path / f"glass.{number}.png")
    with pytest.raises(UserError, match="has no usable image of liquid: a dataset needs both"):
        take(tmp_path, tmp_path.parent / "out" / "theirs", pool)


def test_too_few_simulations_for_all_splits_are_named(tmp_path, pool):
    for label in Label:
        grey(3).save(tmp_path / f"{label}.3.png")
    with pytest.raises(
        UserError,
        match=r"The images of glass in .* come from 1 of 1 simulations, and none is in the split \w+: add images of more simulations\.",
    ):
        take(tmp_path, tmp_path.parent / "out" / "theirs", pool)


def test_a_split_without_one_of_the_classes_is_refused(tmp_path, pool):
    """Forty images of glass, and one of liquid, which is in one split alone."""
    for number in range(40):
        grey(number).save(tmp_path / f"glass.{number}.png")
    grey(99).save(tmp_path / "liquid.3.png")
    with pytest.raises(
        UserError,
        match=r"The images of liquid in .* come from 1 of 40 simulations, and none is in the split \w+: add images",
    ):
        take(tmp_path, tmp_path.parent / "lacking" / "theirs", pool)


def test_pictures_of_one_colour_are_told(source, tmp_path, pool, capsys):
    half = np.zeros((32, 32, 3), dtype=np.uint8)
    half[:16] = 255
    Image.fromarray(half).save(source / "glass.00001.png")
    take(source, tmp_path / "datasets" / "theirs", pool)
    assert "79 of 80 pictures have a single colour" in capsys.readouterr().out
