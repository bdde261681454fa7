"""The pixels of a dataset: decoded once into one uint8 array, cached beside it, memory-mapped afterwards."""

import concurrent.futures

import numpy as np
from numpy.typing import NDArray

from glassliquid.datasets.build import pixel_digest
from glassliquid.datasets.cache import cached_array
from glassliquid.datasets.description import Dataset, Record
from glassliquid.datasets.digest import content_digest
from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError
from glassliquid.inputs import Samples, samples_of
from glassliquid.progress_bar import watched

CHANNELS = 3


def load_split(dataset: Dataset, split: Split) -> Samples:
    """The images of a split, a memory map, decoding the dataset first if its cache is missing or stale.

    Raises:
        UserError: an image is missing or damaged, or the images are not those that the dataset was made with.
    """
    return samples_of(dataset, split, _decoded(dataset))


def read_image(dataset: Dataset, record: Record) -> NDArray[np.uint8]:
    """Decode one image, shape (size, size, 3).

    Raises:
        UserError: it is missing or damaged, has another size or mode, or is a link out of the dataset.
    """
    from PIL import Image, UnidentifiedImageError

    path = dataset.folder / record.file_name
    size = dataset.recipe.image_size
    if not path.resolve().is_relative_to(dataset.folder.resolve()):
        raise _unusable(dataset, record.file_name, "it is a link out of the dataset")
    try:
        with Image.open(path, formats=["PNG"]) as image:
            # Checked before decoding: a file can claim any size.
            if image.size != (size, size) or image.mode != "RGB":
                raise _unusable(dataset, record.file_name, f"it is {image.size} {image.mode}, not ({size}, {size}) RGB")
            return np.asarray(image)
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _unusable(dataset, record.file_name, str(error)) from error


def _decoded(dataset: Dataset) -> NDArray[np.uint8]:
    size, names = dataset.recipe.image_size, [record.file_name for record in dataset.records]

    def decode_all(pixels: NDArray[np.uint8]) -> None:
        def decode(place: int) -> tuple[str, str]:
            record = dataset.records[place]
            pixels[place] = read_image(dataset, record)
            return record.file_name, pixel_digest(pixels[place])

        # Pillow decodes without holding the interpreter's lock, so threads are enough.
        with concurrent.futures.ThreadPoolExecutor() as threads:
            decoded = threads.map(decode, range(len(names)))
            digest = content_digest(watched(decoded, len(names), "Decoding", "images"))
        if digest != dataset.digest:
            raise UserError(
                f"The images in {dataset.folder} are not the ones that the dataset was made with (digest {digest}, {dataset.digest} in "
                "dataset.json): remove the folder and make the dataset again."
            )

    return cached_array(
        dataset,
        "decoded",
        (len(names), size, size, CHANNELS),
        np.uint8,
        decode_all,
        (dataset.folder, names),
        lambda name, reason: _unusable(dataset, name, reason),
    )


def _unusable(dataset: Dataset, name: str, reason: str) -> UserError:
    path = dataset.folder / name
    return UserError(
        f"{path} cannot be used ({reason}): remove the folder {dataset.folder} and make the dataset again."
    )
