import tracemalloc

import numpy as np
import torch

from glassliquid.evaluation.predict import BATCH, predict_logits, predict_stream
from glassliquid.inputs.images import Images
from glassliquid.models.network import build_model

CPU = torch.device("cpu")


def network(size: int):
    return build_model("compact", Images(size), 0.5, torch.Generator().manual_seed(0)).eval()


def test_a_stream_of_images_gives_the_bits_of_the_array():
    images = np.random.default_rng(0).integers(0, 256, (BATCH + 3, 32, 32, 3), dtype=np.uint8)
    model = network(32)
    logits = predict_logits(model, torch.from_numpy(images), CPU)
    np.testing.assert_array_equal(predict_stream(model, iter(images), CPU), logits)
    np.testing.assert_array_equal(predict_logits(model, torch.from_numpy(images), CPU, np.arange(len(images))), logits)
    assert predict_stream(model, iter(()), CPU).shape == (0, 2)


def test_memory_is_bounded_by_the_batch():
    """Eight times the images, the same memory: what grows is two numbers an image."""
    model, image = network(64), np.zeros((64, 64, 3), dtype=np.uint8)

    def peak(images: int) -> int:
        tracemalloc.start()
        predict_stream(model, (image.copy() for _ in range(images)), CPU)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(BATCH)
    assert peak(8 * BATCH) - peak(BATCH) < 0.2 * BATCH * image.nbytes
