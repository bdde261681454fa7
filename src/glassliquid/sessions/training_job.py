"""What a training is asked for, and how it is called on a page and in a figure."""

from dataclasses import dataclass, fields
from pathlib import Path

from glassliquid.errors import UserError, check_choice, check_range
from glassliquid.files import check_name
from glassliquid.tracking.registry import REGISTERED_NAME
from glassliquid.training.config import TrainConfig, format_thresholds

MOST_REPEATS = 10_000


@dataclass(frozen=True, kw_only=True)
class TrainJob:
    """A training run and its surroundings."""

    config: TrainConfig
    """What determines the run, given its data."""
    dataset: str
    """Name of the dataset."""
    data_dir: Path
    """Where everything lies."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    resume: str | None = None
    """Run id, `runs:/...`, `models:/...` or checkpoint file to go on from."""
    change: tuple[str, ...] = ()
    """With `resume`: settings that are set to what `config` has even where that is the default."""
    max_hours: float | None = None
    """Stop, with the state saved, after this time."""
    repeats: int = 1
    """Train this often, with as many seeds; more than one are child runs of one parent."""
    version: str | None = None
    """Label of the set of hyperparameters."""
    step: str | None = None
    """Label of the step that continues an earlier run's model."""
    trial: str | None = None
    """Label of the repetition."""
    register_as: str | None = REGISTERED_NAME
    """Name of the registered model; None does not register."""

    def __post_init__(self) -> None:
        """Check what can be checked without reading anything."""
        if self.max_hours is not None and not self.max_hours > 0:
            raise UserError(f"max_hours is {self.max_hours}: pass none or a positive number of hours.")
        check_range("repeats", self.repeats, 1, MOST_REPEATS)
        if self.change and self.resume is None:
            raise UserError("change is for a resumed training: pass resume too, or leave it out.")
        for name in self.change:
            check_choice("change", name, [field.name for field in fields(TrainConfig)])
        if self.register_as is not None:
            check_name("register_as", self.register_as)

    @property
    def labels(self) -> dict[str, str]:
        """version, step and trial, those that are known."""
        given = {"version": self.version, "step": self.step, "trial": self.trial}
        return {name: value for name, value in given.items() if value is not None}

    @property
    def label(self) -> str:
        """V5-S2-T3, with what was given of the three; empty if nothing was."""
        return "-".join(f"{name[0].upper()}{value}" for name, value in self.labels.items())

    @property
    def run_name(self) -> str:
        """What the run is called."""
        return " ".join(filter(None, (self.label, self.config.model, self.dataset, f"batch {self.config.batch_size}")))

    @property
    def caption(self) -> str:
        """The caption that the research log gave every figure."""
        config = self.config
        rate = f"learning rate {config.learning_rate:g}"
        if config.schedule == "threshold":
            rate += f", {config.final_learning_rate:g} above {format_thresholds(config.eta_threshold)} (threshold)"
        elif config.schedule != "constant":
            length = config.schedule_length or config.iterations
            rate += f" to {config.final_learning_rate:g} ({config.schedule}, {length} iterations)"
        augmentation = "augmentation" if config.augment else "no augmentation"
        parts = (f"batch {config.batch_size}", rate, f"L2 {config.l2:g}", f"dropout {config.dropout:g}", augmentation)
        seed = f"seed {config.seed}" if self.repeats == 1 else f"{self.repeats} seeds from {config.seed}"
        return ", ".join(filter(None, (self.label, f"{config.model} on {self.dataset}", *parts, seed)))
