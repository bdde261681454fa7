"""What a sweep is asked for, and the command lines that repeat it or one of its trials."""

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glassliquid.datasets.description import Dataset
from glassliquid.errors import UserError, check_choice, check_range
from glassliquid.files import check_name
from glassliquid.layout import Layout
from glassliquid.sessions.training_job import TrainJob
from glassliquid.sweep.algorithms import PRUNERS, SAMPLERS
from glassliquid.sweep.space import BATCH_SIZE, DROPOUT, SearchSpace, configured
from glassliquid.tracking.addresses import REGISTERED_NAME
from glassliquid.training.config import TrainConfig

MOST_TRIALS = 1_000_000
MOST_JOBS = 1_000
"""Processes of one command."""
OBJECTIVE = "validation accuracy of the best checkpoint"


@dataclass(frozen=True, kw_only=True)
class SweepJob:
    """A search and its surroundings."""

    config: TrainConfig
    """What is held fixed; the searched settings in it are not used."""
    space: SearchSpace
    """What is searched."""
    dataset: str
    """Name of the dataset."""
    data_dir: Path
    """Where everything lies."""
    trials: int = 20
    """How many trials the study is to have; those that were killed do not count."""
    sampler: str = "tpe"
    """How the next setting is chosen."""
    pruner: str = "median"
    """When a trial is given up."""
    repeats: int = 1
    """Seeds of each trial; the objective is their mean."""
    jobs: int = 1
    """Worker processes of this command."""
    study: str | None = None
    """Name of the study; None is a name that follows from the dataset and the settings."""
    storage: str | None = None
    """Optuna's storage; None is a file beside the data."""
    max_hours: float | None = None
    """Stop after this time."""
    version: str | None = None
    """Label of the trials' runs."""
    register_as: str | None = REGISTERED_NAME
    """Name of the registered model of the best trial; None does not register."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""

    def __post_init__(self) -> None:
        """Check what can be checked without reading anything."""
        check_choice("sampler", self.sampler, SAMPLERS)
        check_choice("pruner", self.pruner, PRUNERS)
        for name, most in (("trials", MOST_TRIALS), ("jobs", MOST_JOBS)):
            check_range(name, getattr(self, name), 1, most)
        if self.study is not None:
            check_name("study", self.study)
        if "eta_threshold" in self.space.names and self.config.schedule != "threshold":
            raise UserError(
                f"eta_threshold_range is given, and the schedule {self.config.schedule!r} has no threshold: pass "
                "schedule=threshold, or eta_threshold_range=none."
            )
        for corner in self.space.corners():
            self.training(configured(self.config, corner))

    @property
    def slots(self) -> int:
        """How many trials there can be: a grid ends when it is complete."""
        points = self.points
        return self.trials if points is None else min(self.trials, len(points))

    @property
    def points(self) -> list[dict[str, float]] | None:
        """The settings of every slot, for a grid; None for the samplers that choose as they go."""
        return self.space.grid(self.config.seed) if self.sampler == "grid" else None

    def training(self, config: TrainConfig, label: str | None = None) -> TrainJob:
        """The job of one training."""
        return TrainJob(
            config=config,
            dataset=self.dataset,
            data_dir=self.data_dir,
            device=self.device,
            repeats=self.repeats,
            max_hours=self.max_hours,
            version=self.version,
            trial=label,
            register_as=self.register_as,
        )

    def definition(self, dataset: Dataset) -> dict[str, Any]:
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

    def study_name(self, dataset: Dataset) -> str:
        """The study's name; an automatic one is the same for the same definition, so the same command continues it."""
        if self.study is not None:
            return self.study
        text = json.dumps(self.definition(dataset), sort_keys=True)
        return f"{dataset.name}-{self.config.model}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def storage_address(self, study: str) -> str:
        """Optuna's storage, as an SQLAlchemy address."""
        if self.storage is not None:
            return self.storage
        return f"sqlite:///{Layout(self.data_dir).sweep(study) / 'study.db'}"

    @property
    def caption(self) -> str:
        """What is searched and how, in words."""
        ranges = [f"{each.name} {each.low:g} to {each.high:g}" for each in self.space.ranges]
        sizes = f"batch size {', '.join(map(str, self.space.batch_sizes))}"
        seeds = "" if self.repeats == 1 else f", {self.repeats} seeds a trial"
        return f"{self.config.model} on {self.dataset}: {'; '.join([sizes, *ranges])} ({self.sampler}, pruner {self.pruner}{seeds})"


def train_line(job: SweepJob, settings: Mapping[str, float], threads: int | None) -> str:
    """The command that repeats a trial, with what differs from the defaults of `train`.

    Args:
        job: the sweep.
        settings: those of the trial.
        threads: how many the trial had, if that changes the last bits of its numbers; None if not.
    """
    config = configured(job.config, settings)
    given = {"dataset": job.dataset, BATCH_SIZE: config.batch_size, DROPOUT: config.dropout, **_changed(config)}
    surroundings = {"repeats": (job.repeats, 1), **_surroundings(job)}
    given |= {name: value for name, (value, usual) in surroundings.items() if value != usual}
    line = f"mlflow run . -e train {_parameters(given)}"
    return line if threads is None else f"OMP_NUM_THREADS={threads} {line}"


def sweep_line(job: SweepJob) -> str:
    """The command that continues a sweep: the search space and what differs from the defaults of `sweep`."""
    given: dict[str, Any] = {"dataset": job.dataset, "trials": job.trials}
    given["batch_sizes"] = ",".join(map(str, job.space.batch_sizes))
    for each in job.space.ranges:
        bounds = (_text(each.low), _text(each.high))
        if each.name == DROPOUT:
            given["dropout_low"], given["dropout_high"] = bounds
        else:
            given[f"{each.name}_range"] = ":".join(bounds)
    own = {
        "sampler": (job.sampler, "tpe"),
        "pruner": (job.pruner, "median"),
        "repeats": (job.repeats, 1),
        "jobs": (job.jobs, 1),
        "study": (job.study, None),
        "storage": (job.storage, None),
    }
    given |= {name: value for name, value in _changed(job.config).items() if name not in (BATCH_SIZE, DROPOUT)}
    given |= {name: value for name, (value, usual) in {**own, **_surroundings(job)}.items() if value != usual}
    return f"mlflow run . -e sweep {_parameters(given)}"


def _changed(config: TrainConfig) -> dict[str, Any]:
    """The settings that differ from their defaults."""
    default = TrainConfig().shown()
    return {name: value for name, value in config.shown().items() if value != default[name]}


def _surroundings(job: SweepJob) -> dict[str, tuple[Any, Any]]:
    """What both commands know beside the settings: name to value and default."""
    register_as = "none" if job.register_as is None else job.register_as
    return {
        "register_as": (register_as, REGISTERED_NAME),
        "version": (job.version, None),
        "device": (job.device, "auto"),
        "data_dir": (str(job.data_dir), "data"),
    }


def _parameters(given: Mapping[str, Any]) -> str:
    return " ".join(f"-P {name}={shlex.quote(_text(value))}" for name, value in given.items())


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    # The shortest text that is exactly this number, without an exponent.
    return np.format_float_positional(value, trim="-") if isinstance(value, float) else str(value)
