"""What the commands are asked for that have no settings of their own; their options follow from these classes.

Nothing slow is imported, so that `--help` answers at once.
"""

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated

from glassliquid.datasets.config import MakeDataConfig, Snapshots
from glassliquid.ensembles.workers import Workers
from glassliquid.errors import UserError
from glassliquid.files import is_plain
from glassliquid.parameters import Part
from glassliquid.physics.protocol import check_snapshot
from glassliquid.settings import Absent, Choice, Field, FromText, settings, whole_numbers
from glassliquid.tracking.addresses import best_model
from glassliquid.training.config import TrainConfig

COARSE_LIQUIDS = (5, 10, 15, 25, 35, 45, 60, 80, 100, 120, 140, 160, 171)
"""Indices of the coarse scan, unless others are asked for."""
EXPORTS = {"dump": "traj.atom", "dump.gz": "traj.atom.gz"}
"""Formats of an export, and the name of a simulation's file in its folder."""
EXPORT_FOLDER = "exports"
DATA_OF_CHAIN = Part(only=("name", "preset", "engine", "liquid", "glass", "workers", "data_dir"))
TRAINING_OF_CHAIN = Part(only=("model", "batch_size", "dropout", "iterations", "seed"))
"""What the chain hands on of its settings to make_data and to train."""


_RUN_ID = re.compile(r"\b([0-9a-f]{8})[0-9a-f]{24}\b")


@settings
class ChainJob:
    """What the chain is run on."""

    data: Annotated[MakeDataConfig, DATA_OF_CHAIN] = Field(default_factory=MakeDataConfig)
    """The dataset to make."""
    training: Annotated[TrainConfig, TRAINING_OF_CHAIN] = Field(default_factory=TrainConfig)
    """The training."""


def brief(text: str) -> str:
    """A text with the first eight digits of each run id in it."""
    return _RUN_ID.sub(r"\1", text)


@settings
class ModelOnDataset:
    """A model and a dataset."""

    model: Annotated[str | None, Absent("auto")] = None
    """Run id, runs:/..., models:/... or checkpoint file; auto is models:/glass-liquid@DATASET."""
    dataset: str = "data_liquid5"
    """Name of the dataset."""
    data_dir: Path = Path("data")
    """Folder for all data."""

    @property
    def model_address(self) -> str:
        """What names the model."""
        return best_model(self.dataset) if self.model is None else self.model

    def called(self, entry_point: str) -> str:
        """A name for the run: with the model, if one was named, of a run id the first digits."""
        model = "" if self.model is None else brief(self.model.removeprefix("models:/"))
        return " ".join(filter(None, (entry_point, model, "on", self.dataset)))


@settings
class EvaluateJob(ModelOnDataset):
    """What is scored, and on what."""


@settings
class VisualizeJob(ModelOnDataset):
    """A model, a dataset, and how much is shown."""

    samples: Annotated[int, Field(ge=1, le=20)] = 1
    """Number of test images of each class to explain."""


def _names(text: str) -> tuple[str, ...]:
    """Names separated by commas, each once; ValueError if there is nothing between two commas."""
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise ValueError
    return tuple(dict.fromkeys(names))


_NAMES = FromText(_names, "one name or several separated by commas, with nothing left out")


@settings
class TransferJob:
    """Models and what they are tried on."""

    model: Annotated[tuple[str, ...], _NAMES] = (best_model("data_liquid5"),)
    """Run id, runs:/..., models:/... or checkpoint file; several, separated by commas, give a matrix."""
    datasets: Annotated[tuple[str, ...] | None, _NAMES, Absent("none")] = None
    """Names of datasets, separated by commas; none scans an ensemble's cooling."""
    ensemble: Annotated[str | None, Absent("auto")] = None
    """Ensemble to scan; auto is that of the model's training data (of its liquids, if there are two)."""
    liquids: Annotated[
        tuple[int, ...] | None,
        FromText(
            lambda text: tuple(dict.fromkeys(whole_numbers(text))),
            "indices separated by commas, such as 5,100,171, or all",
        ),
        Absent("all"),
    ] = COARSE_LIQUIDS
    """Liquid snapshot indices to try, separated by commas; all means every stored one."""
    glass: int = 200
    """Snapshot index of the glass."""
    find_breakdown: bool = True
    """Search between these indices for the point where the accuracy crosses 75 %."""
    data_dir: Path = Path("data")
    """Folder for all data."""

    def __post_init__(self) -> None:
        """Check what can be checked without reading anything."""
        check_snapshot("glass", self.glass)
        for index in self.liquids or ():
            check_snapshot("liquids", index)
            if index >= self.glass:
                raise UserError(
                    f"liquids has {index}, but the glass is {self.glass}: choose liquids before it (smaller indices)."
                )


def _moment(text: str) -> datetime:
    """A date or a time in ISO form; without a time zone it is this machine's."""
    try:
        moment = datetime.fromisoformat(text).astimezone()
        moment.timestamp()
    except (OverflowError, OSError) as error:
        raise ValueError from error
    if not 1 < moment.year < 9999:
        raise ValueError
    return moment


@settings
class ReportJob:
    """What is reported, and where to."""

    experiment: Annotated[str | None, Absent("auto")] = None
    """Name or id of the experiment; auto is the one that the command runs in."""
    since: Annotated[
        datetime | None,
        FromText(_moment, "none, a date such as 2026-01-31 or a time such as 2026-01-31T18:00"),
        Absent("none"),
    ] = None
    """Only runs that started on or after this date or time, such as 2026-01-31."""
    output: Path = Path("results_log.html")
    """File to write."""
    data_dir: Path = Path("data")
    """Folder for all data; metrics waiting there are sent first."""

    def __post_init__(self) -> None:
        """Check what can be checked without reading anything."""
        if self.output.is_dir():
            raise UserError(f"output is {str(self.output)!r}, which is a folder: pass the name of an HTML file.")
        if self.output.exists() and not is_plain(self.output):
            raise UserError(
                f"output is {str(self.output)!r}, which is not a regular file: pass the name of an HTML file."
            )


@settings
class ExportJob:
    """What is exported, and where to."""

    ensemble: str = "demo"
    """Name of the ensemble."""
    output: Annotated[Path | None, Absent("none")] = None
    """Folder to write to; none is exports/ENSEMBLE in data_dir."""
    format: Annotated[str, Choice(lambda: EXPORTS)] = "dump"
    """LAMMPS text dumps, plain or compressed."""
    snapshots: Snapshots = None
    """Snapshot indices, comma-separated; auto is all stored ones."""
    workers: Workers = None
    """Worker processes; auto is one per core."""
    data_dir: Path = Path("data")
    """Folder for all data."""

    @property
    def folder(self) -> Path:
        """Where the export goes."""
        return self.output or self.data_dir / EXPORT_FOLDER / self.ensemble


@settings
class TidyJob:
    """What is tidied."""

    experiment: Annotated[str | None, Absent("all")] = None
    """Name or id of the experiment whose runs are closed; all means every experiment in the store."""
    data_dir: Path = Path("data")
    """Folder for all data."""
