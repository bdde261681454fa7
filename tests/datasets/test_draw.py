"""Drawing, checked pixel by pixel on configurations made by hand.

The box is 8 wide and the image 128 pixels: 16 pixels to the unit, a power of two, so that shifts and mirror images of
positions on a grid are exact in floating point and images can be compared bit for bit.
"""

import colorsys
import math
import tracemalloc

import numpy as np
import pytest

from glassliquid.datasets.draw import DrawConfig, draw
from glassliquid.errors import UserError
from tests.datasets.plain_drawing import draw_plainly

A, B = 0, 1
LENGTH = 8.0
SIZE = 128
WHITE = (255, 255, 255)
RADIUS = {A: 0.5 * 16, B: 0.44 * 16}
"""Half of sigma AA and BB, in pixels."""


def picture(positions, types, length=LENGTH, **config):
    return draw(np.asarray(positions, dtype=float), np.asarray(types), length, DrawConfig(**config))


def on_a_grid(seed=0, particles=70):
    """Random positions on a grid of a quarter of a pixel: both species, overlaps, some discs over the edges."""
    generator = np.random.default_rng(seed)
    return generator.integers(-256, 256, (particles, 2)) / 64, generator.integers(0, 2, particles)


def hue(pixel):
    """Degrees: red 0, yellow 60, blue 240."""
    return 360 * colorsys.rgb_to_hsv(*(pixel / 255))[0]


def is_orange(pixel):
    return 20 < hue(pixel) < 40 and pixel.min() < 60


def is_blue(pixel):
    return 200 < hue(pixel) < 250 and pixel.min() < 60


def test_ground_is_white_a_orange_b_blue():
    image = picture([[-2, 1], [2, 1]], [A, B])
    assert image.shape == (SIZE, SIZE, 3)
    assert image.dtype == np.uint8
    # y = 1 is a quarter of the box above the middle, and rows count from the top: row 48.
    assert is_orange(image[48, 32])
    assert is_blue(image[48, 96])
    assert tuple(image[80, 32]) == tuple(image[80, 96]) == tuple(image[48, 64]) == WHITE


def test_no_particles_leave_a_white_image():
    image = picture(np.empty((0, 2)), np.empty(0, dtype=int))
    assert np.all(image == 255)


@pytest.mark.parametrize("species", [A, B])
def test_covered_area_is_that_of_the_disc(species):
    """Averaged over positions of the centre within a pixel."""
    radius = RADIUS[species]
    areas = []
    for x in range(4):
        for y in range(4):
            image = picture([[x / 64, y / 64]], [species]).astype(float)
            channel = image.min(axis=(0, 1)).argmin()  # the one with most contrast
            areas.append(((255 - image[..., channel]) / (255 - image[..., channel].min())).sum())
    # A linear edge of one pixel, as DrawConfig's coverage has, encloses pi (R^2 + 1/12). Rounding to 8 bits adds less
    # than 1/500 for each of the 2 pi R pixels of the edge, and a single position samples the edge with noise.
    exact = math.pi * radius**2
    assert np.mean(areas) == pytest.approx(exact + math.pi / 12, rel=0.002)
    assert np.abs(np.array(areas) / exact - 1).max() < 0.01


