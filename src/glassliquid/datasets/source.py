"""What a source of data is: something that makes a dataset of what one command asks for.

To add one, write a module of `datasets/sources` that registers a subclass of `Source` under the module's name.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from glassliquid.datasets.build import check_recipe, labels_of, make_dataset, present_dataset
from glassliquid.datasets.config import MakeDataConfig
from glassliquid.datasets.description import Dataset, Label, Recipe
from glassliquid.datasets.sides import Sides, check_sides, recipe_names
from glassliquid.ensembles.ensemble import Ensemble, check_stored, open_ensemble
from glassliquid.ensembles.inherent import make_inherent
from glassliquid.ensembles.making import make_ensemble, present_ensemble
from glassliquid.ensembles.workers import WorkerPool
from glassliquid.errors import UserError, listed
from glassliquid.progress_bar import progress_bar


@dataclass(frozen=True)
class MadeData:
    """What make_data leaves behind."""

    dataset: Dataset
    sides: Sides | None = None
    """The ensembles that were drawn; None if the images came as such."""
    skipped: int = 0
    """Images that could not be read."""


class Source(ABC):
    """The data that a command asks for. Making an instance plans them, and writes nothing."""

    unused: ClassVar[tuple[str, ...]]
    """Settings that it has no use for: the files themselves tell, or there is nothing to tell."""

    recipe: Recipe
    """What the dataset's images will show."""

    @abstractmethod
    def __init__(self, config: MakeDataConfig) -> None:
        """Plan what is made.

        Raises:
            UserError: what is asked for cannot be made of what is there.
        """

    @classmethod  # noqa: B027 - most have nothing to check
    def check(cls, config: MakeDataConfig) -> None:
        """Raise UserError if the settings contradict each other; reads nothing."""

    @property
    def folders_of_ensembles(self) -> tuple[Path, ...]:
        """Where ensembles are made, if any are."""
        return ()

    def rehearse(self) -> tuple[list[str], Any]:
        """How the input is understood, in sentences, and a picture of its first sample if there is one, as RGB pixels."""
        return [], None

    @abstractmethod
    def make(self, folder: Path, pool: WorkerPool) -> MadeData:
        """Make what is missing of the dataset in this folder, and of all that it needs."""


class EnsembleSource(Source):
    """A source whose images are drawn from an ensemble, or from one for each class."""

    planned: Ensemble | None = None
    """What is made or continued; None if both classes are of ensembles that are named, and there."""
    sides: Sides
    """The ensembles of both classes, which may lack files."""

    def __init__(self, config: MakeDataConfig) -> None:
        """Plan the ensemble, and open those that are named for one class."""
        self.config = config
        names = {Label.LIQUID: config.liquid_ensemble, Label.GLASS: config.glass_ensemble}
        own = self.own_name(config)
        if None in names.values() or own in names.values():
            self.planned = self.plan()
        else:
            _check_unplanned(config)
        found = {label: self._side(name) for label, name in names.items()}
        self.sides = Sides(found[Label.LIQUID], found[Label.GLASS])
        if not config.dry_run:  # a rehearsal says first how the input is understood
            self.check_recipe()
        self.recipe = recipe_of(config, **recipe_names(self.sides))

    def check_recipe(self) -> None:
        """Raise UserError unless the ensembles fit and have the snapshots that are to be drawn."""
        config, sides = self.config, self.sides
        check_sides(sides)
        if sides.are_one:
            check_recipe(sides.liquid.protocol, sides.liquid.name, config.liquid, config.glass_snapshot, config.null)
            if config.match != "none" and abs(config.glass - config.liquid) <= config.liquid_range:
                raise UserError(
                    f"liquid_range is {config.liquid_range}, so glass {config.glass} is itself a candidate: pass a smaller range."
                )
        for label, index in ((Label.LIQUID, config.liquid), (Label.GLASS, config.glass_snapshot)):
            check_stored(sides.of(label), label.value, index)
        labels_of(sides.liquid, config.null)

    @staticmethod
    @abstractmethod
    def own_name(config: MakeDataConfig) -> str | None:
        """The name of the ensemble that `plan` gives, if it can be told."""

    @abstractmethod
    def plan(self) -> Ensemble:
        """The ensemble that is asked for."""

    @abstractmethod
    def complete(self, pool: WorkerPool) -> Ensemble:
        """Make what is missing of the planned ensemble."""

    @property
    def folders_of_ensembles(self) -> tuple[Path, ...]:
        """Where the ensembles are made."""
        return tuple(each.folder for each in self.sides.both)

    def make(self, folder: Path, pool: WorkerPool) -> MadeData:
        """Complete the ensembles, and draw them."""
        if folder.exists():  # where names are taken by other data, that is told before anything is simulated
            if self.planned is not None:
                present_ensemble(self.planned)
            present_dataset(folder, self.recipe)
        whole = {
            each.folder: self.complete(pool) if each is self.planned else _completed(each, pool)
            for each in self.sides.both
        }
        sides = Sides(whole[self.sides.liquid.folder], whole[self.sides.glass.folder])
        if self.config.inherent and self.config.snapshots is not None:
            for ensemble in sides.both:
                asked = [index for index in self.config.snapshots if index in ensemble.protocol.snapshots]
                with progress_bar(f"minimising {ensemble.name}", "simulations") as progress:
                    make_inherent(ensemble, asked, pool, progress)
        with progress_bar(f"making {folder.name}", "parts") as progress:
            dataset = make_dataset(folder, sides.liquid, self.recipe, pool, progress, sides.glass)
        return MadeData(dataset, sides)

    def _side(self, name: str | None) -> Ensemble:
        """The ensemble of one class."""
        if self.planned is not None and name in (None, self.planned.name):
            return self.planned
        assert name is not None
        return open_ensemble(self.config.layout.ensemble(name))


def _check_unplanned(config: MakeDataConfig) -> None:
    """Raise UserError if settings of an ensemble are given, and both classes are of ensembles that are there."""
    for name in ("particles", "cooling_steps", "simulations", "engine"):
        if (value := getattr(config, name)) is not None:
            raise UserError(
                f"{name} is {value}, but liquid_ensemble and glass_ensemble exist already, with their own: leave {name} out."
            )


def _completed(ensemble: Ensemble, pool: WorkerPool) -> Ensemble:
    """An ensemble that was begun before, with what was missing of it."""
    missing = ensemble.missing()
    if not missing:
        return ensemble
    if ensemble.origin is not None:
        files = listed(simulation.file for simulation in missing[:3])
        raise UserError(
            f"{len(missing)} simulations of {ensemble.folder} are missing ({files}): import it again, with source=trajectories and input=FOLDER."
        )
    with progress_bar(f"simulating {ensemble.name} with {ensemble.engine}", "simulations") as progress:
        return make_ensemble(ensemble, pool, progress)


def recipe_of(config: MakeDataConfig, **ensembles: str) -> Recipe:
    """What a dataset of these settings shows, of the ensembles that the fields of `Recipe` name."""
    return Recipe(
        source=config.source,
        liquid=config.liquid,
        glass=config.glass_snapshot,
        image_size=config.image_size,
        window=config.window,
        inherent=config.draws_inherent,
        null=config.null,
        match=config.match,
        liquid_range=config.liquid_range,
        match_tolerance=config.match_tolerance,
        **ensembles,
    )
