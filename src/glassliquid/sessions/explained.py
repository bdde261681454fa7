"""What a network says of the test samples of a dataset: what the pictures of `visualize` are made of."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from glassliquid.datasets.configurations import lacks_particles, split_configurations
from glassliquid.datasets.description import CLASSES, Dataset, Label
from glassliquid.datasets.fields import load_fields
from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError
from glassliquid.evaluation.particle_values import particle_values
from glassliquid.evaluation.predict import predict_logits
from glassliquid.evaluation.scores import glass_probabilities
from glassliquid.files import replacing, write_text
from glassliquid.inputs import Samples
from glassliquid.inputs.images.decoded import load_split
from glassliquid.tracking.run import TrackedRun
from glassliquid.training.device import choose_device
from glassliquid.training.found_model import FoundModel

FIGURE_DPI = 110


@dataclass(frozen=True)
class Explained:
    """A network and the test samples of a dataset."""

    found: FoundModel
    dataset: Dataset
    test: Samples
    """As the network's input has loaded them."""
    pixels: NDArray[np.uint8]
    """The same samples' images, shape (n, size, size, 3)."""
    p_glass: NDArray[np.float64]
    """What the network says of them, shape (n,)."""
    chosen: list[int]
    """Places of the samples that are shown one by one, liquids first."""

    @property
    def caption(self) -> str:
        """Which network it is, and what it is shown."""
        return f"{self.found.label}, trained on {self.found.state.data['name']}, on {self.dataset.name} (test images)"

    def title(self, index: int, separator: str = ", ") -> str:
        """Which sample it is, and what the network says of it."""
        return (
            f"{CLASSES[self.test.labels[index]]}, simulation {self.test.simulations[index]}{separator}"
            f"P(glass) = {self.p_glass[index]:.3g}"
        )


@dataclass(frozen=True)
class ParticleNumbers:
    """What is known of each particle of the n test samples, of N particles each."""

    configurations: NDArray[np.float32]
    """x, y, species and side of the box, shape (n, N, 4)."""
    values: dict[str, NDArray[np.float64]]
    """What the network makes of them, by name, shape (n, N); empty if it has no number for a particle."""
    fields: NDArray[np.float32] | None
    """`physics.fields.FIELDS`, shape (n, N, fields); None if they cannot be computed."""


@dataclass(frozen=True)
class PictureFolder:
    """Keeps what is drawn in the run and in a folder."""

    tracked: TrackedRun
    folder: Path

    def figure(self, figure: Any, name: str, dpi: int = FIGURE_DPI) -> None:
        """Keep a figure."""
        with replacing(self.folder / name) as partial:
            figure.savefig(partial, format="png", dpi=dpi)
        self.tracked.file(self.folder / name)

    def text(self, text: str, name: str) -> None:
        """Keep a text."""
        write_text(self.folder / name, text)
        self.tracked.file(self.folder / name)


def explain_test_split(found: FoundModel, dataset: Dataset, count: int) -> Explained:
    """What the network says of the test split; `count` samples of each class are shown one by one.

    Raises:
        UserError: there are fewer, or files are missing or damaged.
    """
    images = load_split(dataset, Split.TEST)
    chosen = _first_of_each_class(images, count)
    test = found.model.reads.load(dataset, Split.TEST, torch.device("cpu"))
    device = choose_device("auto")
    logits = predict_logits(found.model.to(device), test.values, device)
    found.model.cpu()
    return Explained(found, dataset, test, images.values, glass_probabilities(logits), chosen)


def particle_numbers(explained: Explained) -> tuple[ParticleNumbers | None, str]:
    """What is known of each particle, and a sentence on what is not known and why; empty if nothing is missing."""
    dataset = explained.dataset
    if reason := lacks_particles(dataset.recipe):
        return None, f"There are no values for particles: {reason}."
    try:
        configurations = split_configurations(dataset, Split.TEST)
    except UserError as error:
        return None, f"There are no values for particles: {error}"
    values = particle_values(explained.found.model, explained.test, configurations, dataset.recipe)
    try:
        return ParticleNumbers(configurations, values, load_fields(dataset, Split.TEST)), ""
    except UserError as error:
        return ParticleNumbers(configurations, values, None), f"There are no physical fields: {error}"


def _first_of_each_class(test: Samples, count: int) -> list[int]:
    """The first so many test samples of each class, liquid first.

    Raises:
        UserError: there are not so many.
    """
    chosen: list[int] = []
    for label in (Label.LIQUID, Label.GLASS):
        places = np.flatnonzero(test.labels == CLASSES.index(label))[:count]
        if len(places) < count:
            raise UserError(f"samples is {count}, but the test split has {len(places)} {label} images: pass fewer.")
        chosen += [int(place) for place in places]
    return chosen
