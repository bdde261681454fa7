"""What physicists compute of a configuration (physics/structure.py), cached beside the dataset.

A served model takes these numbers, not configurations: neighbours and Voronoi cells are found by a library that PyTorch cannot
export. `glassliquid.physics.structure.features` computes them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glassliquid.datasets.cache import cached_array
from glassliquid.datasets.configurations import sources_of, unreadable_particles
from glassliquid.datasets.description import Dataset, Recipe
from glassliquid.datasets.features import features_of, features_of_all
from glassliquid.datasets.snapshots import read_snapshots
from glassliquid.ensembles.ensemble import Ensemble, Simulation
from glassliquid.ensembles.split import Split
from glassliquid.ensembles.workers import WorkerPool
from glassliquid.errors import UserError
from glassliquid.inputs import INPUTS, Input, Samples, samples_of
from glassliquid.physics.structure import FEATURES, VERSION
from glassliquid.progress_bar import watched
from glassliquid.trajectories.trajectory import Configuration


@INPUTS.register("descriptors")
@dataclass(frozen=True)
class Descriptors(Input):
    """float32 features of one configuration each, shape (n, features)."""

    name: ClassVar[str] = "descriptors"

    @classmethod
    def of_recipe(cls, recipe: Recipe) -> Self:
        """The list of features of today."""
        if reason := unreadable_particles(recipe):
            raise UserError(
                f"There are no descriptors of this dataset: {reason}, or choose a network that reads images."
            )
        return cls()

    @classmethod
    def of_description(cls, data: Mapping[str, Any]) -> Self:
        """The list of features of today; no other can be computed."""
        if (version := data["features"]) != VERSION:
            raise ValueError(
                f"it reads list {str(version)[:40]} of the features, but this program computes list {VERSION}"
            )
        return cls()

    def description(self) -> dict[str, Any]:
        """The version of the list of features."""
        return {"features": VERSION}

    def mismatch(self, recipe: Recipe) -> str | None:
        """There are no particles, or those of more than the images show."""
        return unreadable_particles(recipe)

    def load(self, dataset: Dataset, split: Split, device: torch.device) -> Samples:
        """The features of the split's rows, computed once for the whole dataset."""
        files = sources_of(dataset)

        def fill(array: NDArray[np.float32]) -> None:
            rows = watched(files.read(dataset), len(dataset.records), "Computing descriptors", "configurations")
            for place, snapshot in enumerate(rows):
                array[place] = self.sample_of(snapshot, dataset.recipe)

        shape = (len(dataset.records), len(FEATURES))
        found = cached_array(dataset, f"structure{VERSION}", shape, np.float32, fill, files.names, files.refuse)
        return samples_of(dataset, split, torch.from_numpy(found).to(device))

    def from_snapshots(
        self,
        ensemble: Ensemble,
        simulations: Iterable[Simulation],
        snapshots: Sequence[int],
        recipe: Recipe,
        pool: WorkerPool | None = None,
    ) -> Iterator[Any]:
        """The features of snapshots, computed in the pool."""
        if pool is None:
            return super().from_snapshots(ensemble, simulations, snapshots, recipe)
        return features_of_all(read_snapshots(ensemble, simulations, snapshots, recipe), pool)

    def sample_of(self, found: Configuration, recipe: Recipe) -> NDArray[np.float32]:  # noqa: ARG002
        """The features."""
        return features_of(found)

    def stacked(self, samples: Sequence[NDArray[np.float32]]) -> Tensor:
        """One array of the features."""
        return torch.from_numpy(np.stack(samples))

    def batch(self, values: Tensor, chosen: Tensor | slice, device: torch.device) -> Tensor:
        """Features, shape (n, features)."""
        return values[chosen.to(values.device) if isinstance(chosen, Tensor) else chosen].to(device)

    def augmented(self, values: Tensor, chosen: Tensor, generator: torch.Generator, device: torch.device) -> Tensor:  # noqa: ARG002
        """The same: no symmetry of the box changes a feature."""
        return self.batch(values, chosen, device)

    def example(self) -> NDArray[np.float32]:
        """Two samples of zeros."""
        return np.zeros((2, len(FEATURES)), dtype=np.float32)

    def served(self, samples: Tensor) -> Tensor:
        """The features as they are."""
        return samples

    @property
    def summary(self) -> str:
        """Type, number and list."""
        return f"float32, the {len(FEATURES)} features of glassliquid.physics.structure (list {VERSION})"
