"""The particles of a dataset's rows, read from the ensemble once into one float32 array that is cached beside the dataset.

A configuration is an array of shape (N, 4) with a row a particle: x and y [sigma_AA], species (0 for A, 1 for B), and the side L
of the periodic square box [sigma_AA], the same in all rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glassliquid.datasets.cache import cached_array
from glassliquid.datasets.description import Dataset, Recipe
from glassliquid.datasets.sides import open_sides
from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError
from glassliquid.layout import Layout
from glassliquid.progress_bar import watched
from glassliquid.trajectories.trajectory import Configuration, read_configurations

COLUMNS = 4
"""Numbers of a particle."""
SOURCE_OF_IMAGES = "images"
"""What a recipe names as its source if its images came without particles."""


def as_array(found: Configuration) -> NDArray[np.float32]:
    """A snapshot as an array of shape (N, 4)."""
    side = np.full(len(found.types), found.length)
    return np.column_stack([found.positions, found.types, side]).astype(np.float32)


def lacks_particles(recipe: Recipe) -> str | None:
    """Why a dataset that is made so has no particles, and what to do; None if it has them."""
    if recipe.source != SOURCE_OF_IMAGES:
        return None
    return "imported images have no particles; make a dataset from simulations or trajectories"


def unreadable_particles(recipe: Recipe) -> str | None:
    """Why a network cannot read the particles of a dataset that is made so, and what to do; None if it can."""
    if recipe.window < 1:
        return (
            f"its images show a window of {recipe.window} of the side of the box, but the particles are those "
            "of the whole box; make a dataset with window=1.0"
        )
    return lacks_particles(recipe)


def load_configurations(dataset: Dataset) -> NDArray[np.float32]:
    """The configurations of all of a dataset's rows in their order, shape (rows, N, 4); a memory map.

    Raises:
        UserError: the dataset has no particles, or its ensemble is gone, is another one by now, or lacks files.
    """
    files = sources_of(dataset)
    shape = (len(dataset.records), files.particles, COLUMNS)

    def fill(array: NDArray[np.float32]) -> None:
        rows = watched(files.read(dataset), len(dataset.records), "Reading particles", "configurations")
        for place, found in enumerate(rows):
            array[place] = as_array(found)

    return cached_array(dataset, "particles", shape, np.float32, fill, files.names, files.refuse)


def split_configurations(dataset: Dataset, split: Split) -> NDArray[np.float32]:
    """The configurations of a split's rows alone, shape (rows, N, 4), read from their files each time; errors as above."""
    return np.stack([as_array(found) for found in sources_of(dataset).read(dataset, split)])


@dataclass(frozen=True)
class ParticleFiles:
    """Where the particles of a dataset's rows are."""

    folder: Path
    """The folder of all ensembles."""
    rows: tuple[str, ...]
    """For each row its file, relative to the folder."""
    particles: int
    """N."""

    @property
    def names(self) -> tuple[Path, tuple[str, ...]]:
        """What a cache depends on."""
        return self.folder, self.rows

    def read(self, dataset: Dataset, split: Split | None = None) -> Iterator[Configuration]:
        """The configuration of each row, or of each in a split.

        Raises:
            UserError: a file is missing, damaged, or of another number of particles.
        """
        for record, name in zip(dataset.records, self.rows, strict=True):
            if split not in (None, record.split):
                continue
            (found,) = read_configurations(self.folder / name, [record.snapshot], with_log=False)
            if len(found.types) != self.particles:
                raise UserError(
                    f"{self.folder / name} has {len(found.types)} particles, but its ensemble has {self.particles}: delete the file and "
                    "run make_data again."
                )
            yield found

    def refuse(self, name: str, reason: str) -> UserError:
        """What is said of a trajectory that is missing or no file."""
        return UserError(
            f"{self.folder / name} cannot be used ({reason}): run make_data again, which simulates what an ensemble lacks."
        )


def sources_of(dataset: Dataset) -> ParticleFiles:
    """The files that hold the particles of a dataset's rows.

    Raises:
        UserError: the dataset has no particles, or an ensemble of it is gone, or is another one by now.
    """
    if reason := lacks_particles(dataset.recipe):
        raise UserError(
            f"No network that reads particles can be used on {dataset.name}: {reason}, or choose another network."
        )
    sides, folder = open_sides(dataset), Layout(dataset.folder.parents[1]).ensembles
    paths = [sides.path(each.label, sides.member(each), dataset.recipe.inherent) for each in dataset.records]
    names = tuple(str(path.relative_to(folder)) for path in paths)
    return ParticleFiles(folder, names, sides.liquid.protocol.particles)
