"""trajectories: an ensemble of somebody's files, one a simulation."""

from pathlib import Path

from glassliquid.datasets.source import EnsembleSource
from glassliquid.datasets.sources import SOURCES
from glassliquid.ensembles.ensemble import Ensemble, open_ensemble
from glassliquid.ensembles.importing import ImportPlan, import_ensemble, plan_import
from glassliquid.ensembles.workers import WorkerPool
from glassliquid.errors import UserError, listed
from glassliquid.progress_bar import progress_bar


@SOURCES.register("trajectories")
class Trajectories(EnsembleSource):
    """Imports what is missing of the ensemble; without an input, it is one that was imported before."""

    unused = ("engine", "particles", "simulations", "skip_unreadable")

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
            )
            return plan_import(config.layout.ensemble(config.ensemble or folder.name), plan)
        if config.ensemble is None:
            raise UserError(
                "source is trajectories, and input is none: pass the folder of the trajectories as input, or the name of an "
                "ensemble that was imported before as ensemble."
            )
        return _imported_before(config.layout.ensemble(config.ensemble))

    def complete(self, pool: WorkerPool) -> Ensemble:
        """Import."""
        if self.config.input_folder is None:
            return self.planned
        with progress_bar(f"importing {self.planned.name}", "simulations") as progress:
            return import_ensemble(self.planned, self.config.input_folder, pool, progress)


def _imported_before(folder: Path) -> Ensemble:
    ensemble = open_ensemble(folder)
    if ensemble.origin is None:
        raise UserError(f"The ensemble {ensemble.name!r} was simulated, not imported: leave source at simulate.")
    if missing := ensemble.missing():
        files = listed(simulation.file for simulation in missing[:3])
        raise UserError(f"{len(missing)} simulations of {folder} are missing ({files}): pass their folder as input.")
    return ensemble
