"""The settings of a training run, checked when they are made."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from glassliquid.errors import UserError, check_choice, check_positive, check_range
from glassliquid.models.names import MODEL_NAMES

SCHEDULES = ("threshold", "constant", "step", "linear", "exponential", "warmup")
PRECISIONS = ("auto", "float32", "bfloat16")
MOST_ITERATIONS = 10**9
"""Of a training, a schedule or a patience."""
MOST_BATCHES = 10**6
"""In an iteration, after which alone a training can be stopped."""
_WHOLE = {
    "batch_size": 10**9,
    "iterations": MOST_ITERATIONS,
    "batches_per_iteration": MOST_BATCHES,
    "eval_every": MOST_ITERATIONS,
    "patience": MOST_ITERATIONS,
    "schedule_length": MOST_ITERATIONS,
}


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """What determines a training run, given its data."""

    model: str = "compact"
    """Name of the network."""
    batch_size: int = 80
    """Images in a batch."""
    learning_rate: float = 0.001
    """Initial rate of Adam."""
    final_learning_rate: float = 0.0001
    """Rate that the schedule goes to; unused by `constant`."""
    schedule: str = "threshold"
    """How the rate changes."""
    schedule_length: int | None = None
    """Iterations until the final rate; None is the whole run, except for `step`, which needs a number."""
    eta_threshold: tuple[tuple[float, float | None], ...] = ((0.90, None),)
    """Pairs of validation accuracy and rate used above it, ascending; rate None is final_learning_rate."""
    l2: float = 0.0001
    """Weight of the penalty on the weight tensors."""
    dropout: float = 0.5
    """Probability with which dropout zeroes an activation."""
    augment: bool = True
    """Whether training images are turned, mirrored and shifted at random."""
    iterations: int = 60
    """Length of the run."""
    batches_per_iteration: int = 10
    """Batches in one iteration."""
    eval_every: int = 5
    """Iterations between validations. In the first few, accuracy jumps up and down by luck; looking at every one of them
    would lower the rate too early and count falls that are none."""
    patience: int | None = None
    """Stop after this many validations without a better one; None trains to the last iteration."""
    seed: int = 0
    """Source of the weights, the shuffles, dropout and augmentation."""
    precision: str = "auto"
    """Number format of the forward pass: auto is float32 on the CPU and bfloat16 where a GPU has it."""

    def __post_init__(self) -> None:
        """Check every field."""
        check_choice("model", self.model, MODEL_NAMES)
        check_choice("schedule", self.schedule, SCHEDULES)
        check_choice("precision", self.precision, PRECISIONS)
        for name, most in _WHOLE.items():
            if (number := getattr(self, name)) is not None:
                check_positive(name, number)
                check_range(name, number, 1, most)
        check_positive("learning_rate", self.learning_rate)
        check_positive("final_learning_rate", self.final_learning_rate)
        check_range("l2", self.l2, 0, 1000)
        check_range("dropout", self.dropout, 0, 0.95)
        check_range("seed", self.seed, 0, 2**31 - 1)
        if self.schedule == "step" and self.schedule_length is None:
            raise UserError(
                "schedule is step, which needs schedule_length, the iteration at which the rate changes: pass for example "
                "-P schedule_length=550."
            )
        self._check_thresholds()

    def _check_thresholds(self) -> None:
        thresholds = [threshold for threshold, _ in self.eta_threshold]
        for threshold, rate in self.eta_threshold:
            check_range("eta_threshold", threshold, 0, 1)
            if rate is not None:
                check_positive("the rate in eta_threshold", rate)
        if not thresholds or thresholds != sorted(set(thresholds)):
            raise UserError(
                f"eta_threshold is {format_thresholds(self.eta_threshold)!r}: give at least one threshold, each once, in "
                "ascending order, for example 0.90:0.0001,0.99:0.00001."
            )

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {**asdict(self), "eta_threshold": [list(pair) for pair in self.eta_threshold]}

    def shown(self) -> dict[str, Any]:
        """The fields as a command line and a page show them."""
        return {**asdict(self), "eta_threshold": format_thresholds(self.eta_threshold)}

    @classmethod
    def from_json(cls, value: Any) -> "TrainConfig":
        """The inverse of `to_json`; UserError if fields are missing, unknown or of the wrong type."""
        names = {field.name for field in fields(cls)}
        if not isinstance(value, dict) or set(value) != names:
            raise UserError("The checkpoint's settings have missing or unknown fields: it is from another version.")
        try:
            for field in fields(cls):
                _check_type(field.name, value[field.name], field.default)
            for name, number in (
                (f"eta_threshold[{at}]", each) for at, pair in enumerate(value["eta_threshold"]) for each in pair
            ):
                if number is not None and type(number) not in (int, float):
                    raise ValueError(f"{name} is {number!r:.40}")
            thresholds = tuple((float(t), None if r is None else float(r)) for t, r in value["eta_threshold"])
            return cls(**{**value, "eta_threshold": thresholds})
        except (TypeError, ValueError, OverflowError) as error:
            raise UserError(f"The checkpoint's settings are damaged ({error}): choose another checkpoint.") from error


def _check_type(name: str, value: Any, default: Any) -> None:
    """Raise ValueError unless a value out of a file has the type of the field whose default is given."""
    allowed: tuple[type, ...] = (type(default),)
    if name in ("patience", "schedule_length"):
        allowed = (int, type(None))
    elif name == "eta_threshold":
        allowed = (list,)
    elif isinstance(default, float):
        allowed = (float, int)
    if type(value) not in allowed:
        raise ValueError(f"{name} is {value!r:.40}")


def parse_thresholds(text: str) -> tuple[tuple[float, float | None], ...]:
    """Read `0.90` or `0.90:0.0001,0.99:0.00001`; UserError if it is neither."""
    pairs: list[tuple[float, float | None]] = []
    for part in text.split(","):
        threshold, colon, rate = part.partition(":")
        try:
            pairs.append((float(threshold), float(rate) if colon else None))
        except ValueError:
            raise UserError(
                f"eta_threshold is {text!r}: pass a validation accuracy such as 0.90, or a list of accuracy:rate such as "
                "0.90:0.0001,0.99:0.00001."
            ) from None
    return tuple(pairs)


def format_thresholds(thresholds: tuple[tuple[float, float | None], ...]) -> str:
    """The inverse of `parse_thresholds`."""
    return ",".join(f"{threshold}" if rate is None else f"{threshold}:{rate}" for threshold, rate in thresholds)
