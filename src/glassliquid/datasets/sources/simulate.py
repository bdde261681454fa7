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
        """Check the protocol, and that it stores the snapshots that are drawn of it."""
        protocol, name = config.protocol, cls.own_name(config)
        named = (config.liquid_ensemble, config.glass_ensemble)
        if named == (None, None):
            check_recipe(protocol, name, config.liquid, config.glass_snapshot, config.null)

    @staticmethod
    def own_name(config: MakeDataConfig) -> str:
        """The ensemble's, or else the preset's."""
        return config.ensemble or config.preset

    def plan(self) -> Ensemble:
        """The ensemble of the preset and what was given instead of its values."""
        config = self.config
        folder = config.layout.ensemble(self.own_name(config))
        count = config.simulations or PRESETS[config.preset].simulations
        return plan_ensemble(folder, config.preset, config.protocol, count, config.seed, config.engine)

    def complete(self, pool: WorkerPool) -> Ensemble:
        """Simulate."""
        assert self.planned is not None
        with progress_bar(f"simulating {self.planned.name} with {self.planned.engine}", "simulations") as progress:
            return make_ensemble(self.planned, pool, progress)
