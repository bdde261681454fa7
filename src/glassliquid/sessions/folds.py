"""Cross-validation over simulations: as many training runs as folds, child runs of one parent, and what they say together.

None of their models is registered: what is judged is the setting, not one of the networks, and with `folds_include_test` these have
seen the simulations that every other model is tested on. A training run without folds makes the model to use.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from glassliquid.datasets.description import Dataset
from glassliquid.datasets.folds import FOLDS_STREAM, folded
from glassliquid.ensembles.split import Split
from glassliquid.evaluation.cross_validation import Pooled, Tested, pool
from glassliquid.evaluation.scores import Scores
from glassliquid.files import csv_text
from glassliquid.layout import Layout
from glassliquid.sessions.conclusion import score_best
from glassliquid.sessions.hand_over import Trained
from glassliquid.sessions.parts import FIGURES, Finished, Part, keep_common, rows_of, train_parts
from glassliquid.sessions.stopping import ending_soon
from glassliquid.sessions.training_job import TrainJob
from glassliquid.sessions.training_run import TrainingSplits, describe_training, load_training_splits, prefixed
from glassliquid.tracking import tag
from glassliquid.tracking.run import TrackedRun
from glassliquid.tracking.stored import read_json_artifact
from glassliquid.training.checkpoint import remove_checkpoints

PREDICTIONS = "test_predictions.json"
"""In the run of a fold: logits, labels and simulations of the images that it tested."""


def cross_validate(job: TrainJob, tracked: TrackedRun, dataset: Dataset, should_stop: Callable[[], bool]) -> str:
    """Train what is missing of `job.folds` folds inside the open parent run; return what was found.

    Fold i has the seed `seed + i - 1`; which simulations it tests follows from the seed alone.

    Raises:
        UserError: there are too few simulations for so many folds, or all of them diverged.
    """
    datasets = folded(dataset, job.folds, job.folds_include_test, job.config.seed)
    describe_training(job, tracked, dataset)
    dealt = {str(place): _dealt(part) for place, part in enumerate(datasets, start=1)}
    tracked.json(dealt, "folds.json")
    # Last: a parent that has this tag can be resumed.
    tracked.tags({tag.FOLDS_INCLUDE_TEST: str(job.folds_include_test).lower(), tag.FOLDS: job.folds})
    print(_plan(job, dataset, datasets[0]), flush=True)

    def load(part: Part) -> TrainingSplits:
        return load_training_splits(datasets[part.number - 1], job.config.model, job.device)

    parts = [_fold(job, number) for number in range(1, job.folds + 1)]
    finished = train_parts(parts, tracked.run_id, load, _conclude, should_stop)
    with ending_soon(should_stop):
        return _summarise(job, tracked, datasets, finished)


def _fold(job: TrainJob, number: int) -> Part:
    config = replace(job.config, seed=job.config.seed + number - 1)
    return Part(
        tag.FOLD, number, job.folds, replace(job, config=config, folds=1, folds_include_test=False), job.run_name
    )


def _conclude(job: TrainJob, tracked: TrackedRun, splits: TrainingSplits, trained: Trained) -> Scores:
    trained.keep_figures(tracked)
    tested = score_best(job, tracked, splits)
    tracked.metrics(prefixed("test", tested.scores))
    values = {"logits": tested.logits, "labels": tested.samples.labels, "simulations": tested.samples.simulations}
    tracked.json({name: array.tolist() for name, array in values.items()}, PREDICTIONS)
    remove_checkpoints(Layout(job.data_dir).runs / tracked.run_id)
    return tested.scores


def _summarise(job: TrainJob, tracked: TrackedRun, datasets: Sequence[Dataset], finished: Finished) -> str:
    """Keep on the parent the accuracy over all simulations, what the folds have in common, and a table."""
    found = pool([_tested(run.run_id) for run in finished.runs], np.random.default_rng([job.config.seed, FOLDS_STREAM]))
    measured = {
        "test_accuracy": found.accuracy,
        "test_accuracy_low": found.interval[0],
        "test_accuracy_high": found.interval[1],
        "test_images": found.images,
        "test_simulations": found.simulations,
        "folds_p_value": found.chance,
    }
    common = keep_common(job, tracked, finished, tag.FOLD, measured)
    rows = [
        {**row, "simulations": len(_dealt(datasets[int(str(row[tag.FOLD])) - 1])[Split.TEST])}
        for row in rows_of(finished, tag.FOLD, (*FIGURES, "test_images", "best_iteration"))
    ]
    tracked.text(csv_text([*rows[0]], ([*row.values()] for row in rows)), "folds.csv")
    missing = " The simulations of the folds that diverged are not included." if finished.diverged else ""
    text = (
        f"{_plan(job, datasets[0], datasets[0])} Accuracy over all of them: {found}.{missing} {_agreement(found)} {common} "
        "No model is registered: train without folds for one."
    )
    tracked.describe(f"{text}\n\n{job.caption}")
    return text


def _plan(job: TrainJob, dataset: Dataset, first: Dataset) -> str:
    dealt = _dealt(first)
    simulations = sum(map(len, dealt.values()))
    own_test = {record.simulation for record in dataset.records if record.split is Split.TEST}
    test = (
        f"the {len(own_test)} of the dataset's own test split are included (folds_include_test=true)"
        if job.folds_include_test
        else f"the {len(own_test)} of the dataset's own test split are left out"
    )
    return (
        f"Cross-validation in {job.folds} folds: each of {simulations} simulations is tested once, by a network that was neither "
        f"trained nor chosen on it; {test}."
    )


def _agreement(found: Pooled) -> str:
    test = f"permutation test, p = {found.chance:.2g}"
    if found.differ:
        return (
            f"The folds differ by more than their simulations explain ({test}), so this interval is for these networks only: what another training "
            "run would reach is given by the interval of the mean over folds."
        )
    return f"The folds differ by no more than their simulations explain ({test})."


def _tested(run_id: str) -> Tested:
    kept = read_json_artifact(run_id, PREDICTIONS)
    return Tested(np.array(kept["logits"]), np.array(kept["labels"]), np.array(kept["simulations"]))


def _dealt(dataset: Dataset) -> dict[str, list[int]]:
    """The simulations of each split of a fold."""
    assert dataset.fold is not None
    splits = dataset.fold.splits
    return {split: sorted(number for number, its in splits.items() if its is split) for split in Split}
