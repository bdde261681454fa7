"""make_data's other sources: somebody's trajectories, and somebody's images."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glassliquid.datasets.description import Dataset, Recipe
from glassliquid.datasets.images import find_images, import_images, listing_digest
from glassliquid.ensembles.ensemble import Ensemble, check_seed, open_ensemble
from glassliquid.ensembles.importing import ImportPlan, import_ensemble, plan_import
from glassliquid.ensembles.workers import WorkerPool
from glassliquid.errors import UserError, listed, one_line
from glassliquid.layout import Layout
from glassliquid.physics.protocol import check_snapshot
from glassliquid.progress_bar import progress_bar

SIMULATED, IMPORTED, IMAGES = "simulate", "trajectories", "images"
SOURCES = (SIMULATED, IMPORTED, IMAGES)

_UNUSED = {
    SIMULATED: ("input", "skip_unreadable", "first_step"),
    IMPORTED: ("engine", "particles", "simulations", "skip_unreadable"),
    IMAGES: ("engine", "particles", "simulations", "cooling_steps", "snapshots", "inherent", "first_step"),
}
"""Parameters that have no meaning with a source: the files themselves tell, or there is nothing to tell."""


def check_parameters(source: str, given: Mapping[str, Any]) -> None:
    """Raise UserError if a parameter is given that the source has no use for, or its input is missing."""
    for name in _UNUSED[source]:
        value = given[name]
        if value not in (None, False, 0):
            told = "the files tell it" if source == IMPORTED else f"source={source} has no use for it"
            raise UserError(f"{name} is {value}, but {told}: leave {name} out.")
    if source == IMAGES:
        check_seed(given["seed"])
        for what in ("liquid", "glass"):
            check_snapshot(what, given[what])
        if given["input"] is None:
            raise UserError("source is images, and input is none: pass the folder of the images as input.")


def plan_trajectories(layout: Layout, ensemble: str | None, plan: ImportPlan | None) -> Ensemble:
    """The ensemble that a folder of trajectories gives; without a plan, one that was imported before.

    Args:
        layout: where ensembles are.
        ensemble: its name; None is that of the folder of trajectories.
        plan: what is imported.

    Raises:
        UserError: the files are no ensemble's, or nothing tells which ensemble is meant.
    """
    if plan is not None:
        return plan_import(layout.ensemble(ensemble or plan.input.name), plan)
    if ensemble is None:
        raise UserError(
            "source is trajectories, and input is none: pass the folder of the trajectories as input, or the name of an "
            "ensemble that was imported before as ensemble."
        )
    return _imported_before(layout.ensemble(ensemble))


def take_trajectories(planned: Ensemble, source: Path | None, pool: WorkerPool) -> Ensemble:
    """Import what is missing of the ensemble; without a source, nothing is."""
    if source is None:
        return planned
    with progress_bar(f"importing {planned.name}", "simulations") as report:
        return import_ensemble(planned, source, pool, report)


def images_origin(source: Path, ensemble: str | None, seed: int) -> tuple[str, str]:
    """The name that stands for the images' ensemble, and the fingerprint of the folder's content."""
    images, _ = find_images(source)
    # The folder's name may be anything, and stands in texts from now on.
    return ensemble or one_line(source.name)[:100], listing_digest(images, source, seed)


def take_images(
    folder: Path, source: Path, recipe: Recipe, seed: int, skip_unreadable: bool, pool: WorkerPool
) -> tuple[Dataset, int]:
    """Make the dataset of the images; print what could not be read, and return how many that are."""
    with progress_bar(f"converting {folder.name}", "batches of images") as report:
        dataset, left_out = import_images(folder, source, recipe, seed, skip_unreadable, pool, report)
    for each in left_out:
        print(f"Left out: {each.file} {each.reason}.")
    return dataset, len(left_out)


def _imported_before(folder: Path) -> Ensemble:
    ensemble = open_ensemble(folder)
    if ensemble.origin is None:
        raise UserError(f"The ensemble {ensemble.name!r} was simulated, not imported: leave source at simulate.")
    if missing := ensemble.missing():
        files = listed(simulation.file for simulation in missing[:3])
        raise UserError(f"{len(missing)} simulations of {folder} are missing ({files}): pass their folder as input.")
    return ensemble
