"""trajectories: an ensemble of somebody's files, one per simulation."""

from pathlib import Path
from typing import Any

from glassliquid.datasets.config import MakeDataConfig
from glassliquid.datasets.description import Label
from glassliquid.datasets.draw import DrawConfig, draw
from glassliquid.datasets.source import EnsembleSource
from glassliquid.datasets.sources import SOURCES
from glassliquid.ensembles.ensemble import Ensemble, open_ensemble
from glassliquid.ensembles.importing import ImportPlan, PlannedImport, import_ensemble, plan_import
from glassliquid.ensembles.split import SMALLEST_ENSEMBLE, Split
from glassliquid.ensembles.workers import WorkerPool
from glassliquid.errors import UserError, listed
from glassliquid.files import check_name
from glassliquid.progress_bar import progress_bar
from glassliquid.settings import fields_of
from glassliquid.trajectories.frames import Hints


@SOURCES.register("trajectories")
class Trajectories(EnsembleSource):
    """Imports what is missing of the ensemble; without an input, it is one that was imported before."""

    unused = ("engine", "particles", "simulations", "labels", "skip_unreadable")
    importing: PlannedImport | None = None
    """What the files give, if there are any."""

    @classmethod
    def check(cls, config: MakeDataConfig) -> None:
        """A series at constant temperature has no steps of a cooling."""
        for name in ("cooling_steps", "snapshots", "first_step"):
            if config.temperature is not None and (value := getattr(config, name)) is not None:
                raise UserError(
                    f"{name} is {value}, but temperature={config.temperature} says that the files are at constant "
                    "temperature: leave one of the two out."
                )

    @staticmethod
    def own_name(config: MakeDataConfig) -> str | None:
        """The ensemble's, or else that of the folder."""
        return config.ensemble or (_named_after(config.input) if config.input is not None else None)

    def plan(self) -> Ensemble:
        """The ensemble that the files give."""
        config, folder = self.config, self.config.input_folder
        if folder is not None:
            plan = ImportPlan(
                input=folder,
                seed=config.seed,
                cooling_steps=config.cooling_steps,
                snapshots=config.snapshots,
                first_step=config.first_step,
                files=config.files,
                number=config.number,
                temperature=config.temperature,
                is_rehearsal=config.dry_run,
                hints=Hints(
                    density=config.density,
                    sigma=config.sigma,
                    unterminated=config.unterminated,
                    count_frames=config.count_frames,
                    arrays=config.arrays or (),
                ),
            )
            self.importing = plan_import(config.layout.ensemble(config.ensemble or _named_after(folder)), plan)
            return self.importing.ensemble
        if config.ensemble is None:
            raise UserError(
                "source is trajectories, and input is none: pass the folder of the trajectories as input, or the name of an "
                "ensemble that was imported before as ensemble."
            )
        return _imported_before(config.layout.ensemble(config.ensemble))

    def check_recipe(self) -> None:
        """Say of an index that nobody has asked for that it is the one drawn by default."""
        for label in Label:
            what, stored = label.value, self.sides.of(label).protocol.snapshots
            index = getattr(self.config, what)
            if index == fields_of(MakeDataConfig)[what].default and index not in stored:
                raise UserError(
                    f"Without {what}=INDEX the {what} is snapshot {index}, but the files have {listed(stored)}: pass one of these as {what}."
                )
        super().check_recipe()

    def complete(self, pool: WorkerPool) -> Ensemble:
        """Import."""
        assert self.planned is not None
        if self.importing is None:
            return self.planned
        print("\n".join(self.importing.remarks), flush=True)
        with progress_bar(f"importing {self.planned.name}", "simulations") as progress:
            return import_ensemble(self.importing, pool, progress)

    def rehearse(self) -> tuple[list[str], Any]:
        """How the files were understood, and a picture of the first frame."""
        if self.importing is None:
            return [f"{listed(each.name for each in self.sides.both)} was imported before."], None
        first, config = self.importing.first, self.config
        drawing = DrawConfig(image_size=config.image_size, window=config.window)
        splits = [each.split for each in self.importing.ensemble.simulations]
        counts = listed(f"{splits.count(split)} for {split}" for split in Split)
        remarks = [*self.importing.remarks]
        if len(splits) >= SMALLEST_ENSEMBLE:
            remarks.append(f"Simulations: {counts}.")
        try:
            self.check_recipe()
        except UserError as error:
            remarks.append(f"The requested dataset cannot be made: {error}")
        return remarks, draw(first.positions, first.types, first.length, drawing)


def _named_after(folder: Path) -> str:
    """The ensemble's name where none is given: the folder's."""
    folder = folder.parent if folder.is_file() else folder
    try:
        return check_name("ensemble", folder.name)
    except UserError as error:
        raise UserError(
            f"The ensemble is called after its folder, and {folder.name!r} is not a valid name: pass another as ensemble=NAME (letters, "
            "digits, dots, dashes and underscores)."
        ) from error


def _imported_before(folder: Path) -> Ensemble:
    ensemble = open_ensemble(folder)
    if ensemble.origin is None:
        raise UserError(f"The ensemble {ensemble.name!r} was simulated, not imported: leave source at simulate.")
    if missing := ensemble.missing():
        files = listed(simulation.file for simulation in missing[:3])
        raise UserError(f"{len(missing)} simulations of {folder} are missing ({files}): pass their folder as input.")
    return ensemble
