"""The particles of a dataset's rows, read from the ensemble once into one float32 array that is cached beside the dataset.

A configuration is an array of shape (N, 4) with a row a particle: x and y [sigma_AA], species (0 for A, 1 for B), and the side L
of the periodic square box [sigma_AA], the same in all rows.
"""

import numpy as np
from numpy.typing import NDArray

from glassliquid.datasets.cache import Refuse, cached_array
from glassliquid.datasets.description import Dataset, Recipe
from glassliquid.datasets.particles import drawn_ensemble
from glassliquid.ensembles.ensemble import Ensemble
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
    return "images that were imported as such have no particles; make a dataset of simulations or trajectories"


def load_configurations(dataset: Dataset) -> NDArray[np.float32]:
    """The configurations of all of a dataset's rows in their order, shape (rows, N, 4); a memory map.

    Raises:
        UserError: the dataset has no particles, or its ensemble is gone, is another one by now, or lacks files.
    """
    ensemble, names = sources_of(dataset)
    shape = (len(dataset.records), ensemble.protocol.particles, COLUMNS)

    def fill(array: NDArray[np.float32]) -> None:
        rows = zip(dataset.records, names, strict=True)
        for place, (record, name) in enumerate(watched(rows, len(names), "Reading particles", "configurations")):
            (found,) = read_configurations(ensemble.folder / name, [record.snapshot], with_log=False)
            if len(found.types) != shape[1]:
                raise UserError(
                    f"{ensemble.folder / name} has {len(found.types)} particles, and the ensemble {ensemble.name!r} has "
                    f"{shape[1]}: delete the file and run make_data again."
                )
            array[place] = as_array(found)

    return cached_array(dataset, "particles", shape, np.float32, fill, (ensemble.folder, names), refusal(ensemble))


def sources_of(dataset: Dataset) -> tuple[Ensemble, list[str]]:
    """The ensemble of a dataset, and for each row the file of its particles, relative to the ensemble's folder.

    Raises:
        UserError: the dataset has no particles, or its ensemble is gone, or is another one by now.
    """
    recipe = dataset.recipe
    if reason := lacks_particles(recipe):
        raise UserError(f"No network of particles can be used on {dataset.name}: {reason}, or choose another network.")
    ensemble = drawn_ensemble(dataset, Layout(dataset.folder.parents[1]).ensemble(recipe.ensemble))
    last = len(ensemble.simulations)
    if strangers := [each.simulation for each in dataset.records if not 1 <= each.simulation <= last]:
        raise UserError(
            f"{dataset.name} has a row of the simulation {strangers[0]}, and {ensemble.folder} has 1 to {last}: remove the "
            "dataset's folder and make it again."
        )
    path_of = ensemble.inherent_path if recipe.inherent else ensemble.path
    paths = (path_of(ensemble.simulations[record.simulation - 1]) for record in dataset.records)
    return ensemble, [str(path.relative_to(ensemble.folder)) for path in paths]


def refusal(ensemble: Ensemble) -> Refuse:
    """What is said of a trajectory that is missing or no file."""
    return lambda name, reason: UserError(
        f"{ensemble.folder / name} cannot be used ({reason}): run make_data again, which simulates what an ensemble lacks."
    )
