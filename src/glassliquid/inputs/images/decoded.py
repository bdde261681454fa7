"""The pixels of a dataset: decoded once into one uint8 array, cached beside it, memory-mapped afterwards."""

import concurrent.futures

import numpy as np
from numpy.typing import NDArray

from glassliquid.datasets.build import pixel_digest
from glassliquid.datasets.cache import cached_array
from glassliquid.datasets.description import Dataset
from glassliquid.datasets.digest import content_digest
from glassliquid.datasets.image_file import read_image, unusable_image
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
        lambda name, reason: unusable_image(dataset, name, reason),
    )
