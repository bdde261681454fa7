"""What the linear model on g(r) does on the data of training runs, from the runs that know it, and what that says of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from glassliquid.evaluation.comparison import LINEAR, STRUCTURE, compare
from glassliquid.evaluation.scores import wilson_interval
from glassliquid.tracking import tag
from glassliquid.tracking.stored import StoredRun

UNKNOWN = "unknown: no run in this report trained it on these data"


@dataclass(frozen=True)
class LinearScore:
    """Of the test split."""

    right: int
    images: int

    def __str__(self) -> str:
        """With its 95 % interval."""
        low, high = (100 * bound for bound in wilson_interval(self.right, self.images))
        share = f"{100 * self.right / self.images:.2f} % ({self.right} of {self.images}"
        return f"{share}, 95 % interval {low:.1f} to {high:.1f} %)"

    def beside(self, run: StoredRun) -> str:
        """What is said of a training run beside it; empty if that is such a model itself or was not tested on as many samples."""
        own = _score(run.metrics, "test")
        if own is None or own.images != self.images or network(run) == STRUCTURE:
            return ""
        verdict = compare(own.right, self.right, self.images)
        return f"{network(run) or 'the network'} is {verdict} the {LINEAR}"


def linear_scores(runs: Sequence[StoredRun]) -> dict[str, LinearScore]:
    """The score of the newest such model on each dataset, by the dataset's digest.

    It is known from evaluations of networks on the data that they were trained on, from the runs that trained it for these, and from
    training runs with `model=structure`.
    """
    found: dict[str, LinearScore] = {}
    for run in runs:
        if run.stage == "evaluate" and run.tags.get("trained_on") == run.tags.get(tag.DATASET):
            score = _score(run.metrics, "structure_test")
        elif tag.BASELINE in run.tags or network(run) == STRUCTURE:
            score = _score(run.metrics, "test")
        else:
            continue
        if score is not None and tag.DATASET_DIGEST in run.tags:
            found[run.tags[tag.DATASET_DIGEST]] = score
    return found


def network(run: StoredRun) -> str:
    """The network of a training run, as MLflow keeps the parameter."""
    return run.params.get("model", "").strip("'\"")


def _score(metrics: Mapping[str, float], prefix: str) -> LinearScore | None:
    try:
        images = round(metrics[f"{prefix}_images"])
        return LinearScore(round(metrics[f"{prefix}_accuracy"] * images), images) if images > 0 else None
    except KeyError:
        return None