def test_a_disc_over_an_edge_reappears_on_the_other_side():
    middle = picture([[0, 0]], [A])
    right = picture([[LENGTH / 2 - 4 / 16, 0]], [A])  # centre 4 pixels inside the edge, radius 8
    assert is_orange(right[64, SIZE - 1])
    assert is_orange(right[64, 1])
    assert tuple(right[64, 6]) == WHITE
    assert np.array_equal(right, np.roll(middle, SIZE // 2 - 4, axis=1))
    bottom = picture([[0, -LENGTH / 2 + 2 / 16]], [A])
    assert is_orange(bottom[0, 64])
    assert np.array_equal(bottom, np.roll(middle, SIZE // 2 - 2, axis=0))


@pytest.mark.parametrize("corner", [(-1, -1), (-1, 1), (1, -1), (1, 1)])
@pytest.mark.parametrize("species", [A, B])
def test_a_particle_on_a_corner_is_in_all_four(corner, species):
    image = picture([np.array(corner) * LENGTH / 2], [species])
    right_colour = is_orange if species == A else is_blue
    assert all(right_colour(image[row, column]) for row in (0, -1) for column in (0, -1))
    assert tuple(image[64, 64]) == WHITE
    assert np.array_equal(image, np.roll(picture([[0, 0]], [species]), (SIZE // 2, SIZE // 2), axis=(0, 1)))


@pytest.mark.parametrize("image_size", [16, 61, 128])
@pytest.mark.parametrize("window", [1.0, 0.7, 0.05])
def test_a_plain_drawing_gives_the_same_image(image_size, window):
    """Written independently, one disc at a time over the whole image."""
    generator = np.random.default_rng(3)
    length = 7.3
    positions, types = generator.uniform(-length / 2, length / 2, (40, 2)), generator.integers(0, 2, 40)
    image = picture(positions, types, length, image_size=image_size, window=window)
    expected = draw_plainly(positions, types, length, image_size, window)
    # Ours computes in single precision: a value may be rounded to the neighbouring one of 256.
    assert np.abs(image.astype(int) - expected.astype(int)).max() <= 1
    assert np.mean(image != expected) < 0.01


def test_the_largest_image_of_the_smallest_window_stays_within_300_mib():
    """Discs four times as wide as the image: 32 MiB an array of its pixels, of which a handful live at a time."""
    tracemalloc.start()
    try:
        picture([[0, 0], [0.3, 0.1]], [A, B], 5.2, image_size=2048, window=0.05)
        assert tracemalloc.get_traced_memory()[1] < 300 * 2**20
    finally:
        tracemalloc.stop()


def test_same_configuration_same_bytes_in_any_order():
    generator = np.random.default_rng(4)
    positions, types = generator.uniform(-4, 4, (100, 2)), generator.integers(0, 2, 100)
    first = picture(positions, types)
    assert picture(positions, types).tobytes() == first.tobytes()
    order = generator.permutation(100)
    assert picture(positions[order], types[order]).tobytes() == first.tobytes()


def test_drawing_changes_nothing_that_it_is_given():
    positions, types = on_a_grid()
    kept = positions.copy(), types.copy()
    picture(positions, types, window=0.5)
    picture(positions, types)
    assert np.array_equal(positions, kept[0])
    assert np.array_equal(types, kept[1])


@pytest.mark.parametrize(
    ("move", "expected"),
    [
        (lambda x, y: (-x, y), lambda image: image[:, ::-1]),
        (lambda x, y: (x, -y), lambda image: image[::-1]),
        (lambda x, y: (-y, x), np.rot90),  # a quarter turn to the left
        (lambda x, y: (-x, -y), lambda image: np.rot90(image, 2)),
        (lambda x, y: (y, x), lambda image: np.rot90(image, 2).swapaxes(0, 1)),
    ],
    ids=["mirrored in x", "mirrored in y", "turned left", "turned round", "mirrored in the diagonal"],
)
@pytest.mark.parametrize("window", [1.0, 0.5])
def test_symmetries_of_the_configuration_are_those_of_the_image(move, expected, window):
    positions, types = on_a_grid()
    moved = np.column_stack(move(*positions.T))
    original = picture(positions, types, window=window)
    assert np.array_equal(picture(moved, types, window=window), expected(original))


@pytest.mark.parametrize(("right", "up"), [(1, 0), (0, 1), (5, -37), (64, 64), (-127, 3)])
def test_a_shift_by_whole_pixels_rolls_the_image(right, up):
    positions, types = on_a_grid(1)
    shifted = positions + np.array([right, up]) / 16
    assert np.array_equal(picture(shifted, types), np.roll(picture(positions, types), (-up, right), axis=(0, 1)))


def test_periodic_images_of_a_particle_are_the_same_particle():
    positions, types = on_a_grid(2)
    elsewhere = positions + LENGTH * np.random.default_rng(0).integers(-2, 3, positions.shape)
    assert np.array_equal(picture(elsewhere, types), picture(positions, types))


def test_a_window_shows_the_middle_of_the_box():
    """At the same scale it is cut out of the whole image, discs over its edge included."""
    positions, types = on_a_grid(3)
    whole = picture(positions, types, image_size=SIZE)
    assert np.array_equal(picture(positions, types, image_size=64, window=0.5), whole[32:96, 32:96])


def test_a_larger_image_shows_the_same():
    positions, types = on_a_grid(4)
    small = picture(positions, types, image_size=64).astype(float)
    large = picture(positions, types, image_size=256).astype(float)
    averaged = large.reshape(64, 4, 64, 4, 3).mean(axis=(1, 3))
    # They differ at the edges only, where the coverage is approximate; the mean over the image hardly.
    assert np.abs(averaged - small).mean() < 4
    assert averaged.mean() == pytest.approx(small.mean(), abs=1)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"image_size": 0}, "image_size is 0, but images must be 16 to 2048 pixels wide"),
        ({"image_size": 15}, "image_size is 15, but images must be 16 to 2048"),
        ({"image_size": -128}, "image_size is -128, but images must be 16 to 2048"),
        ({"image_size": 100_000}, "image_size is 100000, but images must be 16 to 2048"),
        ({"window": 0.0}, r"window is 0\.0, .* between 0\.05 and 1"),
        ({"window": 1.01}, r"window is 1\.01, .* between 0\.05 and 1"),
        ({"window": -1.0}, r"window is -1\.0, .* between 0\.05 and 1"),
        ({"window": math.nan}, r"window is nan, .* between 0\.05 and 1"),
    ],
)
def test_impossible_sizes_are_refused(config, message):
    with pytest.raises(UserError, match=message):
        DrawConfig(**config)
