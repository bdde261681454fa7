"""What a source of data is: something that makes a dataset of what one command asks for.

To add one, write a module of `datasets/sources` that registers a subclass of `Source` under the module's name.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from glassliquid.datasets.build import check_recipe, labels_of, make_dataset
from glassliquid.datasets.config import MakeDataConfig
from glassliquid.datasets.description import Dataset, Recipe
from glassliquid.ensembles.ensemble import Ensemble
from glassliquid.ensembles.workers import WorkerPool
from glassliquid.progress_bar import progress_bar


@dataclass(frozen=True)
class MadeData:
    """What make_data leaves behind."""

    dataset: Dataset
    ensemble: Ensemble | None = None
    """None if the images came as such."""
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
    def folder_of_ensemble(self) -> Path | None:
        """Where an ensemble is made, if one is."""
        return None

    def rehearse(self) -> tuple[list[str], Any]:
        """How the input is understood, in sentences, and a picture of its first sample if there is one, as RGB pixels."""
        return [], None

    @abstractmethod
    def make(self, folder: Path, pool: WorkerPool) -> MadeData:
        """Make what is missing of the dataset in this folder, and of all that it needs."""


class EnsembleSource(Source):
    """A source whose images are drawn from an ensemble."""

    def __init__(self, config: MakeDataConfig) -> None:
        """Plan the ensemble."""
        self.config = config
        self.planned = self.plan()
        if not config.dry_run:  # a rehearsal says first how the input is understood
            self.check_recipe()
        self.recipe = recipe_of(config, self.planned.name, self.planned.digest)

    def check_recipe(self) -> None:
        """Raise UserError unless the planned ensemble has the snapshots that are to be drawn."""
        config, planned = self.config, self.planned
        check_recipe(planned.protocol, planned.name, config.liquid, config.glass_snapshot, config.null)
        labels_of(planned, config.null)

    @abstractmethod
    def plan(self) -> Ensemble:
        """The ensemble that is asked for."""

    @abstractmethod
    def complete(self, pool: WorkerPool) -> Ensemble:
        """Make what is missing of the planned ensemble."""

    @property
    def folder_of_ensemble(self) -> Path:
        """Where the ensemble is made."""
        return self.planned.folder

    def make(self, folder: Path, pool: WorkerPool) -> MadeData:
        """Complete the ensemble, and draw it."""
        ensemble = self.complete(pool)
        with progress_bar(f"drawing {folder.name}", "batches of images") as progress:
            return MadeData(make_dataset(folder, ensemble, self.recipe, pool, progress), ensemble)


def recipe_of(config: MakeDataConfig, ensemble: str, digest: str) -> Recipe:
    """What a dataset of these settings shows, of the ensemble of this name and digest."""
    return Recipe(
        source=config.source,
        ensemble=ensemble,
        ensemble_digest=digest,
        liquid=config.liquid,
        glass=config.glass_snapshot,
        image_size=config.image_size,
        window=config.window,
        inherent=config.inherent,
        null=config.null,
    )
