"""size: find how many particles it takes to tell a glass from a liquid of the same energy."""

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from tabulate import tabulate

from glassliquid.commands.main import can_continue, dataset_digest, ensemble_fingerprint
from glassliquid.commands.size_job import SizeJob
from glassliquid.evaluation.comparison import SIGNIFICANCE
from glassliquid.evaluation.size_law import TOLD, SizeLaw, SizePoint, fit_law
from glassliquid.files import csv_text
from glassliquid.layout import Layout
from glassliquid.parameters import changed_texts, positional
from glassliquid.plots.size import size_figure
from glassliquid.tracking.projects import StepResult, run_step
from glassliquid.tracking.run import TrackedRun, tracked_run
from glassliquid.upkeep.housekeeping import housekeeping

VALIDATION, TEST = "val", "test"
FIGURE, TABLE = "size.png", "size.csv"
COLUMNS = (
    *("model", "particles", "samples", "accuracy", "accuracy_low", "accuracy_high"),
    *("auc", "auc_low", "auc_high", "auc_predicted"),
)
HEADER = ("model", "N", "accuracy (95 % interval)", "area under the curve (95 % interval)", "predicted", "samples")


def run(job: SizeJob, project: Path) -> None:
    """Make the data, train and evaluate at every size as child runs, finished ones reused; print a table and the answer.

    Args:
        job: sizes, coolings, networks.
        project: the project's folder.
    """
    layout, sizes = Layout(job.data_dir), sorted(job.sizes)
    with tracked_run("size", f"size {job.name}") as tracked, housekeeping(tracked, layout.runs):
        results = {(model, particles): found for particles in sizes for model, found in _at(job, particles, project)}
        points = {
            split: {model: [_point(split, n, results[model, n].metrics) for n in sizes] for model in job.models}
            for split in (VALIDATION, TEST)
        }
        laws = {split: {model: fit_law(found) for model, found in points[split].items()} for split in points}
        # The model is chosen on validation; what is said of it comes from the test split.
        best = max(job.models, key=lambda model: laws[VALIDATION][model].strength)
        sentence = _sentence(best, laws[TEST][best])
        if job.windows:
            sentence = f"In windows of systems of {sizes[-1]:,} particles: {sentence}"
        _keep(tracked, points[TEST], laws[TEST], sentence)


def _keep(
    tracked: TrackedRun, points: Mapping[str, list[SizePoint]], laws: Mapping[str, SizeLaw], sentence: str
) -> None:
    """Print the table and the answer, and keep them with the figure."""
    rows = [(model, point, laws[model]) for model, found in points.items() for point in found]
    text = f"{tabulate([_row(*row) for row in rows], HEADER, 'github', disable_numparse=True)}\n\n{sentence}"
    needed = {f"particles_needed_{model}": law.particles_needed()[0] for model, law in laws.items()}
    tracked.metrics({name: value for name, value in needed.items() if math.isfinite(value)})
    tracked.tags({"sentence": sentence})
    tracked.figure(size_figure(points, laws, sentence), FIGURE)
    tracked.text(csv_text(COLUMNS, [_values(*row) for row in rows]), TABLE)
    tracked.describe(text)
    print(f"\n{text}\n")


def _at(job: SizeJob, particles: int, project: Path) -> list[tuple[str, StepResult]]:
    """The evaluations of every model at one size."""
    layout = Layout(job.data_dir)
    step = partial(run_step, project, layout.steps)
    # The steps run in the project's folder.
    data_dir = {"data_dir": str(job.data_dir if Path.cwd() == project else job.data_dir.absolute())}
    glasses, matched = job.glasses(particles), job.matched(particles)

    def digest() -> Mapping[str, str]:
        return {"dataset": dataset_digest(layout.dataset(matched.name))}

    def both() -> Mapping[str, str]:
        return {**digest(), "glasses": ensemble_fingerprint(layout, str(glasses.ensemble))}

    step(
        "make_data",
        changed_texts(glasses) | data_dir,
        lambda: {"dataset": dataset_digest(layout.dataset(glasses.name))},
    )
    step("make_data", changed_texts(matched) | data_dir, both)
    found = []
    for model in job.models:
        training = {
            "dataset": matched.name,
            "model": model,
            "iterations": str(job.iterations),
            "batch_size": str(job.batch_size),
            "register_as": "none",
        }
        trained = step("train", training | data_dir, digest, can_resume=partial(can_continue, layout.runs))
        found.append((model, step("evaluate", {"dataset": matched.name, "model": trained.run_id} | data_dir, digest)))
    return found


def _point(split: str, particles: int, metrics: Mapping[str, float]) -> SizePoint:
    return SizePoint(
        particles=particles,
        samples=int(metrics[f"{split}_images"]),
        auc=metrics[f"{split}_auc"],
        interval=(metrics[f"{split}_auc_low"], metrics[f"{split}_auc_high"]),
        accuracy=metrics[f"{split}_accuracy"],
        accuracy_interval=(metrics[f"{split}_accuracy_low"], metrics[f"{split}_accuracy_high"]),
    )


def _values(model: str, point: SizePoint, law: SizeLaw) -> tuple[object, ...]:
    numbers = (point.accuracy, *point.accuracy_interval, point.auc, *point.interval, law.auc(point.particles))
    return (model, point.particles, point.samples, *(positional(round(number, 6)) for number in numbers))


def _row(model: str, point: SizePoint, law: SizeLaw) -> tuple[str, ...]:
    low, high = (100 * bound for bound in point.accuracy_interval)
    return (
        model,
        f"{point.particles:,}",
        f"{100 * point.accuracy:.1f} % ({low:.1f} to {high:.1f})",
        f"{point.auc:.3f} ({point.interval[0]:.3f} to {point.interval[1]:.3f})",
        f"{law.auc(point.particles):.3f}",
        str(point.samples),
    )


def _sentence(model: str, law: SizeLaw) -> str:
    needed, (low, high) = law.particles_needed()
    if math.isinf(needed):
        return f"{model}, the best in validation, does not tell a glass from a liquid of the same energy at any size that was tried."
    if law.freedom and law.chance < SIGNIFICANCE:
        return f"The signal of {model}, the best in validation, does not grow as the square root of N (p = {law.chance:.2g}), so no number of particles follows from it."
    upper = f"to {high:,.0f}" if math.isfinite(high) else "upwards, as there may be no signal at all"
    text = (
        f"It takes N = {needed:,.0f} particles (95 % interval {low:,.0f} {upper}) to tell a glass from a liquid of the same energy with an area "
        f"under the curve of {TOLD}, by {model}, the best in validation, if the signal grows as the square root of N"
    )
    return f"{text}, which is consistent with the data (p = {law.chance:.2f})." if law.freedom else f"{text}."
