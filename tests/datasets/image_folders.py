"""Importing folders of images, for the tests."""

import numpy as np
from PIL import Image

from glassliquid.datasets.description import Recipe
from glassliquid.datasets.image_names import find_images
from glassliquid.datasets.images import import_images, listing_digest
from tests.conftest import ignore_progress

ORANGE = (255, 127, 14)


def recipe_of(source, size=32, seed=1):
    images, _ = find_images(source)
    return Recipe(
        source="images", ensemble="theirs", ensemble_digest=listing_digest(images, source, seed), liquid=5, glass=200,
        image_size=size, window=1.0, inherent=False,
    )  # fmt: skip


def take(source, target, pool, skip=False, seed=1, size=32):
    return import_images(target, source, recipe_of(source, size, seed), seed, skip, pool, ignore_progress)


def grey(value, size=32):
    return Image.fromarray(np.full((size, size, 3), value, dtype=np.uint8))
