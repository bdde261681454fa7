import numpy as np
import pytest
import torch

from glassliquid.inputs.images.augment import augment, by_index, by_rows

SIZE = 6


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int = 4, size: int = SIZE) -> torch.Tensor:
    return torch.randint(0, 256, (count, size, size, 3), dtype=torch.uint8, generator=generator())


def symmetries(image: np.ndarray) -> list[bytes]:
    """The image's 8 turned and mirrored versions, made with numpy's own functions."""
    return [np.rot90(mirrored, turns).tobytes() for mirrored in (image, image[:, ::-1]) for turns in range(4)]


def test_without_shifts_all_eight_symmetries_occur_equally_often_and_nothing_else():
    image = images(1)
    made = augment(image.expand(4000, -1, -1, -1), generator(), shifts=False)
    counts = np.array(
        [sum(version.tobytes() == known for version in made.numpy()) for known in symmetries(image[0].numpy())]
    )
    assert counts.sum() == 4000
    # Each count is binomial with mean 500 and deviation 21: five deviations.
    assert np.all(np.abs(counts - 500) < 105)


def test_with_shifts_every_result_is_a_turned_and_rolled_image():
    image = images(1)
    known = {
        version
        for down in range(SIZE)
        for right in range(SIZE)
        for version in symmetries(np.roll(image[0].numpy(), (down, right), axis=(0, 1)))
    }
    made = {
        version.tobytes() for version in augment(image.expand(20_000, -1, -1, -1), generator(), shifts=True).numpy()
    }
    assert made == known  # all 8 * 36 of them: the chance to miss one in 20,000 draws is below 1e-27
    assert len(known) == 8 * SIZE**2


def test_both_implementations_are_the_same():
    source, chosen = images(5, 7), torch.tensor([4, 0, 0, 2] * 16)
    codes = torch.arange(64) % 8
    offsets = torch.randint(0, 7, (64, 2), generator=generator())
    whole = by_rows(source, chosen, codes, offsets, 1)
    assert torch.equal(whole, by_index(source, chosen, codes, offsets, 1))
    for thinning in (2, 3):
        thinned = whole[:, ::thinning, ::thinning]
        assert torch.equal(by_rows(source, chosen, codes, offsets, thinning), thinned)
        assert torch.equal(by_index(source, chosen, codes, offsets, thinning), thinned)


def test_the_generator_decides():
    batch = images(32)
    first, again, other = (augment(batch, generator(seed), shifts=True) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_source_is_left_alone_and_the_result_is_a_copy():
    batch = images()
    before = batch.clone()
    augment(batch, generator(), shifts=True).zero_()
    assert torch.equal(batch, before)


@pytest.mark.parametrize("shifts", [True, False])
def test_images_are_chosen_by_their_places(shifts: bool):
    batch, chosen = images(), torch.tensor([3, 1])
    assert torch.equal(augment(batch, generator(), shifts, chosen), augment(batch[chosen], generator(), shifts))
