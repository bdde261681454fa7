"""The settings of a training run."""

from dataclasses import asdict
from typing import Annotated, Any, ClassVar

from glassliquid.command_line import option
from glassliquid.errors import UserError, check_positive, check_range
from glassliquid.models.networks import MODELS
from glassliquid.parameters import positional
from glassliquid.settings import Absent, Choice, Field, FromText, settings
from glassliquid.training.schedule import SCHEDULES

PRECISIONS = ("auto", "float32", "bfloat16")
MOST_ITERATIONS = 10**9
"""Of a training run, a schedule or a patience."""
MOST_BATCHES = 10**6
"""In an iteration, after which alone a training run can be stopped."""
OWN = ("width", "depth", "cutoff", "heads")
"""Settings that only those networks have which name them."""
Thresholds = tuple[tuple[float, float | None], ...]


def parse_thresholds(text: str) -> Thresholds:
    """Read `0.90` or `0.90:0.0001,0.99:0.00001`; ValueError if it is neither."""
    pairs = [part.partition(":") for part in text.split(",")]
    return tuple((float(threshold), float(rate) if colon else None) for threshold, colon, rate in pairs)


def format_thresholds(thresholds: Thresholds) -> str:
    """The inverse of `parse_thresholds`."""
    texts = [[positional(number) for number in pair if number is not None] for pair in thresholds]
    return ",".join(map(":".join, texts))


@settings
class TrainConfig:
    """What determines a training run, given its data."""

    VERSION: ClassVar[int] = 2

    model: Annotated[str, Choice(MODELS.names)] = "compact"
    """Name of the network."""
    batch_size: Annotated[int, Field(ge=1, le=10**9)] = 80
    """Images in a batch."""
    learning_rate: Annotated[float, Field(gt=0)] = 0.001
    """Initial learning rate of Adam."""
    final_learning_rate: Annotated[float, Field(gt=0)] = 0.0001
    """Final learning rate of the schedule; unused by constant."""
    schedule: Annotated[str, Choice(SCHEDULES.names)] = "threshold"
    """How the learning rate changes."""
    schedule_length: Annotated[int | None, Field(ge=1, le=MOST_ITERATIONS), Absent("auto")] = None
    """Iterations until the final rate; auto is the whole run, except for step, which needs a number."""
    eta_threshold: Annotated[
        Thresholds,
        FromText(
            parse_thresholds,
            "a validation accuracy such as 0.90, or a list of accuracy:rate such as 0.90:0.0001,0.99:0.00001",
            format_thresholds,
        ),
    ] = ((0.90, None),)
    """Validation accuracy above which the rate is the final one, or a list of accuracy:rate, ascending."""
    l2: Annotated[float, Field(ge=0, le=1000)] = 0.0001
    """Weight of the L2 penalty on the weight tensors."""
    dropout: Annotated[float, Field(ge=0, le=0.95)] = 0.5
    """Probability with which dropout zeroes an activation."""
    width: Annotated[int | None, Field(ge=1, le=1_024), Absent("auto")] = None
    """For graph only: numbers per particle; auto is 32."""
    depth: Annotated[int | None, Field(ge=1, le=16), Absent("auto")] = None
    """For graph only: layers of message passing; auto is 2."""
    cutoff: Annotated[float | None, Field(ge=1, le=2), Absent("auto")] = None
    """For graph only: largest distance of neighbours [sigma_AA]; auto is 1.5."""
    heads: Annotated[int | None, Field(ge=1, le=64), Absent("auto")] = None
    """For graph only: attention heads in each layer; auto is 4."""
    augment: bool = True
    """Rotate, mirror and shift training images at random."""
    iterations: Annotated[int, Field(ge=1, le=MOST_ITERATIONS)] = 60
    """Number of iterations."""
    batches_per_iteration: Annotated[int, Field(ge=1, le=MOST_BATCHES)] = 10
    """Batches in an iteration."""
    # In the first few iterations accuracy jumps up and down by luck; looking at every one of them would lower the rate
    # too early and count falls that are none.
    eval_every: Annotated[int, Field(ge=1, le=MOST_ITERATIONS)] = 5
    """Iterations between validations."""
    patience: Annotated[int | None, Field(ge=1, le=MOST_ITERATIONS), Absent("none")] = None
    """Stop after this many validations without improvement; none trains to the last iteration."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Seed of the weights, the shuffles, dropout and augmentation; repeats and trials count up from it."""
    precision: Annotated[str, Choice(lambda: PRECISIONS)] = "auto"
    """Number format of the forward pass; auto is bfloat16 on a GPU that supports it, otherwise float32."""

    def __post_init__(self) -> None:
        """Check what depends on several settings."""
        if self.own and (strangers := [name for name in self.own if name not in MODELS.get(self.model).settings]):
            raise UserError(
                f"{strangers[0]} is {self.own[strangers[0]]}, but the model {self.model} has no such setting: leave it out, or "
                "choose another model."
            )
        if self.schedule == "step" and self.schedule_length is None:
            raise UserError(
                "schedule is step, which needs schedule_length, the iteration at which the rate changes: pass for example "
                f"{option('schedule_length', 550)}."
            )
        for threshold, rate in self.eta_threshold:
            check_range("eta_threshold", threshold, 0, 1)
            if rate is not None:
                check_positive("the rate in eta_threshold", rate)
        thresholds = [threshold for threshold, _ in self.eta_threshold]
        if not thresholds or thresholds != sorted(set(thresholds)):
            raise UserError(
                f"eta_threshold is {format_thresholds(self.eta_threshold)!r}: give at least one threshold, each once, in "
                "ascending order, for example 0.90:0.0001,0.99:0.00001."
            )

    @property
    def own(self) -> dict[str, Any]:
        """Settings that only some networks have, those that are given."""
        return {name: value for name in OWN if (value := getattr(self, name)) is not None}

    def shown(self) -> dict[str, Any]:
        """The fields as a page shows them."""
        absent = [name for name in OWN if name not in self.own]
        shown = {**asdict(self), "eta_threshold": format_thresholds(self.eta_threshold)}
        return {name: value for name, value in shown.items() if name not in absent}
