"""evaluate: score a saved model on a dataset's validation and test splits."""

from dataclasses import dataclass
from pathlib import Path

from glassliquid.dataset.description import Dataset
from glassliquid.dataset.load import load_split
from glassliquid.errors import UserError
from glassliquid.evaluation.scores import Scores
from glassliquid.simulation.split import Split
from glassliquid.tracking.registry import FoundModel, find_model
from glassliquid.tracking.run import tracked_run
from glassliquid.training.device import choose_device
from glassliquid.workflows.layout import Layout
from glassliquid.workflows.make_data import require_dataset
from glassliquid.workflows.training_run import prefixed, score_images

REGISTERED_NAME = "glass-liquid"


@dataclass(frozen=True, kw_only=True)
class EvaluateJob:
    """A model and a dataset."""

    model: str | None
    """Run id, `runs:/...`, `models:/...` or a file; None is the best registered model of the dataset."""
    dataset: str
    """Name of the dataset."""
    data_dir: Path
    """Where everything lies."""

    @property
    def model_name(self) -> str:
        """What names the model."""
        return self.model or f"models:/{REGISTERED_NAME}@{self.dataset}"


def run(job: EvaluateJob) -> None:
    """Score the model, print the result and keep it in MLflow, linked to the model and the dataset."""
    with tracked_run("evaluate", f"evaluate on {job.dataset}", Layout(job.data_dir).runs) as tracked:
        dataset = require_dataset(job.dataset, job.data_dir, make_default=False)
        found = find_model(job.model_name, Layout(job.data_dir).runs)
        check_fits(found, dataset)
        device = choose_device("auto")
        scores = {
            split: score_images(found.model, load_split(dataset, split), device)
            for split in (Split.VALIDATION, Split.TEST)
        }
        metrics = prefixed("val", scores[Split.VALIDATION]) | prefixed("test", scores[Split.TEST])
        tracked.dataset(dataset, context="evaluation")
        tracked.tags({"model": job.model_name, "model_label": found.label, "trained_on": found.state["data"]["name"]})
        tracked.model_metrics(metrics, found.model_id, dataset)
        headline = _headline(found, dataset, scores)
        tracked.describe(headline)
        print(headline)


def check_fits(found: FoundModel, dataset: Dataset) -> None:
    """Raise UserError unless the dataset's images have the size that the model was trained on."""
    trained = int(found.state["data"]["image_size"])
    if trained != dataset.recipe.image_size:
        raise UserError(
            f"{found.label} was trained on images of {trained} pixels, and those of {dataset.name} have "
            f"{dataset.recipe.image_size}: make the dataset with -P image_size={trained}, or choose another model."
        )


def _headline(found: FoundModel, dataset: Dataset, scores: dict[Split, Scores]) -> str:
    return (
        f"{found.label}, trained on {found.state['data']['name']}, on {dataset.name}: validation {scores[Split.VALIDATION]}; "
        f"test {scores[Split.TEST]}."
    )
