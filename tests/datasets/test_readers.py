"""Datasets in the libraries that people use: torchvision's ImageFolder, and Hugging Face's imagefolder."""

import numpy as np
import pytest
from PIL import Image

from glassliquid.datasets.description import CLASSES
from glassliquid.ensembles.split import Split
from glassliquid.inputs.images.decoded import load_split


def test_hugging_face_reads_splits_labels_and_pixels(dataset, tmp_path, monkeypatch):
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    import datasets

    datasets.disable_progress_bars()
    read = datasets.load_dataset("imagefolder", data_dir=str(dataset.folder), cache_dir=str(tmp_path / "cache"))
    assert set(read) == {split.value for split in Split}
    for split in Split:
        rows = read[split.value]
        ours = load_split(dataset, split)
        # It sorts in its own way and, as the table lies above the splits' folders, gives images and labels only.
        expected = sorted(
            (CLASSES[label].value, image.tobytes()) for image, label in zip(ours.values, ours.labels, strict=True)
        )
        names = rows.features["label"].int2str
        assert sorted((names(row["label"]), np.asarray(row["image"]).tobytes()) for row in rows) == expected


@pytest.fixture
def image_folder():
    """torchvision's ImageFolder.

    Its compiled operators fit the CUDA build of torch alone. Reading images needs none of them, but importing the package needs
    the names of two, which are declared where the library with them could not be loaded.
    """
    import torch

    declared = torch.library.Library("torchvision", "FRAGMENT")
    if torch.version.cuda is None:
        for name in ("nms", "qnms"):
            declared.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from torchvision.datasets import ImageFolder

    yield ImageFolder
    del declared


def test_torchvision_reads_classes_and_pixels(dataset, image_folder):
    for split in Split:
        read = image_folder(str(dataset.folder / split))
        assert read.classes == [label.value for label in CLASSES]
        ours = load_split(dataset, split)
        assert [label for _, label in read] == ours.labels.tolist()
        for (image, _), pixels in zip(read, ours.values, strict=True):
            assert np.array_equal(np.asarray(image), pixels)


def test_the_folders_alone_tell_the_classes(dataset):
    """What ImageFolder relies on: a folder a class, alphabetical, with nothing but that class's images in it."""
    for split in Split:
        folders = sorted(path.name for path in (dataset.folder / split).iterdir())
        assert folders == [label.value for label in CLASSES]
        for place, name in enumerate(folders):
            files = sorted((dataset.folder / split / name).iterdir())
            ours = load_split(dataset, split)
            of_class = ours.values[ours.labels == place]
            assert len(files) == len(of_class)
            for file, pixels in zip(files, of_class, strict=True):
                assert np.array_equal(np.asarray(Image.open(file)), pixels)
