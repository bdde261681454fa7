"""The pixels of a dataset: decoded once into one uint8 array, cached beside it, memory-mapped afterwards."""

import concurrent.futures
import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glassliquid.datasets.build import pixel_digest
from glassliquid.datasets.description import CLASSES, Dataset, Record, content_digest
from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError
from glassliquid.files import is_plain, locked, read_plain, remove_partials, replacing, write_json
from glassliquid.inputs import Samples

CHANNELS = 3


def load_split(dataset: Dataset, split: Split) -> Samples:
    """The images of a split, a memory map, decoding the dataset first if its cache is missing or stale.

    Raises:
        UserError: an image is missing or damaged, or the images are not those that the dataset was made with.
    """
    pixels = _decoded(dataset)
    places = dataset.split_range(split)
    chosen = dataset.records[places.start : places.stop]
    return Samples(
        pixels[places.start : places.stop],
        np.array([CLASSES.index(record.label) for record in chosen], dtype=np.int64),
        np.array([record.simulation for record in chosen], dtype=np.int64),
    )


def read_image(dataset: Dataset, record: Record) -> NDArray[np.uint8]:
    """Decode one image, shape (size, size, 3).

    Raises:
        UserError: it is missing or damaged, has another size or mode, or is a link out of the dataset.
    """
    from PIL import Image, UnidentifiedImageError

    path = dataset.folder / record.file_name
    size = dataset.recipe.image_size
    if not path.resolve().is_relative_to(dataset.folder.resolve()):
        raise _unusable(dataset, record, "it is a link out of the dataset")
    try:
        with Image.open(path, formats=["PNG"]) as image:
            # Checked before decoding: a file can claim any size.
            if image.size != (size, size) or image.mode != "RGB":
                raise _unusable(dataset, record, f"it is {image.size} {image.mode}, not ({size}, {size}) RGB")
            return np.asarray(image)
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _unusable(dataset, record, str(error)) from error


def _decoded(dataset: Dataset) -> NDArray[np.uint8]:
    cache = dataset.folder / f".decoded-{dataset.digest}.npy"
    note = cache.with_suffix(".json")
    fingerprint = _fingerprint(dataset)
    if not _is_fresh(cache, note, fingerprint):
        with locked(dataset.folder, "decoding the images"):
            if not _is_fresh(cache, note, fingerprint):
                remove_partials(dataset.folder)
                _decode(dataset, cache)
                write_json(note, {"fingerprint": fingerprint})
    size = dataset.recipe.image_size
    damaged = UserError(f"{cache} is damaged: delete it, and the next command decodes the images anew.")
    try:
        # Copy on write: PyTorch wants writable memory, the file must never change.
        pixels: NDArray[np.uint8] = np.load(cache, mmap_mode="c", allow_pickle=False)
    except Exception as error:  # whatever numpy stumbles over in a damaged head
        raise damaged from error
    # np.load opens archives too.
    if (
        not isinstance(pixels, np.ndarray)
        or pixels.shape != (len(dataset.records), size, size, CHANNELS)
        or pixels.dtype != np.uint8
    ):
        raise damaged
    return pixels


def _is_fresh(cache: Path, note: Path, fingerprint: str) -> bool:
    try:
        return is_plain(cache) and json.loads(read_plain(note))["fingerprint"] == fingerprint
    except (OSError, UserError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _fingerprint(dataset: Dataset) -> str:
    """Changes when a file of the dataset is replaced, without reading it: names, sizes and times of change."""
    digest = hashlib.sha256()
    for record in dataset.records:
        try:
            status = (dataset.folder / record.file_name).stat()
        except FileNotFoundError:
            raise _unusable(dataset, record, "it is missing") from None
        except OSError as error:
            raise _unusable(dataset, record, str(error.strerror)) from error
        # Opening a pipe would wait for ever.
        if not stat.S_ISREG(status.st_mode):
            raise _unusable(dataset, record, "it is no plain file")
        digest.update(f"{record.file_name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _decode(dataset: Dataset, cache: Path) -> None:
    size = dataset.recipe.image_size
    with replacing(cache) as partial:
        shape = (len(dataset.records), size, size, CHANNELS)
        pixels = np.lib.format.open_memmap(str(partial), mode="w+", dtype=np.uint8, shape=shape)

        def decode(place: int) -> tuple[str, str]:
            record = dataset.records[place]
            pixels[place] = read_image(dataset, record)
            return record.file_name, pixel_digest(pixels[place])

        # Pillow decodes without holding the interpreter's lock, so threads are enough.
        with concurrent.futures.ThreadPoolExecutor() as threads:
            digest = content_digest(threads.map(decode, range(len(dataset.records))))
        pixels.flush()
        if digest != dataset.digest:
            raise UserError(
                f"The images of {dataset.folder} are not those that it was made with (digest {digest}, {dataset.digest} in "
                "dataset.json): remove the folder and make the dataset anew."
            )


def _unusable(dataset: Dataset, record: Record, reason: str) -> UserError:
    path: Any = dataset.folder / record.file_name
    return UserError(f"{path} cannot be used ({reason}): remove the folder {dataset.folder} and make the dataset anew.")
