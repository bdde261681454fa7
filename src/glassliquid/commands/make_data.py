"""make_data: simulate an ensemble (or continue one) and draw a dataset from it."""

import functools
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from glassliquid.commands.import_data import (
    IMAGES,
    SOURCES,
    check_parameters,
    images_origin,
    plan_trajectories,
    take_images,
    take_trajectories,
)
from glassliquid.datasets.build import check_recipe, make_dataset
from glassliquid.datasets.description import Dataset, Label, Recipe, open_dataset
from glassliquid.datasets.draw import DrawConfig
from glassliquid.ensembles.cluster import check_scheduler, open_pool
from glassliquid.ensembles.ensemble import Ensemble, cooling_curves, plan_ensemble
from glassliquid.ensembles.importing import ImportPlan
from glassliquid.ensembles.inherent import inherent_energies
from glassliquid.ensembles.making import make_ensemble
from glassliquid.ensembles.split import Split
from glassliquid.ensembles.workers import WorkerPool, worker_count
from glassliquid.errors import UserError, check_choice
from glassliquid.files import tidy
from glassliquid.inputs.images.decoded import read_image
from glassliquid.layout import Layout
from glassliquid.physics.engines import ENGINES
from glassliquid.physics.protocol import Protocol, check_snapshot, preset_named, temperature
from glassliquid.progress_bar import progress_bar

if TYPE_CHECKING:
    from glassliquid.tracking.run import TrackedRun

CURVES_IN_FIGURE = 40
"""The cooling curve is the mean over at most this many simulations."""


