"""PNG files of a dataset, pictures of somebody's own, and the decoded cache."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from glassliquid.datasets.description import Dataset, open_dataset
from glassliquid.datasets.image_names import find_images
from glassliquid.datasets.picture import UnusableImage, convert
from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError
from glassliquid.inputs.images.decoded import load_split
from tests.hostile.budget import inputs
from tests.hostile.conftest import restored
from tests.hostile.guard import Sandbox
from tests.hostile.mutate import mutated_bytes

SMALL_MIB = 64
"""Images of 64 pixels; a claim of any other size is refused before it is decoded."""
LARGE_MIB = 768
"""Sixteen million pixels, the most that are decoded, in up to 16 bytes each, and copies of them."""


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, depth: int, colour: int, pixels: bytes, *more: bytes) -> bytes:
    """A PNG whose parts have right checksums, whatever they claim."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", zlib.compress(pixels, 9)) + chunk(b"IEND", b"")


ZEROS = bytes(1 << 24)
BOMBS = {
    "claims 60,000 pixels": png(60_000, 60_000, 8, 2, ZEROS),
    "claims 2^31 pixels": png(2**31 - 1, 2**31 - 1, 8, 2, b"\0"),
    "pixels without end": png(64, 64, 8, 2, bytes(1 << 27)),
    "text without end": png(64, 64, 8, 2, bytes(64 * 193), chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 28), 9))),
    "profile without end": png(
        64, 64, 8, 2, bytes(64 * 193), chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(1 << 28), 9))
    ),
    "a long line": png(16_777_216, 1, 8, 6, ZEROS),
    "the most": png(4096, 4096, 16, 6, bytes(4096 * (8 * 4096 + 1))),
    "no pixels": png(0, 0, 8, 2, b""),
}


@st.composite
def changed_png(draw, original: bytes) -> bytes:
    """A PNG with damaged bytes, with other claims in its head, or one of the bombs."""
    how = draw(st.sampled_from(("bytes", "bytes", "bytes", "head", "bomb")))
    if how == "bytes":
        return draw(mutated_bytes(original, head=64))
    if how == "bomb":
        return draw(st.sampled_from(sorted(BOMBS.values(), key=len)[:4]))
    size = st.sampled_from((0, 1, 63, 64, 65, 4097, 2**31 - 1))
    depth, colour = draw(st.sampled_from((1, 2, 8, 16, 3))), draw(st.sampled_from((0, 2, 3, 4, 6, 9)))
    return png(draw(size), draw(size), depth, colour, bytes(draw(st.integers(0, 70_000))))


def read_image(folder, dataset: Dataset) -> None:
    """Decode the dataset; what is accepted has the pixels that it was made with."""
    loaded = load_split(open_dataset(folder), Split.TEST)
    assert loaded.values.shape == (6, 64, 64, 3)


@given(data=st.data())
@inputs(quick=60, long=900)
def test_an_image_of_a_dataset(placed: Sandbox, dataset: Dataset, data: st.DataObject):
    folder = placed.data / "datasets" / dataset.name
    name = dataset.records[data.draw(st.integers(0, 2))].file_name
    original = (dataset.folder / name).read_bytes()
    restored(folder / name, data.draw(changed_png(original)))
    try:
        placed.attempt("PNG of a dataset", lambda: read_image(folder, dataset), SMALL_MIB)
    finally:
        restored(folder / name, original)


def examples() -> dict[str, bytes]:
    """A picture in every format that is read, and in several modes."""
    generator = np.random.default_rng(0)
    pixels = Image.fromarray(generator.integers(0, 256, (40, 50, 3), dtype=np.uint8))
    found: dict[str, bytes] = {}
    for kind, mode in (
        *(("PNG", "RGB"), ("PNG", "P"), ("PNG", "LA"), ("PNG", "1"), ("JPEG", "RGB"), ("JPEG", "CMYK"), ("BMP", "RGB")),
        *(("GIF", "P"), ("TIFF", "RGB"), ("TIFF", "I;16"), ("WEBP", "RGBA"), ("PPM", "L")),
    ):
        file = io.BytesIO()
        image = (
            Image.fromarray(np.arange(2000, dtype=np.uint16).reshape(40, 50))
            if mode == "I;16"
            else pixels.convert(mode)
        )
        image.save(file, kind)
        found[f"{kind} {mode}"] = file.getvalue()
    return found


EXAMPLES = examples()


def take_image(path) -> None:
    """As make_data takes it; what is accepted is a picture."""
    try:
        made = convert(path, 32)
    except UnusableImage as error:
        raise UserError(f"{path.name} cannot be used ({error}): repair it.") from error
    assert made.shape == (32, 32, 3)
    assert made.dtype == np.uint8


@given(data=st.data())
@inputs(quick=120, long=1500)
def test_somebody_elses_image(placed: Sandbox, data: st.DataObject):
    content = data.draw(mutated_bytes(EXAMPLES[data.draw(st.sampled_from(sorted(EXAMPLES)))], head=128))
    path = placed.data / "glass.1.png"
    restored(path, content)
    placed.attempt("images of any format", lambda: take_image(path), LARGE_MIB)
    path.unlink()


@pytest.mark.parametrize("bomb", sorted(BOMBS))
def test_a_bomb(placed: Sandbox, bomb: str):
    path = placed.data / "glass.1.png"
    restored(path, BOMBS[bomb])
    placed.attempt("image bombs", lambda: take_image(path), LARGE_MIB)
    path.unlink()


@given(name=st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40))
@inputs(quick=30, long=300)
def test_names_of_images(placed: Sandbox, name: str):
    """What a file's name tells, whatever it is."""
    folder = placed.data / "pictures of somebody"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.png"
    if len(path.name.encode()) > 255:
        return
    path.write_bytes(EXAMPLES["PNG RGB"])

    def use() -> None:
        found, unreadable = find_images(folder)
        if unreadable:
            raise UserError(f"{unreadable[0].file} {unreadable[0].reason}.")
        assert found[0].file == path.name

    placed.attempt("names of images", use, SMALL_MIB)
    path.unlink()


@given(data=st.data())
@inputs(quick=60, long=700)
def test_a_decoded_cache(placed: Sandbox, dataset: Dataset, data: st.DataObject):
    """Whatever lies in the place of the cache, nothing of it is unpickled; its pixels have the right shape."""
    folder = placed.data / "datasets" / dataset.name
    load_split(open_dataset(folder), Split.TEST)
    (cache,) = folder.glob(".decoded-*.npy")
    note = cache.with_suffix(".json")
    good, fingerprint = cache.read_bytes(), note.read_bytes()
    how = data.draw(st.sampled_from(("head", "head", "whole", "object", "archive")))
    if how == "head":
        content = data.draw(mutated_bytes(good[:128], head=128)) + good[128:]
    elif how == "whole":
        content = data.draw(mutated_bytes(good, head=128))
    else:
        file = io.BytesIO()
        if how == "object":
            np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
        else:
            np.savez(file, a=np.zeros(3))
        content = file.getvalue()
    cache.write_bytes(content)

    def use() -> None:
        loaded = load_split(open_dataset(folder), Split.TEST)
        assert loaded.values.shape == (6, 64, 64, 3)
        assert int(loaded.values.sum()) >= 0

    try:
        placed.attempt("decoded cache", use, SMALL_MIB)
    finally:
        restored(cache, good)
        restored(note, fingerprint)
