"""Reading the images of a dataset, one by one."""

import numpy as np
from numpy.typing import NDArray

from glassliquid.datasets.description import Dataset, Record
from glassliquid.errors import UserError


def read_image(dataset: Dataset, record: Record) -> NDArray[np.uint8]:
    """Decode one image, shape (size, size, 3).

    Raises:
        UserError: it is missing or damaged, has another size or mode, or is a link out of the dataset.
    """
    from PIL import Image, UnidentifiedImageError

    path = dataset.folder / record.file_name
    size = dataset.recipe.image_size
    if not path.resolve().is_relative_to(dataset.folder.resolve()):
        raise unusable_image(dataset, record.file_name, "it is a link that leads out of the dataset")
    try:
        with Image.open(path, formats=["PNG"]) as image:
            # Checked before decoding: a file can claim any size.
            if image.size != (size, size) or image.mode != "RGB":
                raise unusable_image(
                    dataset, record.file_name, f"it is {image.size} {image.mode}, not ({size}, {size}) RGB"
                )
            return np.asarray(image)
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise unusable_image(dataset, record.file_name, str(error)) from error


def unusable_image(dataset: Dataset, name: str, reason: str) -> UserError:
    """The error about an image that is missing, damaged, or not what the dataset says."""
    path = dataset.folder / name
    return UserError(
        f"{path} cannot be used ({reason}): remove the folder {dataset.folder} and make the dataset again."
    )
