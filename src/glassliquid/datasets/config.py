"""What make_data is asked for."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from glassliquid.datasets.sources import SOURCES
from glassliquid.ensembles.split import LARGEST_ENSEMBLE, LARGEST_SEED, SMALLEST_ENSEMBLE
from glassliquid.ensembles.workers import Workers
from glassliquid.errors import UserError
from glassliquid.layout import Layout, check_dataset_name
from glassliquid.numbering import check_pattern
from glassliquid.physics.engines import ENGINES
from glassliquid.physics.protocol import INTERVALS, PRESETS, Protocol, check_snapshot
from glassliquid.settings import Absent, Choice, Field, FromText, fields_of, settings, whole_numbers

ARRAYS = ("positions", "types", "box", "steps", "ids", "sizes")
"""What an array of an npz file may be."""

Snapshots = Annotated[
    tuple[int, ...] | None,
    FromText(whole_numbers, "auto or indices separated by commas, such as 5,100,200"),
    Absent("auto"),
]


def _labels(text: str) -> tuple[str, ...]:
    """Pairs of a word, or a folder's name, and the label that it stands for; ValueError if it is something else."""
    pairs = tuple(pair.strip().lower() for pair in text.split(","))
    if not all(re.fullmatch(r"[^:/]+:(glass|liquid)", pair) for pair in pairs):
        raise ValueError
    return pairs


def _arrays(text: str) -> tuple[tuple[str, str], ...]:
    """Pairs of what an array is and its name; ValueError if it is something else."""
    pairs = tuple((role.strip(), name.strip()) for role, _, name in (pair.partition(":") for pair in text.split(",")))
    roles = [role for role, _ in pairs]
    if not all(name and role in ARRAYS for role, name in pairs) or len(set(roles)) < len(roles):
        raise ValueError
    return pairs


MATCHES = ("none", "energy")
"""Which samples are drawn: all, or pairs of the same e_IS."""


