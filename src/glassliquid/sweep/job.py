"""What a sweep is asked for, and the command lines that repeat it or one of its trials."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from glassliquid.command_line import command_line
from glassliquid.errors import UserError
from glassliquid.files import check_name
from glassliquid.models.networks import MODELS
from glassliquid.parameters import Part, changed_texts, to_texts
from glassliquid.sessions.training_job import TrainJob
from glassliquid.settings import Absent, Choice, Field, settings
from glassliquid.sweep.algorithms import PRUNERS, SAMPLERS
from glassliquid.sweep.space import BATCH_SIZE, CHOICES, DROPOUT, SearchSpace, configured
from glassliquid.tracking.addresses import REGISTERED_NAME
from glassliquid.tracking.database import address_of
from glassliquid.training.config import TrainConfig

if TYPE_CHECKING:
    from glassliquid.datasets.description import Dataset

OBJECTIVE = "validation accuracy of the best checkpoint"


@settings
class SweepJob:
    """A search and its surroundings."""

    dataset: str = "data_liquid5"
    """Name of the dataset."""
    trials: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    """Number of trials; killed ones do not count."""
    space: SearchSpace = Field(default_factory=SearchSpace)
    """What is searched."""
    sampler: Annotated[str, Choice(SAMPLERS.names)] = "tpe"
    """How settings are chosen; the grid has 5 values per range."""
    pruner: Annotated[str, Choice(PRUNERS.names)] = "median"
    """How hopeless trials are stopped early."""
    repeats: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Number of seeds for each trial; their mean counts."""
    jobs: Annotated[int, Field(ge=1, le=1_000)] = 1
    """Worker processes of this command, which share the cores."""
    study: Annotated[str | None, Absent("auto")] = None
    """Name of the study; the same name continues it. auto is made from the dataset and the settings."""
    storage: Annotated[str | None, Absent("auto")] = None
    """postgresql://USER@HOST/DATABASE or another database for the study; auto is a file beside the data."""
    config: Annotated[TrainConfig, Part(without=(BATCH_SIZE, DROPOUT))] = Field(default_factory=TrainConfig)
    """What is held fixed; the searched settings in it are not used."""
    max_hours: Annotated[float | None, Field(gt=0), Absent("none")] = None
    """Stop after this time [hours]; finished trials are kept."""
    version: Annotated[str | None, Absent("none")] = None
    """Version label of the trials' runs."""
    register_as: Annotated[str | None, Absent("none")] = REGISTERED_NAME
    """Name of the registered model of the best trial; none does not register."""
    dry_run: bool = False
    """Report what would be searched and what it costs, and stop; nothing is kept."""
    device: str = "auto"
    """Device to train on: auto, cpu, cuda or mps."""
    data_dir: Path = Path("data")
    """Folder for all data."""

    def __post_init__(self) -> None:
        """Check what can be checked without reading anything."""
        if self.study is not None:
            check_name("study", self.study)
        if self.space.eta_threshold_range is not None and self.config.schedule != "threshold":
            raise UserError(
                f"eta_threshold_range is given, but the schedule {self.config.schedule!r} has no threshold: pass "
                "schedule=threshold, or eta_threshold_range=none."
            )
        self._check_own()
        for corner in self.space.corners():
            self.training(configured(self.config, corner))

    def _check_own(self) -> None:
        """Raise UserError if settings are searched that the network does not have, or that are held fixed too."""
        for name in [name for name in self.space.choices if name != BATCH_SIZE]:
            searched, model = f"{CHOICES[name]} is {self.space.listed(name)}", self.config.model
            if name not in MODELS.get(model).settings:
                raise UserError(
                    f"{searched}, but the model {model} has no setting {name}: leave it out, or choose another model."
                )
            if (fixed := self.config.own.get(name)) is not None:
                raise UserError(
                    f"{searched}, which is searched, and {name} is {fixed}, which is held fixed: pass one of them."
                )

    @property
    def slots(self) -> int:
        """How many trials there can be: a grid ends when it is complete."""
        return self.trials if self.sampler != "grid" else min(self.trials, len(self.space.grid(0)))

    def training(self, config: TrainConfig, label: str | None = None) -> TrainJob:
        """The job of one training."""
        return TrainJob(
            config=config,
            dataset=self.dataset,
            data_dir=self.data_dir,
            device=self.device,
            repeats=self.repeats,
            version=self.version,
            trial=label,
            register_as=self.register_as,
        )

    def definition(self, dataset: "Dataset") -> dict[str, Any]:
        """What makes the trials of a study comparable, as JSON values: the space, the objective and what is held fixed."""
        return {
            "objective": OBJECTIVE,
            "dataset": dataset.name,
            "digest": dataset.digest,
            "repeats": self.repeats,
            # The slots of a grid are its points; those of the other samplers are alike.
            "grid": self.sampler == "grid",
            **self.config.shown(),
            **self.space.to_json(),
        }

    def study_name(self, dataset: "Dataset") -> str:
        """The study's name; an automatic one is the same for the same definition, so the same command continues it."""
        if self.study is not None:
            return self.study
        text = json.dumps(self.definition(dataset), sort_keys=True)
        return f"{dataset.name}-{self.config.model}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def storage_address(self, study: str) -> str:
        """Optuna's storage, as an SQLAlchemy address."""
        from glassliquid.layout import Layout  # which brings numpy along

        return self.storage or address_of(Layout(self.data_dir).sweep(study) / "study.db")

    @property
    def caption(self) -> str:
        """What is searched and how, in words."""
        ranges = [f"{each.name} {each.low:g} to {each.high:g}" for each in self.space.ranges]
        lists = [
            f"{name.replace('_', ' ')} {self.space.listed(name).replace(',', ', ')}" for name in self.space.choices
        ]
        seeds = "" if self.repeats == 1 else f", {self.repeats} seeds per trial"
        return f"{self.config.model} on {self.dataset}: {'; '.join([*lists, *ranges])} ({self.sampler}, pruner {self.pruner}{seeds})"


def train_line(job: SweepJob, settings: Mapping[str, float], threads: int | None) -> str:
    """The command that repeats a trial, with what differs from the defaults of `train`.

    Args:
        job: the sweep.
        settings: those of the trial.
        threads: how many the trial had, if that changes the last bits of its numbers; None if not.
    """
    line = _line("train", job.training(configured(job.config, settings)), ("dataset", BATCH_SIZE, DROPOUT))
    return line if threads is None else f"OMP_NUM_THREADS={threads} {line}"


def sweep_line(job: SweepJob) -> str:
    """The command that continues a sweep: the search space and what differs from the defaults of `sweep`."""
    space = ("batch_sizes", "dropout_low", "dropout_high")
    return _line("sweep", replace(job, max_hours=None), ("dataset", "trials", *space))


def _line(entry_point: str, job: SweepJob | TrainJob, always: tuple[str, ...]) -> str:
    texts = to_texts(job)
    shown = {name: texts[name] for name in always} | changed_texts(job)
    return command_line(entry_point, shown)
