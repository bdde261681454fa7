import torch

from glassliquid.training.batches import ShuffledBatches


def stream(seed: int = 0) -> ShuffledBatches:
    return ShuffledBatches(images=7, batch_size=3, generator=torch.Generator().manual_seed(seed))


def take(batches: ShuffledBatches, count: int) -> list[int]:
    return torch.cat([batches.next() for _ in range(count)]).tolist()


def test_each_epoch_uses_each_image_once_and_every_batch_is_full():
    drawn = take(stream(), 7)  # 21 images are three epochs
    assert [sorted(drawn[start : start + 7]) for start in (0, 7, 14)] == [list(range(7))] * 3


def test_epochs_are_shuffled_anew():
    drawn = take(stream(), 7)
    assert drawn[:7] != drawn[7:14] != drawn[14:]


def test_a_restored_stream_goes_on_in_the_middle_of_an_epoch():
    undisturbed = take(stream(), 9)
    first = stream()
    begun = take(first, 4)
    second = stream(seed=5)
    second.restore(first.state())
    assert begun + take(second, 5) == undisturbed
