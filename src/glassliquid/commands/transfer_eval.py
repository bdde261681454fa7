"""transfer_eval: how saved models do on data that they were not trained on, and where they stop working.

Either along the cooling of an ensemble, at liquid indices that are drawn in memory, or on datasets. Only simulations that
a model was never trained on are used; in its own ensemble those are the validation and the test simulations. The
validation split has chosen the model's checkpoint, by its images at the training's own two indices: the figure at that
one index, marked as training data everywhere, is a choice among few and may be too good by a trifle; all others are not.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from glassliquid.command_line import option
from glassliquid.commands.jobs import TransferJob, brief
from glassliquid.datasets.description import open_dataset
from glassliquid.datasets.make import check_both_classes
from glassliquid.ensembles.ensemble import open_ensemble
from glassliquid.ensembles.thermodynamics import measured_transition
from glassliquid.errors import UserError
from glassliquid.evaluation.comparison import STRUCTURE
from glassliquid.evaluation.transfer_summary import (
    FIGURE,
    ModelTransfer,
    beside_linear,
    comparison_table,
    csv_table,
    markdown_table,
    reach,
    sentence,
)
from glassliquid.evaluation.unseen import trained_recipe
from glassliquid.layout import Layout
from glassliquid.physics.protocol import temperature
from glassliquid.plots import transfer as plots
from glassliquid.plots.cooling import ASSUMED, Mark, mark_of
from glassliquid.sessions.baseline import baseline_of, lacking
from glassliquid.sessions.transfer_trials import CoolingTrial, DatasetsTrial, Subject, Trial
from glassliquid.tracking import tag
from glassliquid.tracking.find_model import find_model
from glassliquid.tracking.run import TrackedRun, tracked_run
from glassliquid.training.device import choose_device
from glassliquid.training.found_model import FoundModel
from glassliquid.upkeep.housekeeping import housekeeping

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STAGE = "transfer_eval"
TABLE, MATRIX = "transfer.csv", "matrix.png"
LONGEST_NAME = 200


def run(job: TransferJob) -> None:
    """Try every model, print what was found, and keep it in MLflow; several models get a child run each."""
    layout = Layout(job.data_dir)
    with tracked_run(STAGE, run_name(job)) as tracked, housekeeping(tracked, layout.runs):
        subjects = []
        for name in job.model:
            found = find_model(name, layout.runs)
            subjects.append(Subject(name, found, trained_recipe(found)))
        subjects = _told_apart(subjects)
        trials = _trials(job, subjects, layout)
        marks = [_mark(trial) for trial in trials]
        device = choose_device("auto")
        results: list[ModelTransfer] = []
        lines: dict[str, ModelTransfer] = {}
        for subject, trial, mark in zip(subjects, trials, marks, strict=True):
            with _own_run(tracked, subject, several=len(subjects) > 1) as own:
                result = trial.run(device)
                trial.link(own, result)
                own.tags({"model": subject.name, "model_label": subject.found.label})
                result, line = _beside(trial, result, baseline_of(subject.found, job.data_dir, own))
                _keep(own, result, line, mark)
                results.append(result)
                lines |= {} if line is None else {line.trained_on: line}
        if len(results) > 1 or job.datasets:
            _keep_all(tracked, results, list(lines.values()), job, marks[0])


def _beside(
    trial: Trial, result: ModelTransfer, baseline: FoundModel | str | None
) -> tuple[ModelTransfer, ModelTransfer | None]:
    """A result with what the linear model on g(r) does there, or with a note why that is not known; and that model's own result."""
    note = baseline if isinstance(baseline, str) else None
    if isinstance(baseline, FoundModel):
        try:
            linear = trial.again(baseline, result).run(choose_device("cpu"))
            return beside_linear(result, linear), linear
        except UserError as error:  # a dataset has no particles
            note = lacking(error)
    return (result if note is None else replace(result, notes=(note, *result.notes))), None


def _told_apart(subjects: list[Subject]) -> list[Subject]:
    """Models that would be called the same, as two files `best.safetensors`, are called what the user typed."""
    labels = [subject.found.label for subject in subjects]
    return [
        replace(each, found=replace(each.found, label=each.name)) if labels.count(each.found.label) > 1 else each
        for each in subjects
    ]


def _own_run(tracked: TrackedRun, subject: Subject, several: bool) -> AbstractContextManager[TrackedRun]:
    """Where a model's results go: the run itself, or a child run if there are several models."""
    if not several:
        return nullcontext(tracked)
    return tracked_run(STAGE, f"{STAGE} {subject.found.label}", parent=tracked.run_id)


