"""The panel shows what the training draws, and drawing it does not change the training."""

import numpy as np
import pytest

from glassliquid.plots.augmentation import augmentation_figure, augmented_versions


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
    versions = [version.tobytes() for version in augmented_versions(image, periodic, seed=3)]
    assert len(versions) == 11
    assert set(versions) <= possible(image, periodic)
    assert len(set(versions)) > 4


def test_the_seed_decides(image: np.ndarray):
    versions = augmented_versions(image, True, seed=3)
    assert (augmented_versions(image, True, seed=3) == versions).all()
    assert (augmented_versions(image, True, seed=4) != versions).any()
    assert (augmented_versions(image, True, seed=3, thinning=2) == versions[:, ::2, ::2]).all()


def test_the_figure_shows_the_stored_image_and_the_versions(image: np.ndarray):
    (axes,) = augmentation_figure(image, True, seed=3, thinning=2).axes
    shown = np.stack([np.asarray(picture.get_array()) for picture in axes.images])
    assert (shown[0] == image[::2, ::2]).all()
    assert (shown[1:] == augmented_versions(image, True, seed=3, thinning=2)).all()
    assert {axes.get_title(), *(text.get_text() for text in axes.figure.texts)} == {
        "",
        "Framed: as stored. Others: turned, mirrored and shifted periodically at random, every 2. pixel kept",
    }