@dataclass(frozen=True, kw_only=True)
class MakeDataConfig:
    """What make_data is asked for; None stands for the preset's value."""

    name: str = "data_liquid5"
    """Name of the dataset."""
    engine: str | None = None
    """Engine that simulates; None is the one that the ensemble was begun with, or the fastest that can run here."""
    source: str = "simulate"
    """Where the data come from: simulations of our own, somebody's trajectories, or somebody's images."""
    input: Path | None = None
    """Folder of the trajectories or images."""
    skip_unreadable: bool = False
    """Leave images that cannot be read out of the dataset."""
    first_step: int = 0
    """Time step of the trajectories at which their cooling starts."""
    preset: str = "demo"
    """Name of the protocol that the following fields override."""
    ensemble: str | None = None
    """Name of the ensemble; None is the preset's name."""
    liquid: int = 5
    """Snapshot index drawn as liquid."""
    glass: int = 200
    """Snapshot index drawn as glass."""
    particles: int | None = None
    """Number of particles."""
    cooling_steps: int | None = None
    """Time steps of the cooling."""
    simulations: int | None = None
    """Number of simulations."""
    snapshots: tuple[int, ...] | None = None
    """Stored snapshot indices."""
    image_size: int = 128
    """Side of the images [pixels]."""
    window: float = 1.0
    """Side of the square that is drawn, as a fraction of the box's."""
    inherent: bool = False
    """Draw inherent structures, and record their energies."""
    seed: int = 1
    """Seed of the ensemble."""
    workers: str = "auto"
    """Number of worker processes."""
    scheduler: str | None = None
    """Dask cluster that does the work: address or configuration file; None is this machine."""
    data_dir: Path = Path("data")
    """Where everything lies."""

    def __post_init__(self) -> None:
        """Check every field, before anything is simulated."""
        check_choice("source", self.source, SOURCES)
        if self.engine is not None:
            check_choice("engine", self.engine, ENGINES)
        DrawConfig(image_size=self.image_size, window=self.window)
        worker_count(self.workers)
        if self.scheduler is not None:
            check_scheduler(self.scheduler, self.workers)
        Layout(self.data_dir).dataset(self.name)
        check_parameters(self.source, vars(self))
        if self.source != IMAGES:
            check_recipe(self.planned_ensemble, self.liquid, self.glass)
        else:
            check_snapshot("liquid", self.liquid)
            check_snapshot("glass", self.glass)

    @property
    def protocol(self) -> Protocol:
        """The preset's protocol with what was given instead."""
        given = {"particles": self.particles, "cooling_steps": self.cooling_steps, "snapshots": self.snapshots}
        return replace(preset_named(self.preset).protocol, **{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]

    @functools.cached_property
    def planned_ensemble(self) -> Ensemble:
        """The ensemble that is asked for; nothing is written."""
        if self.source == "trajectories":
            plan = None
            if self.source_folder is not None:
                plan = ImportPlan(
                    input=self.source_folder,
                    seed=self.seed,
                    cooling_steps=self.cooling_steps,
                    snapshots=self.snapshots,
                    first_step=self.first_step,
                )
            return plan_trajectories(Layout(self.folder), self.ensemble, plan)
        preset = preset_named(self.preset)
        count = preset.simulations if self.simulations is None else self.simulations
        folder = Layout(self.folder).ensemble(self.ensemble or self.preset)
        return plan_ensemble(folder, self.preset, self.protocol, count, self.seed, self.engine)

    @property
    def folder(self) -> Path:
        """Where everything lies; the absolute path for workers on other machines, which start in other folders."""
        return self.data_dir if self.scheduler is None else self.data_dir.absolute()

    @property
    def source_folder(self) -> Path | None:
        """Folder of the trajectories or images; the absolute path, also for workers of this machine."""
        return None if self.input is None else self.input.absolute()

    def recipe(self) -> Recipe:
        """What the dataset's images show."""
        if self.source == IMAGES and self.source_folder is not None:
            ensemble, digest = images_origin(self.source_folder, self.ensemble, self.seed)
        else:
            ensemble, digest = self.planned_ensemble.name, self.planned_ensemble.digest
        return Recipe(
            source=self.source,
            ensemble=ensemble,
            ensemble_digest=digest,
            liquid=self.liquid,
            glass=self.glass,
            image_size=self.image_size,
            window=self.window,
            inherent=self.inherent,
        )


@dataclass(frozen=True)
class MadeData:
    """What make_data leaves behind."""

    dataset: Dataset
    ensemble: Ensemble | None
    """None if the images came as such."""
    seconds: float
    skipped: int = 0
    """Images that could not be read."""


def make_data(config: MakeDataConfig) -> MadeData:
    """Make the ensemble and the dataset, or find them there; nothing is tracked.

    Raises:
        UserError: an ensemble or dataset of that name was made differently, or LAMMPS is missing.
    """
    started = time.monotonic()
    recipe, skipped = config.recipe(), 0
    ensemble: Ensemble | None = None
    folder = Layout(config.folder).dataset(config.name)
    try:
        with open_pool(config.workers, config.scheduler, config.folder) as pool:
            if config.source == IMAGES and config.source_folder is not None:
                dataset, skipped = take_images(
                    folder, config.source_folder, recipe, config.seed, config.skip_unreadable, pool
                )
            else:
                ensemble = _make_ensemble(config, pool)
                with progress_bar(f"drawing {config.name}", "batches of images") as report:
                    dataset = make_dataset(folder, ensemble, recipe, pool, report)
    except BaseException:
        # Leaving the pool has ended workers in the middle of their files.
        if config.source != IMAGES:
            tidy(config.planned_ensemble.folder)
        raise
    return MadeData(dataset, ensemble, time.monotonic() - started, skipped)


def _make_ensemble(config: MakeDataConfig, pool: WorkerPool) -> Ensemble:
    planned = config.planned_ensemble
    if config.source == "trajectories":
        return take_trajectories(planned, config.source_folder, pool)
    with progress_bar(f"simulating {planned.name} with {planned.engine}", "simulations") as report:
        return make_ensemble(planned, pool, report)


def run(config: MakeDataConfig) -> None:
    """Make the data, and keep in MLflow what they are, how they look and what the cooling did."""
    from glassliquid.tracking.run import tracked_run
    from glassliquid.upkeep.housekeeping import housekeeping

    with (
        tracked_run("make_data", f"make_data {config.name}") as tracked,
        housekeeping(tracked, Layout(config.data_dir).runs),
    ):
        made = make_data(config)
        dataset, ensemble = made.dataset, made.ensemble
        tracked.dataset(dataset, context="made")
        tracked.tags({"ensemble": dataset.recipe.ensemble, "ensemble_digest": dataset.recipe.ensemble_digest})
        tracked.file(dataset.description_path)
        tracked.metrics(
            {
                "simulations": len({record.simulation for record in dataset.records}),
                "images": len(dataset.records),
                "seconds": made.seconds,
                "skipped": made.skipped,
            }
        )
        _draw_pictures(tracked, made)
        headline = _headline(made)
        if ensemble is not None and config.inherent:
            headline += " " + _keep_inherent_energies(tracked, dataset, ensemble)
        tracked.describe(headline)
        print(headline)


def _draw_pictures(tracked: "TrackedRun", made: MadeData) -> None:
    """Show an image of each class, and what the cooling did."""
    # Drawing is imported when there is something to draw: it takes as long as finding out that nothing is to do.
    from glassliquid.plots.cooling import cooling_figure
    from glassliquid.plots.images import examples_figure

    dataset, ensemble, recipe = made.dataset, made.ensemble, made.dataset.recipe
    # Two images only: opening the split would decode all of them, which the first training does.
    first = {record.label: record for record in reversed(dataset.records) if record.split is Split.TRAIN}
    pixels = {label: read_image(dataset, record) for label, record in first.items()}
    titles = {
        label: f"{label}: snapshot {index}, T = {temperature(index):.3g}"
        for label, index in ((Label.LIQUID, recipe.liquid), (Label.GLASS, recipe.glass))
    }
    figure = examples_figure(pixels[Label.LIQUID], pixels[Label.GLASS], titles[Label.LIQUID], titles[Label.GLASS])
    tracked.figure(figure, "examples.png")
    # Other people's files do not tell temperatures, energies and pressures.
    if ensemble is not None and ensemble.origin is None:
        curves = list(cooling_curves(ensemble, CURVES_IN_FIGURE))
        protocol = ensemble.protocol
        caption = f"{ensemble.name}: N = {protocol.particles}, {protocol.cooling_steps:,} cooling steps"
        tracked.figure(cooling_figure(curves, caption), "cooling.png")


def _keep_inherent_energies(tracked: "TrackedRun", dataset: Dataset, ensemble: Ensemble) -> str:
    sentences, recipe = [], dataset.recipe
    for label, snapshot in ((Label.LIQUID, recipe.liquid), (Label.GLASS, recipe.glass)):
        energies = inherent_energies(ensemble, snapshot)
        mean, error = float(energies.mean()), float(energies.std(ddof=1) / len(energies) ** 0.5)
        tracked.metrics({f"inherent_energy_{label}": mean, f"inherent_energy_{label}_error": error})
        sentences.append(f"{mean:.4f} +- {error:.4f} below the {label}")
    return f"Inherent structures: e_IS is {' and '.join(sentences)} (mean and standard error)."


def _headline(made: MadeData) -> str:
    recipe, counts = made.dataset.recipe, {split.value: len(made.dataset.split_range(split)) for split in Split}
    simulations = len({record.simulation for record in made.dataset.records})
    return (
        f"Dataset {made.dataset.name} ({made.dataset.digest}): liquid {recipe.liquid} (T = {temperature(recipe.liquid):.3g}) "
        f"against glass {recipe.glass} (T = {temperature(recipe.glass):.3g}) of {simulations} simulations, "
        f"{counts['train']} + {counts['validation']} + {counts['test']} images of {recipe.image_size} pixels for training, "
        "validation and testing." + (f" {made.skipped} unreadable images were left out." if made.skipped else "")
    )


def require_dataset(name: str, data_dir: Path, make_default: bool) -> Dataset:
    """Open a dataset; on a fresh clone the default one is made first.

    Raises:
        UserError: it is missing and not the default one, or damaged.
    """
    default = MakeDataConfig(data_dir=data_dir)
    folder = Layout(data_dir).dataset(name)
    if not folder.exists() and name == default.name and make_default:
        print(f"The dataset {name} does not exist yet: making it first, with the preset {default.preset}.", flush=True)
        return make_data(default).dataset
    return open_dataset(folder)


def parse_snapshots(text: str) -> tuple[int, ...]:
    """Read a comma-separated list of snapshot indices."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UserError(
            f"snapshots is {text!r}: pass auto or indices separated by commas, such as 5,100,200."
        ) from None
