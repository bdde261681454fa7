"""The physicist's line: the linear model on g(r) and other structure, trained on the same data as a network whose scores it stands beside."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from glassliquid.datasets.description import Dataset, open_dataset
from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError
from glassliquid.evaluation.comparison import LINEAR, STRUCTURE
from glassliquid.layout import Layout
from glassliquid.scratch import scratch_folder
from glassliquid.sessions.evidence import keep_evidence
from glassliquid.sessions.training_display import TrainingDisplay
from glassliquid.sessions.training_job import TrainJob
from glassliquid.sessions.training_run import (
    TrainingSplits,
    load_training_splits,
    prefixed,
    score_samples,
    train_in_run,
)
from glassliquid.tracking import tag
from glassliquid.tracking.find_model import run_checkpoint
from glassliquid.tracking.run import TrackedRun, tracked_run
from glassliquid.tracking.store import TrackingLost
from glassliquid.tracking.stored import stored_where
from glassliquid.training.checkpoint import BEST, State, UnusableCheckpoint, load_checkpoint, remove_checkpoints
from glassliquid.training.config import TrainConfig
from glassliquid.training.found_model import FoundModel, restore_model
from glassliquid.training.trainer import Trainer

STAGE = "baseline"
EVIDENCE_SEEDS = 5
"""So many seeds give the intervals of what each feature says; the model is that of the first."""


def baseline_of(found: FoundModel, data_dir: Path, tracked: TrackedRun) -> FoundModel | str | None:
    """The linear model on the training data of a network.

    It is found by its tag in the experiment of the open run, or else trained, as a child of the open run and not registered.

    Returns:
        The model; or a sentence that says why there is none; or None if the network is such a model itself.
    """
    if found.state.config.model == STRUCTURE:
        return None
    name, digest = str(found.state.data["name"]), found.state.data["digest"]
    try:
        dataset = open_dataset(Layout(data_dir).dataset(name))
        if dataset.digest != digest:
            raise UserError(f"The dataset {name} is no longer the same (digest {dataset.digest}, not {digest}).")
        state = _trained_before(dataset, data_dir, tracked) or _train(dataset, data_dir, tracked)
        return FoundModel(restore_model(state), state, LINEAR, None)
    except TrackingLost:
        raise
    except UserError as error:
        return lacking(error)


def lacking(error: UserError) -> str:
    """Why no linear model stands beside a network, in a sentence."""
    return f"There is no {LINEAR} to compare with. {error}"


def _trained_before(dataset: Dataset, data_dir: Path, tracked: TrackedRun) -> State | None:
    condition = f"tags.`{tag.BASELINE}` = '{dataset.digest}' AND attributes.status = 'FINISHED'"
    for run in reversed(stored_where(condition, [tracked.experiment_id])):
        try:
            state = run_checkpoint(run.run_id, BEST, Layout(data_dir).runs)
            restore_model(state)
        except UnusableCheckpoint:  # its files are gone, or it reads another list of features
            continue
        return state
    return None


def _train(dataset: Dataset, data_dir: Path, tracked: TrackedRun) -> State:
    batch_size = min(TrainConfig().batch_size, len(dataset.split_range(Split.TRAIN)))
    config = TrainConfig(model=STRUCTURE, batch_size=batch_size, augment=False)
    job = TrainJob(dataset=dataset.name, config=config, register_as=None, device="cpu", data_dir=data_dir)
    splits = load_training_splits(dataset, STRUCTURE, job.device)
    with tracked_run(
        STAGE, f"{STRUCTURE} {dataset.name}", parent=tracked.run_id, tags={tag.BASELINE: dataset.digest}
    ) as own:
        display = TrainingDisplay("Training the linear model on g(r)", tells_size=False)
        train_in_run(job, own, splits, lambda: False, display=display).keep_figures(own)
        folder = Layout(data_dir).runs / own.run_id
        state = run_checkpoint(own.run_id, BEST, folder.parent)
        model = restore_model(state)
        test = model.reads.load(dataset, Split.TEST, splits.device)
        own.metrics(prefixed("test", score_samples(model, test, splits.device)))
        others = [_evidence(replace(config, seed=seed), splits) for seed in range(1, EVIDENCE_SEEDS)]
        keep_evidence(own, [model.evidence(), *others], replace(job, repeats=EVIDENCE_SEEDS).caption)
    remove_checkpoints(folder)
    return state


def _evidence(config: TrainConfig, splits: TrainingSplits) -> dict[str, float]:
    """What the linear model learns from another seed; nothing else is kept of that training run."""
    with scratch_folder() as folder:
        Trainer(config, splits.data, splits.validate, _Nobody(), folder, STAGE).train(lambda: False)
        return restore_model(load_checkpoint(folder / BEST)).evidence()


class _Nobody:
    """A recorder that keeps nothing."""

    def record(self, iteration: int, metrics: Mapping[str, float]) -> None:
        """Pass over the metrics."""