@settings
class MakeDataConfig:
    """What make_data is asked for; None stands for the preset's value, or for what the files say."""

    name: str = "data_liquid5"
    """Name of the dataset."""
    engine: Annotated[str | None, Choice(ENGINES.names), Absent("auto")] = None
    """Engine that simulates; auto is the one that the ensemble was started with, or the fastest that runs here."""
    source: Annotated[str, Choice(SOURCES.names)] = "simulate"
    """Where the data come from: simulations made here, or existing trajectories or images."""
    input: Annotated[Path | None, Absent("none")] = None
    """Folder of the trajectories or images; for a dry run, it may be a single trajectory."""
    preset: Annotated[str, Choice(lambda: PRESETS)] = "demo"
    """Protocol; the parameters from particles to snapshots override parts of it."""
    ensemble: Annotated[str | None, Absent("auto")] = None
    """Name of the ensemble; auto is the preset's name."""
    liquid_ensemble: Annotated[str | None, Absent("auto")] = None
    """Existing ensemble of the liquids; auto is that of `ensemble`."""
    glass_ensemble: Annotated[str | None, Absent("auto")] = None
    """Existing ensemble of the glasses; auto is that of `ensemble`."""
    match: Annotated[str, Choice(lambda: MATCHES)] = "none"
    """Samples to draw: none draws all, energy draws pairs of inherent structures with equal e_IS."""
    liquid_range: Annotated[int, Field(ge=0, le=INTERVALS)] = 0
    """With match, the candidates are the stored snapshots up to this many indices from liquid."""
    match_tolerance: Annotated[float | None, Field(gt=0), Absent("auto")] = None
    """Largest difference of e_IS within a pair [epsilon_AA]; auto is a tenth of the standard deviation of the glasses, or more if the smallest split needs it."""
    liquid: int = 5
    """Snapshot index drawn as liquid, 0 to 200."""
    glass: int = 200
    """Snapshot index drawn as glass, 0 to 200."""
    particles: Annotated[int | None, Absent("auto")] = None
    """Particles in a simulation; auto is the preset's."""
    cooling_steps: Annotated[int | None, Absent("auto")] = None
    """Time steps of the cooling, a multiple of 200; auto is the preset's."""
    simulations: Annotated[int | None, Field(ge=SMALLEST_ENSEMBLE, le=LARGEST_ENSEMBLE), Absent("auto")] = None
    """Simulations in the ensemble; auto is the preset's."""
    snapshots: Snapshots = None
    """Stored snapshot indices, comma-separated; auto is the preset's."""
    image_size: int = 128
    """Side of the images [pixels]."""
    window: float = 1.0
    """Side of the square that is drawn, as a fraction of the side of the box."""
    inherent: bool = False
    """Draw inherent structures and record their energies; with snapshots, the energies of all these snapshots."""
    null: bool = False
    """Draw both classes from the liquid's snapshot, in different simulations: a score other than chance then reveals a leak."""
    files: Annotated[str | None, Absent("all")] = None
    """Pattern that the names of imported trajectories match, such as prod*.lammpstrj."""
    number: Annotated[str | None, Absent("auto")] = None
    """Where the simulation's number is in imported names: the word before it, such as run, or a regular expression; page: each page
    of an imported image is a simulation."""
    temperature: Annotated[str | None, Absent("none")] = None
    """Word before the temperature in the names of imported series at constant temperature, such as T, or a table of their files and
    temperatures, such as temperatures.csv; none: the files are coolings."""
    first_step: Annotated[int | None, Absent("auto")] = None
    """Time step of imported trajectories at which the cooling starts; auto is 0, or that of the first frame after an equilibration."""
    density: Annotated[float | None, Field(gt=0, le=4), Absent("none")] = None
    """Number density of imported trajectories without a box [1 / sigma_AA^2]."""
    sigma: Annotated[float | None, Field(gt=0, le=1e6), Absent("none")] = None
    """Diameter sigma_AA in the unit of length of imported trajectories; none: lengths are in units of sigma_AA."""
    unterminated: bool = False
    """Accept a last line of imported trajectories that has no line end."""
    count_frames: bool = False
    """Count the frames of imported trajectories instead of reading their time steps."""
    arrays: Annotated[
        tuple[tuple[str, str], ...] | None,
        FromText(
            _arrays,
            f"what each is and its name, {', '.join(f'{role}:NAME' for role in ARRAYS)}, without those that are not there",
            lambda pairs: ",".join(map(":".join, pairs)),
        ),
        Absent("none"),
    ] = None
    """Names of the arrays in imported npz files, such as positions:r,types:species,box:L,steps:t."""
    labels: Annotated[
        tuple[str, ...] | None,
        FromText(_labels, "WORD:glass or WORD:liquid, separated by commas, such as solid:glass,fluid:liquid"),
        Absent("none"),
    ] = None
    """Words or names of folders that mean glass or liquid in imported images, such as solid:glass,fluid:liquid or 0:glass,1:liquid."""
    skip_unreadable: bool = False
    """Leave out images that cannot be read."""
    dry_run: bool = False
    """Only report how the input is understood; write nothing."""
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)] = 1
    """Seed of the ensemble."""
    workers: Workers = None
    """Worker processes; auto is one per core."""
    scheduler: Annotated[str | None, Absent("none")] = None
    """Dask cluster: none, tcp://host:port, or a dask-jobqueue configuration file."""
    data_dir: Path = Path("data")
    """Folder for all data."""

    def __post_init__(self) -> None:
        """Check what can be checked without reading the data."""
        from glassliquid.datasets.draw import DrawConfig
        from glassliquid.ensembles.cluster import check_scheduler

        DrawConfig(image_size=self.image_size, window=self.window)
        if self.scheduler is not None:
            check_scheduler(self.scheduler, self.workers)
        if self.number is not None:
            check_pattern(self.number)
        if self.temperature is not None and not re.fullmatch(
            r"[A-Za-z]+|.+\.(csv|tsv|txt|dat)", self.temperature, re.IGNORECASE
        ):
            raise UserError(
                f"temperature is {self.temperature!r}: pass the word before the temperature in the names, such as T, or a table, such as "
                "temperatures.csv (or .tsv, .txt, .dat)."
            )
        check_dataset_name(self.name, "name")
        for name in (self.ensemble, self.liquid_ensemble, self.glass_ensemble):
            if name is not None:
                Layout(self.data_dir).ensemble(name)
        self._check_match()
        for what, snapshot in (("liquid", self.liquid), ("glass", self.glass)):
            check_snapshot(what, snapshot)
        source = SOURCES.get(self.source)
        for name in source.unused:
            if (value := getattr(self, name)) != fields_of(MakeDataConfig)[name].default:
                raise UserError(f"{name} is {value}, but source={self.source} has no use for it: leave {name} out.")
        source.check(self)

    def _check_match(self) -> None:
        """Raise UserError if what is said of the choice of samples contradicts itself."""
        if self.null and self.match != "none":
            raise UserError(
                f"null is true, and match is {self.match}: both classes of null data come from one state, so leave one of the two out."
            )
        if self.null and (self.liquid_ensemble, self.glass_ensemble) != (None, None):
            raise UserError("null is true, and null data come from one ensemble: pass its name as ensemble.")
        for name in ("liquid_range", "match_tolerance"):
            if self.match == "none" and (value := getattr(self, name)):
                raise UserError(f"{name} is {value}, but match is none, which has no use for it: pass match=energy.")

    @property
    def draws_inherent(self) -> bool:
        """Whether inherent structures are drawn; pairs of equal energy always are."""
        return self.inherent or self.match != "none"

    @property
    def glass_snapshot(self) -> int:
        """Snapshot index that is drawn as glass."""
        return self.liquid if self.null else self.glass

    @property
    def protocol(self) -> Protocol:
        """The preset's protocol with what was given instead."""
        given = {"particles": self.particles, "cooling_steps": self.cooling_steps, "snapshots": self.snapshots}
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        return replace(PRESETS[self.preset].protocol, **changes)

    @property
    def layout(self) -> Layout:
        """Where everything lies; with the absolute path for workers on other machines, which start in other folders."""
        return Layout(self.data_dir if self.scheduler is None else self.data_dir.absolute())

    @property
    def input_folder(self) -> Path | None:
        """Folder of the trajectories or images; the absolute path, also for workers of this machine."""
        return None if self.input is None else self.input.absolute()
