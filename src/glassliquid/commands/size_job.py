"""What `size` is asked for."""

import math
from pathlib import Path
from typing import Annotated

from glassliquid.datasets.config import MakeDataConfig
from glassliquid.ensembles.split import LARGEST_ENSEMBLE, LARGEST_SEED, SMALLEST_ENSEMBLE
from glassliquid.ensembles.workers import Workers
from glassliquid.errors import UserError, check_choice, listed
from glassliquid.inputs import DEFAULT as IMAGES
from glassliquid.models.networks import MODELS
from glassliquid.physics.engines import ENGINES
from glassliquid.physics.protocol import INTERVALS, check_snapshot
from glassliquid.settings import Absent, Choice, Field, FromText, settings, whole_numbers
from glassliquid.training.config import TrainConfig

CURVE = range(60, INTERVALS + 1, 20)
"""Snapshots that are stored beside those that are drawn, to find out where energies meet."""
SPACING = 2
"""Of the stored candidates, in indices."""
PIXELS, PIXELS_AT = 128, 256
"""Side of the images of this many particles; it grows as sqrt(N), so that a particle keeps its pixels."""


def _names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if not all(names):
        raise ValueError
    return names


@settings
class SizeJob:
    """Glass against liquid of the same energy, at several sizes."""

    name: str = "size"
    """What the names of ensembles and datasets begin with."""
    sizes: Annotated[
        tuple[int, ...],
        FromText(lambda text: tuple(dict.fromkeys(whole_numbers(text))), "numbers of particles, such as 256,1024,4096"),
    ] = (256, 1_024, 4_096)
    """Numbers of particles, comma-separated."""
    models: Annotated[tuple[str, ...], FromText(_names, "names of networks, such as compact,graph,structure")] = (
        "compact",
        "graph",
        "structure",
    )
    """Networks, comma-separated."""
    liquid: int = 120
    """Snapshot index of the liquids; candidates are around it."""
    liquid_range: Annotated[int, Field(ge=0, le=INTERVALS)] = 10
    """Candidates are every second snapshot up to this many from liquid."""
    glass: int = 200
    """Snapshot index of the glasses."""
    liquid_steps: int = 100_000
    """Time steps of the cooling of the liquids."""
    glass_steps: int = 10_000
    """Time steps of the cooling of the glasses."""
    simulations: Annotated[
        tuple[Annotated[int, Field(ge=SMALLEST_ENSEMBLE, le=LARGEST_ENSEMBLE)], ...],
        FromText(whole_numbers, "a number of simulations, or one for each size, such as 1000,1000,300"),
    ] = (400,)
    """Simulations of each kind: a number for all sizes, or one for each of them, comma-separated."""
    windows: bool = False
    """Cut every size out of the largest systems, as windows of their images, instead of simulating it; for networks that read images."""
    iterations: Annotated[int, Field(ge=1)] = 60
    """Length of each training run."""
    batch_size: Annotated[int, Field(ge=1)] = TrainConfig().batch_size
    """Samples in a batch."""
    engine: Annotated[str | None, Choice(ENGINES.names), Absent("auto")] = None
    """Engine that simulates, as in make_data."""
    seed: Annotated[int, Field(ge=0, lt=LARGEST_SEED)] = 1
    """Seed of the ensembles of the liquids; that of the glasses is one more."""
    workers: Workers = None
    """Worker processes; auto is one per core."""
    data_dir: Path = Path("data")
    """Folder for all data."""

    def __post_init__(self) -> None:
        """Check everything before hours go into the first size."""
        for model in self.models:
            check_choice("models", model, MODELS.names())
        for what, index in (("liquid", self.liquid), ("glass", self.glass)):
            check_snapshot(what, index)
        if self.liquid + self.liquid_range >= self.glass:
            raise UserError(
                f"liquid is {self.liquid} and liquid_range {self.liquid_range}, but the glass is {self.glass}: choose liquids before it."
            )
        if len(self.simulations) not in (1, len(self.sizes)):
            raise UserError(
                f"simulations has {len(self.simulations)} numbers, but sizes has {len(self.sizes)}: pass one number, or one for each size."
            )
        if self.windows and len(self.simulations) > 1:
            raise UserError(
                "windows is true, so all sizes are cut out of the same simulations: pass one number of simulations."
            )
        if self.windows and (others := [name for name in self.models if MODELS.get(name).input != IMAGES]):
            raise UserError(
                f"windows is true, but {listed(others)} would read the particles of the whole box: pass only networks that read images as models."
            )
        for particles in self.sizes:
            self.glasses(particles)
            self.matched(particles)

    @property
    def snapshots(self) -> tuple[int, ...]:
        """Indices that are stored."""
        around = range(self.liquid - self.liquid_range, self.liquid + self.liquid_range + 1, SPACING)
        return tuple(sorted({*(index for index in around if index >= 0), *CURVE, self.liquid, self.glass}))

    def simulated(self, particles: int) -> int:
        """Particles in the systems that the samples of a size come from."""
        return max(self.sizes) if self.windows else particles

    def glasses(self, particles: int) -> MakeDataConfig:
        """The data that make the glasses' ensemble: glass against liquid of one cooling, as they are."""
        whole = self.simulated(particles)
        return self._data(whole, f"{self.name}_{whole}_quick", self.glass_steps, self.seed + 1)

    def matched(self, particles: int) -> MakeDataConfig:
        """The data of the same energy."""
        whole = self.simulated(particles)
        part = "" if particles == whole else f"_window_{particles}"
        return self._data(
            whole,
            f"{self.name}_{whole}{part}",
            self.liquid_steps,
            self.seed,
            glass_ensemble=str(self.glasses(particles).ensemble),
            match="energy",
            liquid_range=self.liquid_range,
            window=math.sqrt(particles / whole),
            image_size=_pixels(particles),
        )

    def _data(self, particles: int, name: str, cooling_steps: int, seed: int, **others: object) -> MakeDataConfig:
        simulations = dict(zip(self.sizes, self.simulations * (len(self.sizes) // len(self.simulations)), strict=True))
        values: dict[str, object] = {
            "name": name,
            "ensemble": f"{self.name}-{particles}-{cooling_steps}",
            "engine": self.engine,
            "particles": particles,
            "cooling_steps": cooling_steps,
            "simulations": simulations[particles],
            "snapshots": self.snapshots,
            "liquid": self.liquid,
            "glass": self.glass,
            "image_size": _pixels(particles),
            "seed": seed,
            "workers": self.workers,
            "data_dir": self.data_dir,
        }
        return MakeDataConfig(**{**values, **others})  # type: ignore[arg-type]


def _pixels(particles: int) -> int:
    return round(PIXELS * math.sqrt(particles / PIXELS_AT))
