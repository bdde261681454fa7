"""make_data's other sources: somebody's trajectories, and somebody's images."""

from pathlib import Path
from typing import TYPE_CHECKING

from glassliquid.dataset.description import Dataset, Recipe
from glassliquid.dataset.images import find_images, import_images, listing_digest
from glassliquid.errors import UserError, listed, one_line
from glassliquid.simulation.ensemble import IMPORTED, SIMULATED, Ensemble, check_seed, open_ensemble
from glassliquid.simulation.importing import ImportPlan, import_ensemble, plan_import
from glassliquid.simulation.protocol import check_snapshot
from glassliquid.simulation.workers import WorkerPool
from glassliquid.workflows.layout import Layout
from glassliquid.workflows.progress_bar import progress_bar

if TYPE_CHECKING:
    from glassliquid.workflows.make_data import MakeDataConfig

IMAGES = "images"
SOURCES = (SIMULATED, IMPORTED, IMAGES)

_UNUSED = {
    SIMULATED: ("input", "skip_unreadable", "first_step"),
    IMPORTED: ("particles", "simulations", "skip_unreadable"),
    IMAGES: ("particles", "simulations", "cooling_steps", "snapshots", "inherent", "first_step"),
}
"""Parameters that have no meaning with a source: the files themselves tell, or there is nothing to tell."""


def check_parameters(config: "MakeDataConfig") -> None:
    """Raise UserError if a parameter is given that the source has no use for, or its input is missing."""
    for name in _UNUSED[config.source]:
        value = getattr(config, name)
        if value not in (None, False, 0):
            told = "the files tell it" if config.source == IMPORTED else f"source={config.source} has no use for it"
            raise UserError(f"{name} is {value}, but {told}: leave {name} out.")
    if config.source == IMAGES:
        check_seed(config.seed)
        for what, snapshot in (("liquid", config.liquid), ("glass", config.glass)):
            check_snapshot(what, snapshot)
    if config.source == IMAGES and config.input is None:
        raise UserError("source is images, and input is none: pass the folder of the images as input.")


def plan_trajectories(config: "MakeDataConfig") -> Ensemble:
    """The ensemble that the folder of trajectories gives; without `input`, one that was imported before."""
    if config.input is None:
        if config.ensemble is None:
            raise UserError(
                "source is trajectories, and input is none: pass the folder of the trajectories as input, or the name of an "
                "ensemble that was imported before as ensemble."
            )
        return _imported_before(Layout(config.folder).ensemble(config.ensemble))
    plan = ImportPlan(
        input=config.input.absolute(),
        seed=config.seed,
        cooling_steps=config.cooling_steps,
        snapshots=config.snapshots,
        first_step=config.first_step,
    )
    return plan_import(Layout(config.folder).ensemble(config.ensemble or plan.input.name), plan)


def take_trajectories(config: "MakeDataConfig", planned: Ensemble, pool: WorkerPool) -> Ensemble:
    """Import what is missing of the ensemble."""
    if config.input is None:
        return planned
    with progress_bar(f"importing {planned.name}", "simulations") as report:
        return import_ensemble(planned, config.input.absolute(), pool, report)


def images_origin(config: "MakeDataConfig") -> tuple[str, str]:
    """The name that stands for the images' ensemble, and the fingerprint of the folder's content."""
    source = _images(config)
    images, _ = find_images(source)
    # The folder's name may be anything, and stands in texts from now on.
    return config.ensemble or one_line(source.name)[:100], listing_digest(images, source, config.seed)


def take_images(config: "MakeDataConfig", folder: Path, recipe: Recipe, pool: WorkerPool) -> tuple[Dataset, int]:
    """Make the dataset of the images; print what could not be read, and return how many that are."""
    with progress_bar(f"converting {config.name}", "batches of images") as report:
        dataset, left_out = import_images(
            folder, _images(config), recipe, config.seed, config.skip_unreadable, pool, report
        )
    for each in left_out:
        print(f"Left out: {each.file} {each.reason}.")
    return dataset, len(left_out)


def _images(config: "MakeDataConfig") -> Path:
    assert config.input is not None  # check_parameters saw to it
    return config.input.absolute()


def _imported_before(folder: Path) -> Ensemble:
    ensemble = open_ensemble(folder)
    if ensemble.origin is None:
        raise UserError(f"The ensemble {ensemble.name!r} was simulated, not imported: leave source at simulate.")
    if missing := ensemble.missing():
        files = listed(simulation.file for simulation in missing[:3])
        raise UserError(f"{len(missing)} simulations of {folder} are missing ({files}): pass their folder as input.")
    return ensemble
