"""Particles: the species of each and the distances to its nearest neighbours in the periodic box.

Nothing else of the positions is kept, so whatever reads it is invariant under rotation, reflection and shift without augmentation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glassliquid.datasets.cache import cached_array
from glassliquid.datasets.configurations import (
    COLUMNS,
    as_array,
    load_configurations,
    sources_of,
    unreadable_particles,
)
from glassliquid.datasets.description import Dataset, Recipe
from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError
from glassliquid.files import whole_number
from glassliquid.inputs import INPUTS, Input, Samples, samples_of
from glassliquid.inputs.images import resident
from glassliquid.physics.potential import box_length
from glassliquid.progress_bar import watched
from glassliquid.trajectories.trajectory import Configuration, particle_types

NEIGHBOURS = 24
"""Of each particle: at density 1.2 all within 2 sigma_AA, where there are 15 on average; the smallest systems have 32 particles."""

FARTHEST = 2.0
"""The largest cutoff of a network [sigma_AA]: where no two particles are so near, none of them has a neighbour."""
NO_NEIGHBOURS = f"no particle has a neighbour within {FARTHEST:g} sigma_AA: pass positions and the side of the box in units of sigma_AA"


class Graphs(NamedTuple):
    """A batch of systems of N particles with K neighbours each."""

    types: Tensor
    """0 for A, 1 for B, int64, shape (n, N)."""
    neighbours: Tensor
    """Places of the neighbours among the particles, the nearest first, int64, shape (n, N, K)."""
    distances: Tensor
    """To these neighbours [sigma_AA], float32, shape (n, N, K)."""


@INPUTS.register("particles")
@dataclass(frozen=True)
class Particles(Input):
    """Systems of any number of particles, whose `values` have for each particle its species, K neighbours and K distances."""

    name: ClassVar[str] = "particles"
    summary: ClassVar[str] = (
        "float32 configurations of N particles: x, y, species (0 for A, 1 for B) and side of the box"
    )
    free_axes: ClassVar[tuple[int, ...]] = (0, 1)

    neighbours: int = NEIGHBOURS
    """K."""

    @classmethod
    def of_recipe(cls, recipe: Recipe) -> Self:
        """As many neighbours as there are today."""
        if reason := unreadable_particles(recipe):
            raise UserError(f"There are no particles of this dataset: {reason}, or choose a network that reads images.")
        return cls()

    @classmethod
    def of_description(cls, data: Mapping[str, Any]) -> Self:
        """As many neighbours as the network was built for."""
        return cls(whole_number(data["neighbours"], 1, NEIGHBOURS))

    def description(self) -> dict[str, Any]:
        """The number of neighbours."""
        return {"neighbours": self.neighbours}

    def mismatch(self, recipe: Recipe) -> str | None:
        """Images without particles, or of a part of them."""
        lack = unreadable_particles(recipe)
        return lack and f"it reads particles, but {lack}"

    def load(self, dataset: Dataset, split: Split, device: torch.device) -> Samples:
        """The neighbours of all particles: on a GPU if they fit there, else a memory map of a cache beside the dataset."""
        configurations = load_configurations(dataset)
        files = sources_of(dataset)

        def fill(array: NDArray[np.float32]) -> None:
            found = watched(configurations, len(configurations), "Finding neighbours", "configurations")
            for place, configuration in enumerate(found):
                array[place] = self.of_configuration(configuration)

        values = cached_array(
            dataset,
            f"neighbours-{self.neighbours}",
            (*configurations.shape[:2], 1 + 2 * self.neighbours),
            np.float32,
            fill,
            files.names,
            files.refuse,
        )
        found = samples_of(dataset, split, values)
        return Samples(resident(torch.from_numpy(found.values), device), found.labels, found.simulations)

    def sample_of(self, found: Configuration, recipe: Recipe) -> NDArray[np.float32]:  # noqa: ARG002
        """The neighbours in a snapshot or an inherent structure, shape (N, 1 + 2 K)."""
        return self.of_configuration(as_array(found))

    def stacked(self, samples: Sequence[NDArray[np.float32]]) -> Tensor:
        """One array of them."""
        return torch.from_numpy(np.stack(samples))

    def batch(self, values: Tensor, chosen: Tensor | slice, device: torch.device) -> Graphs:
        """The chosen systems."""
        found = values[chosen.to(values.device) if isinstance(chosen, Tensor) else chosen].to(device)
        types, neighbours, distances = found.split([1, self.neighbours, self.neighbours], dim=2)
        return Graphs(types.squeeze(2).long(), neighbours.long(), distances)

    def augmented(self, values: Tensor, chosen: Tensor, generator: torch.Generator, device: torch.device) -> Graphs:  # noqa: ARG002 - invariant
        """The same: symmetries change no distance."""
        return self.batch(values, chosen, device)

    def example(self) -> NDArray[np.float32]:
        """Two square lattices of 36 particles."""
        side, types = box_length(36), particle_types(36)
        places = np.stack(np.meshgrid(range(6), range(6)), axis=-1).reshape(-1, 2) * side / 6 - side / 2
        one = np.column_stack([places, types, np.full(36, side)]).astype(np.float32)
        return np.stack([one, one])

    def served(self, samples: Tensor) -> Graphs:
        """The neighbours out of all distances; these take memory as N^2.

        Args:
            samples: configurations as datasets/configurations.py describes them, shape (n, N, 4), N above the number of neighbours.

        Raises:
            RuntimeError: a number is none of a configuration, or no particle has a neighbour; an exported model says so too.
        """
        _check(samples)
        positions, side = samples[:, :, :2], samples[:, :1, 3:, None]
        apart = positions[:, :, None] - positions[:, None]
        apart = apart - side * torch.round(apart / side)
        itself = torch.eye(samples.shape[1], dtype=torch.bool, device=samples.device)
        squares = apart.square().sum(dim=3).masked_fill(itself, torch.inf)
        nearest = squares.topk(self.neighbours, dim=2, largest=False)
        has_neighbours = (nearest.values[:, :, 0].amin(dim=1) < FARTHEST**2).all()
        torch._assert_async(has_neighbours, f"In a configuration {NO_NEIGHBOURS}.")
        return Graphs(samples[:, :, 2].long(), nearest.indices, nearest.values.sqrt())

    def of_configuration(self, configuration: NDArray[np.float32]) -> NDArray[np.float32]:
        """What `values` have of a configuration of shape (N, 4): shape (N, 1 + 2 K); UserError if no particle has a neighbour."""
        from scipy.spatial import cKDTree

        assert configuration.shape[1] == COLUMNS
        side = float(configuration[0, 3])
        places = np.mod(configuration[:, :2].astype(np.float64), side)
        places[places >= side] = 0  # the remainder of a tiny negative number is rounded up to the side itself
        # The nearest of all is the particle itself.
        distances, neighbours = cKDTree(places, boxsize=side).query(places, k=self.neighbours + 1)
        if distances[:, 1].min() >= FARTHEST:
            raise UserError(f"A configuration cannot be read as a graph, because {NO_NEIGHBOURS}.")
        return np.column_stack([configuration[:, 2], neighbours[:, 1:], distances[:, 1:]]).astype(np.float32)


def _check(samples: Tensor) -> None:
    """Refuse what a served model is passed that is no configuration, in operations that PyTorch exports."""
    species, side = samples[:, :, 2], samples[:, :, 3]
    torch._assert_async(samples.isfinite().all(), "A number in a configuration is not finite: pass finite numbers.")
    known = ((species == 0) | (species == 1)).all()
    torch._assert_async(known, "A species in a configuration is unknown: pass 0 for A and 1 for B.")
    square = ((side > 0) & (side == side[:, :1])).all()
    torch._assert_async(square, "The side of a box is not positive, or not the same for all particles: pass one side.")
