"""What a training is asked for, and how it is called on a page and in a figure."""

from dataclasses import fields
from pathlib import Path
from typing import Annotated

from glassliquid.errors import UserError, check_choice
from glassliquid.files import check_name
from glassliquid.parameters import changed_texts
from glassliquid.settings import Absent, Field, FromText, settings
from glassliquid.tracking.addresses import REGISTERED_NAME
from glassliquid.training.config import TrainConfig, format_thresholds

SHORT_NAMES = {"batch_size": "batch", "learning_rate": "rate", "final_learning_rate": "final rate"}
"""Of settings, in the name of a run."""
Label = Annotated[str | None, Absent("none")]


@settings
class TrainJob:
    """A training run and its surroundings."""

    dataset: str = "data_liquid5"
    """Name of the dataset."""
    config: TrainConfig = Field(default_factory=TrainConfig)
    """What determines the run, given its data."""
    repeats: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Number of training runs, each with its own seed, as child runs of one parent."""
    folds: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Number of folds of a cross-validation over simulations, as child runs of one parent; 1 does not cross-validate."""
    folds_include_test: bool = False
    """With folds: include the simulations of the dataset's own test split."""
    resume: Annotated[str | None, Absent("none")] = None
    """Run id, runs:/..., models:/... or checkpoint file to continue from; latest is the most recent run that can continue."""
    change: Annotated[
        tuple[str, ...],
        FromText(
            lambda text: () if text == "none" else tuple(text.split(",")),
            "names of settings, or none",
            lambda names: ",".join(names) or "none",
        ),
    ] = ()
    """With resume: settings, separated by commas, that get the given value even if it is the default."""
    max_hours: Annotated[float | None, Field(gt=0), Absent("none")] = None
    """Save a checkpoint and stop after this time [hours]."""
    upload_every: Annotated[float | None, Field(gt=0, le=10_000), Absent("end")] = None
    """Minutes between uploads of the checkpoints to MLflow; end uploads them once, at the end; until then they are only on this machine."""
    figure_every: Annotated[float, Field(gt=0, le=10_000)] = 10.0
    """Minutes between updates of training.png on the run's page during training."""
    version: Label = None
    """Label of the set of hyperparameters."""
    step: Label = None
    """Label of the step that continues an earlier run's model."""
    trial: Label = None
    """Label of the repetition."""
    register_as: Annotated[str | None, Absent("none")] = REGISTERED_NAME
    """Name of the registered model; none does not register."""
    dry_run: bool = False
    """Report what would be trained and what it costs, and stop; nothing is kept."""
    overfit: Annotated[int | None, Field(ge=2, le=100_000), Absent("none")] = None
    """Only test whether the network can memorise this many training images, such as 32; nothing is kept."""
    device: str = "auto"
    """Device to train on: auto, cpu, cuda or mps."""
    data_dir: Path = Path("data")
    """Folder for all data."""

    def __post_init__(self) -> None:
        """Check what can be checked without reading anything."""
        if self.change and self.resume is None:
            raise UserError("change is only for a resumed training run: pass resume too, or leave it out.")
        if self.resume is not None and (self.dry_run or self.overfit is not None):
            raise UserError("dry_run and overfit begin with a new network: leave out resume.")
        for name in self.change:
            check_choice("change", name, [field.name for field in fields(TrainConfig)])
        if self.folds > 1 and self.repeats > 1:
            raise UserError(
                f"folds is {self.folds} and repeats is {self.repeats}: leave one of the two out; folds have their own seeds."
            )
        if self.folds_include_test and self.folds == 1 and self.resume is None:
            raise UserError("folds_include_test is true, but folds is 1: pass folds too, such as 5, or leave it out.")
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
        """What the run is called: first what tells it from others, of which the page's narrow column shows some 22 letters.

        That is its label, the settings that differ from their defaults, and the dataset; the network stands among the settings
        if it is not the default one, else last.
        """
        config, usual = self.config, TrainConfig()
        texts = changed_texts(config)
        texts.pop("model", None)
        changed = ", ".join(f"{SHORT_NAMES.get(name, name)} {text}" for name, text in texts.items())
        special, plain = (config.model, "") if config.model != usual.model else ("", config.model)
        return " ".join(filter(None, (self.label, changed, special, self.dataset, plain)))

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
        if self.folds > 1:
            seed = f"{self.folds} folds, seeds from {config.seed}"
        return ", ".join(filter(None, (self.label, f"{config.model} on {self.dataset}", *parts, seed)))
