"""simulate: an ensemble of our own simulations."""

from glassliquid.datasets.build import check_recipe
from glassliquid.datasets.config import MakeDataConfig
from glassliquid.datasets.source import EnsembleSource
from glassliquid.datasets.sources import SOURCES
from glassliquid.ensembles.ensemble import Ensemble, plan_ensemble
from glassliquid.ensembles.making import make_ensemble
from glassliquid.ensembles.workers import WorkerPool
from glassliquid.physics.protocol import PRESETS
from glassliquid.progress_bar import progress_bar


@SOURCES.register("simulate")
class Simulate(EnsembleSource):
    """Simulates what is missing of the ensemble."""

    unused = (
        "input",
        "files",
        "number",
        "temperature",
        "first_step",
        "density",
        "sigma",
        "unterminated",
        "count_frames",
        "arrays",
        "labels",
        "skip_unreadable",
        "dry_run",
    )

    @classmethod
    def check(cls, config: MakeDataConfig) -> None:
        """Check the protocol, and that it stores both snapshots."""
        check_recipe(
            config.protocol, config.ensemble or config.preset, config.liquid, config.glass_snapshot, config.null
        )

    def plan(self) -> Ensemble:
        """The ensemble of the preset and what was given instead of its values."""
        config = self.config
        folder = config.layout.ensemble(config.ensemble or config.preset)
        count = config.simulations or PRESETS[config.preset].simulations
        return plan_ensemble(folder, config.preset, config.protocol, count, config.seed, config.engine)

    def complete(self, pool: WorkerPool) -> Ensemble:
        """Simulate."""
        with progress_bar(f"simulating {self.planned.name} with {self.planned.engine}", "simulations") as progress:
            return make_ensemble(self.planned, pool, progress)
