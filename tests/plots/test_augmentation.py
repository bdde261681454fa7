"""The panel shows what the training draws, and drawing it does not change the training."""

import numpy as np
import pytest
import torch

from glassliquid.inputs.images import Images
from glassliquid.plots.augmentation import augmentation_figure, augmented_versions


def versions_of(image: np.ndarray, reads: Images, seed: int = 3) -> np.ndarray:
    pictures = augmented_versions(reads, torch.from_numpy(image)[None], seed)
    assert pictures is not None
    return pictures


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (10, 10, 3), dtype=np.uint8)


def possible(image: np.ndarray, shifts: bool) -> set[bytes]:
    """Every turned, mirrored and (if asked) shifted version, by numpy."""
    versions = set()
    for turns in range(4):
        for mirrored in (False, True):
            turned = np.rot90(image[:, ::-1] if mirrored else image, turns)
            for down in range(10 if shifts else 1):
                for right in range(10 if shifts else 1):
                    versions.add(np.roll(turned, (down, right), axis=(0, 1)).tobytes())
    return versions


@pytest.mark.parametrize("periodic", [True, False])
def test_every_version_is_a_symmetry_of_the_stored_image(image: np.ndarray, periodic: bool):
    first, *versions = (version.tobytes() for version in versions_of(image, Images(10, periodic)))
    assert first == image.tobytes()
    assert len(versions) == 11
    assert set(versions) <= possible(image, periodic)
    assert len(set(versions)) > 4


def test_the_seed_decides(image: np.ndarray):
    versions = versions_of(image, Images(10))
    assert (versions_of(image, Images(10)) == versions).all()
    assert (versions_of(image, Images(10), seed=4) != versions).any()
    assert (versions_of(image, Images(10, thinning=2)) == versions[:, ::2, ::2]).all()


def test_the_figure_shows_the_stored_image_and_the_versions(image: np.ndarray):
    reads = Images(10, thinning=2)
    versions = versions_of(image, reads)
    (axes,) = augmentation_figure(versions, reads.augmentation).axes
    assert (np.stack([np.asarray(picture.get_array()) for picture in axes.images]) == versions).all()
    assert {axes.get_title(), *(text.get_text() for text in axes.figure.texts)} == {
        "",
        "Framed: as stored. Others: turned, mirrored and shifted periodically at random, one row and column in 2 kept",
    }
