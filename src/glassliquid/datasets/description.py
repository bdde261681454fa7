"""What a dataset is on disk: its labels, its recipe, and the table of its images.

`dataset.json` says how the dataset was made and carries its digest; `metadata.csv` has one row per image, ordered by split;
the images lie in `{train,validation,test}/{glass,liquid}/`, the layout that torchvision's ImageFolder and Hugging
Face's imagefolder read.
"""

import csv
import io
import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any, ClassVar

from glassliquid.datasets.config import MATCHES
from glassliquid.datasets.draw import DrawConfig
from glassliquid.datasets.matching import Matching
from glassliquid.datasets.missing import no_dataset
from glassliquid.ensembles.split import Fold, Split
from glassliquid.errors import UserError
from glassliquid.files import read_json, read_plain, whole_number
from glassliquid.physics.protocol import INTERVALS, check_snapshot, temperature
from glassliquid.settings import Choice, Field, restored, settings, stored

DESCRIPTION = "dataset.json"
TABLE = "metadata.csv"
LARGEST_NUMBER = 10**9
"""Of a simulation."""


class Label(StrEnum):
    """The two classes, in the order of their class indices (alphabetical, as ImageFolder counts)."""

    GLASS = "glass"
    LIQUID = "liquid"


CLASSES = tuple(Label)
"""Class index to label: 0 is glass, 1 is liquid."""


@settings
class Recipe:
    """How a dataset was made; two datasets of one recipe have the same images."""

    VERSION: ClassVar[int] = 3

    source: str
    """Where the images come from, as make_data calls it: simulate, trajectories or images."""
    ensemble: str
    """Name of the ensemble that was drawn; of its liquids alone if glass_ensemble names another."""
    ensemble_digest: str
    """Fingerprint of its protocol, seed and size."""
    glass_ensemble: str = ""
    """Name of the ensemble of the glasses; empty: the same. Version 2 had none."""
    glass_ensemble_digest: str = ""
    """Its fingerprint."""
    liquid: int
    """Snapshot index drawn as liquid."""
    glass: int
    """Snapshot index drawn as glass."""
    image_size: int
    """Side of the images [pixels]."""
    window: float
    """Side of what is drawn, as a fraction of the box's."""
    inherent: bool
    """Whether the inherent structures were drawn instead of the snapshots themselves."""
    null: bool = False
    """Whether both classes are of one state, each simulation in one of them: what tells them apart is a leak. Version 1 had none."""
    match: Annotated[str, Choice(lambda: MATCHES)] = "none"
    """How liquids and glasses were chosen: all, or pairs of the same e_IS. Version 2 had none."""
    liquid_range: Annotated[int, Field(ge=0, le=INTERVALS)] = 0
    """Candidates of a matched dataset are the stored snapshots up to this many from `liquid`."""
    match_tolerance: Annotated[float | None, Field(gt=0)] = None
    """Largest difference of e_IS within a pair, if it was given."""

    def __post_init__(self) -> None:
        """Check that such images can be drawn."""
        if self.null and self.liquid != self.glass:
            raise UserError(
                f"null is true, and liquid {self.liquid} is not glass {self.glass}: make the dataset again."
            )
        DrawConfig(image_size=self.image_size, window=self.window)
        check_snapshot("liquid", self.liquid)
        check_snapshot("glass", self.glass)

    def ensemble_of(self, label: Label) -> tuple[str, str]:
        """Name and digest of the ensemble of a class."""
        if label is Label.GLASS and self.glass_ensemble:
            return self.glass_ensemble, self.glass_ensemble_digest
        return self.ensemble, self.ensemble_digest

    @property
    def ensembles(self) -> str:
        """Which ensembles were drawn, in words."""
        if not self.glass_ensemble:
            return self.ensemble
        return f"{self.ensemble} (liquid) and {self.glass_ensemble} (glass)"

    @property
    def ensemble_digests(self) -> tuple[str, ...]:
        """Of each ensemble."""
        return tuple(dict.fromkeys(self.ensemble_of(label)[1] for label in Label))

    def shows(self, label: Label, snapshot: int) -> bool:
        """Whether a snapshot may be drawn for a class."""
        if label is Label.GLASS:
            return snapshot == self.glass
        return abs(snapshot - self.liquid) <= self.liquid_range


def _from_version_1(old: dict[str, Any]) -> dict[str, Any]:
    """Version 1 was called format."""
    return {name: value for name, value in old.items() if (name, value) != ("format", 1)}


@settings
class Description:
    """The content of `dataset.json`."""

    VERSION: ClassVar[int] = 3
    UPGRADES: ClassVar[dict[int, Any]] = {1: _from_version_1}

    # It becomes part of a file's name.
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    """Fingerprint of the images."""
    recipe: Recipe
    """How they were made."""
    classes: tuple[str, ...]
    """Class index to label."""
    temperatures: dict[str, float]
    """Set temperature of each class, the mean if its samples are of several [epsilon_AA / k_B]."""
    images: dict[str, int]
    """How many images each split has."""
    engine: Annotated[str, Field(max_length=150)] = ""
    """What simulated the ensemble, and its version; empty if it is not known."""
    minimised_by: Annotated[str, Field(max_length=150)] = ""
    """What minimised the inherent structures, if these were drawn, and its version."""
    skipped: tuple[dict[str, str], ...] = ()
    """Files of an import that were left out, and why."""
    matching: Matching | None = None
    """How the samples were matched, if they were. Version 2 had none."""


@dataclass(frozen=True)
class Record:
    """One row of `metadata.csv`."""

    file_name: str
    label: Label
    simulation: int
    snapshot: int
    temperature: float
    split: Split


