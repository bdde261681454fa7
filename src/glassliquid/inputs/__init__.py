"""What a network reads of a sample, behind one interface: each module here is one input, and a network names the one that it reads."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from glassliquid.errors import listed
from glassliquid.registry import Registry
from glassliquid.settings import stored

if TYPE_CHECKING:  # PyTorch takes seconds, and names are asked for before anything is read
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from glassliquid.datasets.description import Dataset, Recipe
    from glassliquid.ensembles.ensemble import Ensemble, Simulation
    from glassliquid.ensembles.split import Split
    from glassliquid.ensembles.workers import WorkerPool
    from glassliquid.trajectories.trajectory import Configuration

DEFAULT = "images"
"""What checkpoints read that do not say it: there was nothing else."""
FOLD = "fold"
"""In a checkpoint's `data`: number of the fold whose splits it was trained on, and how many there are."""


@dataclass(frozen=True)
class Samples:
    """The samples of one split."""

    values: Any
    """What the input keeps of them, with a length: of images, their pixels, shape (n, size, size, 3)."""
    labels: "NDArray[np.int64]"
    """Class indices (0 glass, 1 liquid), shape (n,)."""
    simulations: "NDArray[np.int64]"
    """Numbers of the simulations, shape (n,)."""

    def __len__(self) -> int:
        """How many samples there are."""
        return len(self.labels)


def samples_of(dataset: "Dataset", split: "Split", values: Any) -> Samples:
    """The samples of a split, out of the values of all of a dataset's rows."""
    import numpy as np

    from glassliquid.datasets.description import CLASSES

    places = dataset.places(split)
    chosen = [dataset.records[place] for place in places]
    # A range is a view of a memory map; the images of a fold lie apart, and are copied.
    selected = slice(places.start, places.stop) if isinstance(places, range) else np.array(places, dtype=np.int64)
    labels = np.array([CLASSES.index(record.label) for record in chosen], dtype=np.int64)
    simulations = np.array([record.simulation for record in chosen], dtype=np.int64)
    return Samples(values[selected], labels, simulations)


class Input(ABC):
    """One kind of what networks read, such as images of one size.

    A frozen dataclass: its fields say what a network must know to be built, and how it wants its batches. A network keeps the
    input as it reads it in `reads`; whoever runs the network asks that for batches. Nobody else knows what a sample is.
    """

    name: ClassVar[str]
    """Its name in INPUTS."""
    free_axes: ClassVar[tuple[int, ...]] = (0,)
    """Axes of `example` along which a served model takes any length."""

    @classmethod
    @abstractmethod
    def of_recipe(cls, recipe: "Recipe") -> Self:
        """What the samples of a dataset are; UserError if a dataset that is made so has none of this kind."""

    @classmethod
    @abstractmethod
    def of_description(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `description`, from a checkpoint's `data`; KeyError, TypeError or ValueError if it is none."""

    @abstractmethod
    def description(self) -> dict[str, Any]:
        """What checkpoints and the tags of a registered model record, as JSON values: what a network is built for."""

    @abstractmethod
    def mismatch(self, recipe: "Recipe") -> str | None:
        """Why a network that was built for these samples cannot read those of a dataset, and what to do; None if it can."""

    @abstractmethod
    def load(self, dataset: "Dataset", split: "Split", device: "torch.device") -> Samples:
        """The samples of a split, on the device if they fit there; UserError if files are missing or damaged."""

    @abstractmethod
    def sample_of(self, found: "Configuration", recipe: "Recipe") -> Any:
        """A configuration as one sample, such as the recipe of a dataset makes it."""

    def from_snapshots(
        self,
        ensemble: "Ensemble",
        simulations: "Iterable[Simulation]",
        snapshots: Sequence[int],
        recipe: "Recipe",
        pool: "WorkerPool | None" = None,  # noqa: ARG002 - for inputs that take long to make
    ) -> Iterator[Any]:
        """Samples made in memory, one at a time: all snapshots of the first simulation, then of the next.

        Args:
            ensemble: where the trajectories lie.
            simulations: members of it.
            snapshots: stored indices; for a recipe of inherent structures these must have been made.
            recipe: how the samples of a dataset are made.
            pool: where they may be made, if that takes long; None is here.
        """
        from glassliquid.datasets.snapshots import read_snapshots

        for found in read_snapshots(ensemble, simulations, snapshots, recipe):
            yield self.sample_of(found, recipe)

    @abstractmethod
    def stacked(self, samples: Sequence[Any]) -> Any:
        """Some samples of `sample_of` as `values` of `Samples`."""

    @abstractmethod
    def batch(self, values: Any, chosen: "torch.Tensor | slice", device: "torch.device") -> Any:
        """What the network's `forward` takes of the chosen samples, on the device.

        Args:
            values: those of `Samples`.
            chosen: places of the samples, int64 on the CPU, or a slice of them.
            device: where the network is.
        """

    @abstractmethod
    def augmented(
        self, values: Any, chosen: "torch.Tensor", generator: "torch.Generator", device: "torch.device"
    ) -> Any:
        """The same of samples under random symmetries, which come from the generator (on the device) alone."""

    @abstractmethod
    def example(self) -> "NDArray[Any]":
        """Two samples as whoever asks a served model passes them: type and shape (but for `free_axes`) are its signature."""

    @abstractmethod
    def served(self, samples: "torch.Tensor") -> Any:
        """The batch of what a served model is passed: part of the model, so written in operations that PyTorch exports."""

    @property
    @abstractmethod
    def summary(self) -> str:
        """What a served model takes, in words, such as `uint8 RGB images of 128 pixels`."""

    def pictures(self, batch: Any) -> "NDArray[np.uint8] | None":  # noqa: ARG002 - for inputs that can
        """A batch as RGB pictures, shape (n, side, side, 3), which show what augmentation does; None if there is no showing it."""
        return None

    @property
    def augmentation(self) -> str:
        """What `augmented` does, in words for a picture's caption."""
        return "augmented"

    def identity(self, dataset: "Dataset") -> dict[str, Any]:
        """What checkpoints record of the data that a network was trained on."""
        own = {"input": self.name, **self.description()}
        found = {"name": dataset.name, "digest": dataset.digest, **own, "recipe": stored(dataset.recipe)}
        return found if dataset.fold is None else {**found, FOLD: [dataset.fold.number, dataset.fold.of]}


INPUTS: Registry[type[Input]] = Registry("input", __name__)


def described_input(data: Mapping[str, Any]) -> Input:
    """The input that a checkpoint's `data` name; KeyError, TypeError or ValueError if they are damaged."""
    name = data.get("input", DEFAULT)
    if name not in INPUTS.names():
        raise ValueError(f"its input is {str(name)[:40]!r}, which is none of {listed(INPUTS)}")
    return INPUTS.get(name).of_description(data)