def run_name(job: TransferJob) -> str:
    """What the run is called."""
    where = listed_briefly(job.datasets) if job.datasets else job.ensemble or "the cooling"
    models = [brief(name) for name in job.model]
    return f"transfer_eval {listed_briefly(models)} on {where}"


def listed_briefly(names: Sequence[str]) -> str:
    """The names, cut where a run's name would become unreadable."""
    text = ", ".join(names)
    return text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]} ..."


def _trials(job: TransferJob, subjects: Sequence[Subject], layout: Layout) -> list[Trial]:
    """A trial a model; raises UserError for the first that cannot be made."""
    if job.datasets:
        datasets = [check_both_classes(open_dataset(layout.dataset(name))) for name in job.datasets]
        return [DatasetsTrial(subject, datasets, layout) for subject in subjects]
    names = {job.ensemble} if job.ensemble else {subject.trained.ensemble for subject in subjects}
    if len(names) > 1:
        raise UserError(
            f"The models were trained on different ensembles ({', '.join(sorted(names))}): choose the one to try them on with "
            f"{option('ensemble', 'NAME')}."
        )
    ensemble = open_ensemble(layout.ensemble(names.pop()))
    return [CoolingTrial(subject, ensemble, job.liquids, job.glass, job.find_breakdown, layout) for subject in subjects]


def _mark(trial: Trial) -> Mark:
    """Where figures mark T_g: where it was measured in the ensemble that is scanned."""
    return mark_of(measured_transition(trial.ensemble)) if isinstance(trial, CoolingTrial) else ASSUMED


def _keep(tracked: TrackedRun, result: ModelTransfer, line: ModelTransfer | None, mark: Mark) -> None:
    """Sentence, table and figure of one model, with the linear model on g(r)."""
    headline = sentence(result)
    table = markdown_table(result.rows)
    text = "\n\n".join([headline, *result.notes, table])
    tracked.describe(text)
    tracked.tags({tag.SENTENCE: headline})
    tracked.text(csv_table(result.rows), TABLE)
    if result.scan is not None:
        linear = None if line is None else line.scan
        figure = plots.transfer_figure(result.scan, result.trained.liquid, result.trained.glass, headline, mark, linear)
        tracked.figure(figure, FIGURE)
    # On a screen what matters most comes last.
    print("\n" + "\n\n".join([table, *result.notes, headline]), flush=True)


def _keep_all(
    tracked: TrackedRun, results: Sequence[ModelTransfer], lines: Sequence[ModelTransfer], job: TransferJob, mark: Mark
) -> None:
    """The matrix of all models, the linear ones behind, and all data: heat map, curves, table, sentences."""
    # Who tries `structure` itself sees it once.
    own = {result.trained_on for result in results if result.network == STRUCTURE}
    beside = [line for line in lines if line.trained_on not in own]
    shown = [
        replace(result, rows=tuple(row for row in result.rows if _is_column(row.liquid, job)))
        for result in (*results, *beside)
    ]
    points = [[row.point for row in result.rows] for result in shown]
    models = [f"{result.label}\n{result.network},\n{result.trained_on}" for result in shown]
    data = [f"{row.data}\nT = {temperature(row.liquid):.3g}" for row in shown[0].rows]
    tracked.figure(plots.matrix_figure(points, models, data), MATRIX)
    if len(results) > 1 and not job.datasets:
        tracked.figure(_curves(results, beside, mark), FIGURE)
    tracked.text(csv_table(row for result in results for row in result.rows), TABLE)
    sentences, table = "\n\n".join(sentence(result) for result in results), comparison_table(shown)
    said = "\n\n".join(part for result in results for part in (sentence(result), *result.notes))
    tracked.describe(f"{said}\n\n{table}")
    tracked.tags({tag.SENTENCE: sentences})
    print(f"\n{table}\n\n{sentences}", flush=True)


def _curves(results: Sequence[ModelTransfer], beside: Sequence[ModelTransfer], mark: Mark) -> "Figure":
    """All models in one figure."""
    shown = []
    for result in (*results, *beside):
        assert result.scan is not None
        name = f"{result.label}\n{result.network}, {result.trained_on}\n{reach(result)}"
        shown.append(plots.Compared(name, result.scan, result.trained.liquid, result in beside))
    simulations = sorted({row.point.simulations for result in results for row in result.rows})
    count = " and ".join(map(str, simulations))
    return plots.comparison_figure(
        shown, f"{len(results)} models in {count} simulations that they were not trained on", mark
    )


def _is_column(liquid: int, job: TransferJob) -> bool:
    """Whether all models were tried there: the bisection looks at other indices for each."""
    return bool(job.datasets) or job.liquids is None or liquid in job.liquids