@dataclass(frozen=True)
class Dataset:
    """A dataset as its files describe it; the pixels are read by `load`."""

    folder: Path
    recipe: Recipe
    digest: str
    records: tuple[Record, ...]
    matching: Matching | None = None
    """How the samples were matched, if they were."""
    fold: Fold | None = None
    """Where its splits are those of a fold, not those of its files."""

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def description_path(self) -> Path:
        """Its `dataset.json`."""
        return self.folder / DESCRIPTION

    def class_counts(self, split: Split) -> tuple[int, ...]:
        """How many images of each class a split has, in the order of CLASSES."""
        labels = [self.records[place].label for place in self.places(split)]
        return tuple(labels.count(label) for label in CLASSES)

    def places(self, split: Split) -> Sequence[int]:
        """Places of a split's images in the order of the records; a range where the splits are those of the files."""
        if self.fold is None:
            return self.split_range(split)
        return [i for i, record in enumerate(self.records) if self.fold.splits.get(record.simulation) is split]

    def split_range(self, split: Split) -> range:
        """Places of the images that the files have for a split, in the order of the records."""
        places = [place for place, record in enumerate(self.records) if record.split is split]
        return range(places[0], places[-1] + 1) if places else range(0)


def open_dataset(folder: Path) -> Dataset:
    """Read a dataset's description and table.

    Raises:
        UserError: the folder is missing or is no dataset, or a file in it is damaged or unsafe.
    """
    if not folder.is_dir():
        known = sorted(path.parent.name for path in folder.parent.glob(f"*/{DESCRIPTION}"))
        raise no_dataset(folder, known)
    value, what = read_json(folder / DESCRIPTION, "a dataset"), f"The values in {folder / DESCRIPTION}"
    found = restored(Description, value, what, "remove the dataset's folder and make it again")
    records = tuple(_read_table(folder, found.recipe))
    if [record.split for record in records] != sorted((r.split for r in records), key=list(Split).index) or not records:
        raise UserError(
            f"{folder / TABLE} is empty or not ordered by split: remove the folder and make the dataset again."
        )
    _check_simulations(folder, records, found.recipe.null)
    return Dataset(folder, found.recipe, found.digest, records, found.matching)


def description(recipe: Recipe, records: list[Record], digest: str, made_with: Mapping[str, Any]) -> dict[str, Any]:
    """The content of `dataset.json`."""
    temperatures = {
        label.value: round(fmean(record.temperature for record in records if record.label is label), 12)
        for label in CLASSES
    }
    return stored(
        Description(
            digest=digest,
            recipe=recipe,
            classes=tuple(label.value for label in CLASSES),
            temperatures=temperatures,
            images={split.value: sum(record.split is split for record in records) for split in Split},
            **made_with,
        )
    )


def write_table(path: Path, records: Iterable[Record]) -> None:
    """Write `metadata.csv`."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names := [field.name for field in fields(Record)])
        # asdict would take a third of the time of everything that is not drawing.
        writer.writerows(map(operator.attrgetter(*names), records))


def file_name_of(split: Split, label: Label, simulation: int) -> str:
    """Where the image of a simulation lies in the dataset's folder."""
    return f"{split}/{label}/sim-{simulation:05d}.png"


def _read_table(folder: Path, recipe: Recipe) -> Iterable[Record]:
    path = folder / TABLE
    try:
        text = io.StringIO(read_plain(path).decode("utf-8"), newline="")
        for line, row in enumerate(csv.DictReader(text), start=2):
            try:
                yield _record(row, recipe)
            except (KeyError, TypeError, ValueError) as error:
                raise _damaged(path, f"line {line}: {error}") from error
    except FileNotFoundError:
        raise UserError(f"{path} is missing: remove the folder and make the dataset again.") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from error


def _record(row: dict[str, str], recipe: Recipe) -> Record:
    """A row, all of which follows from its label, simulation and split; KeyError, TypeError or ValueError if it does not."""
    label, split = Label(row["label"]), Split(row["split"])
    simulation = whole_number(int(row["simulation"]), 0, LARGEST_NUMBER)
    # So nothing outside the folder is ever read, and no image stands in for one of another class, split or simulation.
    if row["file_name"] != (expected := file_name_of(split, label, simulation)):
        raise ValueError(f"the file is {row['file_name']!r}, but such an image belongs in {expected}")
    snapshot = int(row["snapshot"])
    if not recipe.shows(label, snapshot) or not math.isclose(float(row["temperature"]), temperature(snapshot)):
        expected_snapshot = recipe.glass if label is Label.GLASS else recipe.liquid
        raise ValueError(
            f"its snapshot or temperature is not that of snapshot {expected_snapshot}, the {label} of the recipe"
        )
    return Record(row["file_name"], label, simulation, snapshot, temperature(snapshot), split)


def _check_simulations(folder: Path, records: Iterable[Record], null: bool) -> None:
    """Raise UserError if an image is listed twice (in a null dataset: a simulation), or a simulation in two splits."""
    splits: dict[int, Split] = {}
    seen: set[tuple[Label | None, int]] = set()
    for record in records:
        image = (None if null else record.label, record.simulation)
        if image in seen:
            raise _damaged(folder / TABLE, f"{record.label} of simulation {record.simulation} is listed twice")
        seen.add(image)
        if splits.setdefault(record.simulation, record.split) is not record.split:
            raise _damaged(folder / TABLE, f"simulation {record.simulation} is in two splits")


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(f"{path} is damaged ({reason}): remove the dataset's folder and make it again.")
