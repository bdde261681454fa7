"""evaluate: score a saved model on a dataset's validation and test splits."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tabulate import tabulate

from glassliquid.commands.jobs import EvaluateJob
from glassliquid.datasets.description import CLASSES, Dataset
from glassliquid.datasets.image_file import read_image
from glassliquid.datasets.make import require_dataset
from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError
from glassliquid.evaluation.calibration import ReliabilityBin, expected_calibration_error, reliability
from glassliquid.evaluation.comparison import LINEAR, compare
from glassliquid.evaluation.predict import predict_logits
from glassliquid.evaluation.scores import GLASS, Scores, glass_probabilities, score_logits
from glassliquid.evaluation.unseen import Unseen, check_fits, differences, trained_recipe, unseen_of_dataset
from glassliquid.files import csv_text
from glassliquid.inputs import Samples
from glassliquid.layout import Layout
from glassliquid.plots import evaluation as plots
from glassliquid.roc import auc_interval
from glassliquid.sessions.baseline import baseline_of, lacking
from glassliquid.sessions.training_run import prefixed
from glassliquid.tracking.find_model import find_model
from glassliquid.tracking.run import TrackedRun, tracked_run
from glassliquid.training.device import choose_device
from glassliquid.training.found_model import FoundModel
from glassliquid.upkeep.housekeeping import housekeeping

SPLITS = {Split.VALIDATION: "val", Split.TEST: "test"}
"""The splits that are scored, and what their metrics' names begin with."""
PICTURES = 8
"""At most so many mistakes are shown."""


@dataclass(frozen=True)
class ScoredSplit:
    """A split's images that the model was not trained on, and what the model says of them."""

    split: Split
    data: Samples
    chosen: NDArray[np.intp]
    """Places of the images that count."""
    p_glass: NDArray[np.float64]
    """P(glass) of the images that count."""
    scores: Scores
    bins: list[ReliabilityBin]

    @property
    def labels(self) -> NDArray[np.int64]:
        """Class indices of the images that count."""
        return self.data.labels[self.chosen]

    @property
    def auc_interval(self) -> tuple[float, float]:
        """95 % interval of the area under the ROC curve."""
        return auc_interval(self.p_glass, self.labels == GLASS, self.data.simulations[self.chosen])


def run(job: EvaluateJob) -> None:
    """Score the model, print the result and keep it in MLflow, linked to the model and the dataset."""
    with (
        tracked_run("evaluate", job.called("evaluate")) as tracked,
        housekeeping(tracked, Layout(job.data_dir).runs),
    ):
        dataset = require_dataset(job.dataset, job.data_dir, make_default=False)
        layout = Layout(job.data_dir)
        found = find_model(job.model_address, layout.runs)
        check_fits(found, dataset)
        trained = trained_recipe(found)
        unseen = unseen_of_dataset(dataset, trained, layout, found.label)
        scored = _score(found, dataset, unseen, choose_device("auto"))
        if not scored:
            raise UserError(
                f"The validation and test splits of {dataset.name} have no images of simulations that {found.label} was not "
                "trained on: choose another dataset, or score all of it with transfer_eval."
            )
        tracked.dataset(dataset, context="evaluation", model_id=found.model_id)
        tracked.tags({"model": job.model_address, "model_label": found.label, "trained_on": found.state.data["name"]})
        metrics: dict[str, float] = {}
        for each in scored:
            metrics |= _metrics(each)
        tracked.model_curves({0: metrics}, found.model_id, dataset.name, dataset.digest)
        beside, linear = _beside(found, dataset, unseen, scored, baseline_of(found, job.data_dir, tracked))
        tracked.metrics(linear)
        notes = [note for note in (beside, unseen.note, differences(trained, dataset)) if note]
        headline = _headline(found, dataset, scored)
        _keep_pictures(tracked, found, dataset, scored)
        table = confusion_table(scored[-1].scores)
        tracked.describe("\n\n".join([headline, *notes, table]))
        # On a screen what matters most comes last.
        print("\n\n".join([table, *notes, headline]))


def _beside(
    found: FoundModel, dataset: Dataset, unseen: Unseen, scored: list[ScoredSplit], baseline: FoundModel | str | None
) -> tuple[str | None, dict[str, float]]:
    """What the linear model on g(r) says of the same images, in words, and as metrics that begin with `structure_`."""
    if baseline is None or isinstance(baseline, str):
        return baseline, {}
    try:
        beside = _score(baseline, dataset, unseen, choose_device("cpu"))
    except UserError as error:  # the dataset has no particles
        return lacking(error), {}
    metrics = {
        key: value for each in beside for key, value in prefixed(f"structure_{SPLITS[each.split]}", each.scores).items()
    }
    own, other = scored[-1].scores, beside[-1].scores
    verdict = compare(own.right, other.right, own.images)
    scores = "; ".join(f"{each.split} {each.scores}" for each in beside)
    return (
        f"{found.label} is {verdict} the {LINEAR} ({scored[-1].split} split), which, trained on the same data, reaches {scores}.",
        {key: value for key, value in metrics.items() if np.isfinite(value)},
    )


