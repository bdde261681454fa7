"""One picture of somebody else's as the pixels of a dataset: any size, any mode, and nothing that could do harm."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glassliquid.datasets.draw import GROUND
from glassliquid.errors import listed

FORMATS = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "PPM": (".ppm", ".pgm"),
}
"""Pillow's names of the formats that are read, and the endings of their files; none of them can execute anything."""

MOST_PIXELS = 4096 * 4096
"""A larger image is refused before it is decoded: a file of a few kilobytes can claim any size."""


MOST_PAGES = 10_000
"""Of one file."""


class UnusableImage(Exception):
    """Why an image cannot be used."""


FULL_RANGE = (0, 65_535)
"""Of 16-bit grey."""


def convert(path: Path, size: int, grey: tuple[int, int] = FULL_RANGE, page: int = 0) -> NDArray[np.uint8]:
    """Read an image of any size and mode: its middle square, scaled, transparent parts on white ground.

    Args:
        path: the file.
        size: side of the result [pixels].
        grey: the values of 16-bit grey that become 0 and 255.
        page: which page or frame, counted from 1; 0: the only one.

    Returns:
        RGB pixels, shape (size, size, 3).

    Raises:
        UnusableImage: it is damaged, too large, has several pages, or is of a mode whose range of values is unknown.
    """
    from PIL import Image

    with _opened(path, page) as image:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        square = _rgb(image.crop((left, top, left + side, top + side)), grey)
        if square.size != (size, size):
            square = square.resize((size, size), Image.Resampling.LANCZOS)
        return np.asarray(square)


def count_pages(path: Path) -> int:
    """How many pages or frames a file has; UnusableImage if it is damaged or has too many."""
    with _opened(path, 1) as image:
        pages = 1
        while image.format != "MPO" and _has_page(image, pages + 1):
            pages += 1
            if pages > MOST_PAGES:
                raise UnusableImage(f"has more than {MOST_PAGES:,} pages or frames")
    return pages


def grey_range(path: Path, page: int = 0) -> tuple[int, int] | None:
    """The smallest and the largest value of a picture of 16-bit grey; None if it is of another mode, or unusable."""
    try:
        with _opened(path, page) as image:
            if not image.mode.startswith("I"):
                return None
            values = np.asarray(image)
            return int(values.min()), int(values.max())
    except UnusableImage:
        return None


def kind_of(path: Path, page: int = 0) -> str | None:
    """Format, mode and size of a picture, by its header; None if it is unusable."""
    try:
        with _opened(path, page) as image:
            return f"{image.format}, mode {image.mode}, {image.width} x {image.height} pixels"
    except UnusableImage:
        return None


@contextlib.contextmanager
def _opened(path: Path, page: int) -> Iterator[Any]:
    """A page whose header was checked, not yet decoded; whatever goes wrong with it becomes UnusableImage."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=list(FORMATS)) as image:
            if page > 1:
                image.seek(page - 1)
            # Before decoding: the header alone is read until here.
            if image.width * image.height > MOST_PIXELS:
                raise UnusableImage(
                    f"claims {image.width} x {image.height} pixels, and at most {MOST_PIXELS:,} are allowed"
                )
            if page == 0 and image.format != "MPO" and _has_page(image, 2):
                raise UnusableImage(
                    "has several pages or frames: save each as a file of its own, or pass number=page if each is of another simulation"
                )
            yield image
    except UnidentifiedImageError as error:
        raise UnusableImage(f"is not an image of a known format ({listed(FORMATS)})") from error
    except UnusableImage:
        raise
    except Exception as error:  # whatever Pillow stumbles over in damaged bytes
        raise UnusableImage(
            f"is damaged ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
        ) from error


def _has_page(image: Any, page: int) -> bool:
    """Whether there is this page or frame, counted from 1."""
    try:
        image.seek(page - 1)
    except EOFError:
        return False
    return True


def _rgb(image: Any, grey: tuple[int, int]) -> Any:
    """An image of any mode as RGB on white ground."""
    from PIL import Image

    if image.mode == "F":
        raise UnusableImage("has floating-point pixels, whose range is unknown")
    if image.mode.startswith("I"):
        # 16-bit grey: Pillow itself would cut it off at 255.
        values = np.asarray(image, dtype=np.int64)
        if values.min() < 0 or values.max() > 65_535:
            raise UnusableImage("has pixels of more than 16 bits, whose range is unknown")
        low, high = grey
        image = Image.fromarray((np.clip(values - low, 0, high - low) * 255 // max(high - low, 1)).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        ground = Image.new("RGBA", image.size, (*GROUND, 255))
        return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")