def confusion_table(scores: Scores) -> str:
    """The confusion matrix as a Markdown table, whose columns line up in a terminal too."""
    rows = [[label, *map(str, scores.confusion[place])] for place, label in enumerate(CLASSES)]
    return tabulate(rows, ["image of", *(f"predicted {label}" for label in CLASSES)], "github", disable_numparse=True)


def _score(found: FoundModel, dataset: Dataset, unseen: Unseen, device: torch.device) -> list[ScoredSplit]:
    """Both splits; one that has no image of an unseen simulation is left out."""
    model = found.model.eval().to(device)
    scored = []
    for split in SPLITS:
        data = model.reads.load(dataset, split, device)
        chosen = np.flatnonzero(np.isin(data.simulations, list(unseen.numbers)))
        if len(chosen):
            # The whole split goes through the network, in training's batches, so that the scores are the same bits.
            logits = predict_logits(model, data.values, device)[chosen]
            p_glass, labels = glass_probabilities(logits), data.labels[chosen]
            bins = reliability(p_glass, labels == GLASS)
            scored.append(ScoredSplit(split, data, chosen, p_glass, score_logits(logits, labels), bins))
    return scored


def _metrics(scored: ScoredSplit) -> dict[str, float]:
    prefix, scores = SPLITS[scored.split], scored.scores
    low, high = scored.auc_interval
    metrics = prefixed(prefix, scores) | {f"{prefix}_auc_low": low, f"{prefix}_auc_high": high}
    metrics |= {f"{prefix}_ece": expected_calibration_error(scored.bins)}
    for index, label in enumerate(CLASSES):
        if sum(scores.confusion[index]):
            metrics[f"{prefix}_{label}_accuracy"] = scores.class_accuracy(index)
            metrics[f"{prefix}_p_glass_of_{label}"] = float(scored.p_glass[scored.labels == index].mean())
    # A class that is missing leaves no area under the curve.
    return {key: value for key, value in metrics.items() if np.isfinite(value)}


def _keep_pictures(tracked: TrackedRun, found: FoundModel, dataset: Dataset, scored: list[ScoredSplit]) -> None:
    """Figures of the last split, the test one, and a table of every image."""
    last = scored[-1]
    caption = f"{found.label}, trained on {found.state.data['name']}, on {dataset.name} ({last.split}): {last.scores}"
    is_glass = last.labels == GLASS
    tracked.figure(plots.evaluation_figure(last.scores, last.bins, last.p_glass, is_glass, caption), "evaluation.png")
    p_true = np.where(is_glass, last.p_glass, 1 - last.p_glass)
    worst = np.argsort(p_true, kind="stable")[:PICTURES]
    mistakes = [place for place in worst if p_true[place] < 0.5]
    kind = "worst mistakes" if mistakes else "no mistakes; the least certain"
    records = [record for record in dataset.records if record.split is last.split]
    shown = [
        plots.Example(
            read_image(dataset, records[last.chosen[place]]),
            f"{CLASSES[last.labels[place]]}, simulation {last.data.simulations[last.chosen[place]]}\n"
            f"P(glass) = {last.p_glass[place]:.3g}",
        )
        for place in (mistakes or worst[: PICTURES // 2])
    ]
    tracked.figure(plots.gallery_figure(shown, f"{found.label} on {dataset.name} ({last.split}): {kind}"), "worst.png")
    rows = [
        (
            each.split,
            CLASSES[label],
            simulation,
            f"{p:.6g}",
            CLASSES[label] == CLASSES[GLASS if p >= 0.5 else 1 - GLASS],
        )
        for each in scored
        for label, simulation, p in zip(each.labels, each.data.simulations[each.chosen], each.p_glass, strict=True)
    ]
    tracked.text(csv_text(("split", "label", "simulation", "p_glass", "right"), rows), "predictions.csv")


def _headline(found: FoundModel, dataset: Dataset, scored: list[ScoredSplit]) -> str:
    parts = [
        f"{each.split} {each.scores}, area under the curve {each.scores.auc:.4f} (95 % interval {each.auc_interval[0]:.3f} to {each.auc_interval[1]:.3f}), calibration error "
        f"{100 * expected_calibration_error(each.bins):.1f} %"
        for each in scored
    ]
    return f"{found.label}, trained on {found.state.data['name']}, on {dataset.name}: {'; '.join(parts)}."
