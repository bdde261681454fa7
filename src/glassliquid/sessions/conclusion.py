"""What follows a training run that came to its end: its best state is tested, once, logged as a model, and registered."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glassliquid.ensembles.split import Split
from glassliquid.evaluation.fate import Fate, is_at_chance
from glassliquid.evaluation.predict import predict_logits
from glassliquid.evaluation.scores import Scores, score_logits, wilson_interval
from glassliquid.inputs import Samples
from glassliquid.layout import Layout
from glassliquid.models.network import Network
from glassliquid.sessions.beside import beside
from glassliquid.sessions.evidence import keep_evidence
from glassliquid.sessions.hand_over import FIGURES, Trained, keep_figures
from glassliquid.sessions.training_job import TrainJob
from glassliquid.sessions.training_run import TrainingSplits, prefixed
from glassliquid.tracking import logged_models, registry
from glassliquid.tracking.addresses import best_model
from glassliquid.tracking.find_model import run_checkpoint
from glassliquid.tracking.run import TrackedRun
from glassliquid.training.checkpoint import BEST, State, remove_checkpoints
from glassliquid.training.found_model import restore_model
from glassliquid.training.trainer import Outcome


@dataclass(frozen=True)
class ScoredBest:
    """The best state of a finished training on its test split."""

    state: State
    model: Network
    samples: Samples
    logits: NDArray[np.floating]
    scores: Scores


def score_best(job: TrainJob, tracked: TrackedRun, splits: TrainingSplits) -> ScoredBest:
    """Test the best state of a finished training, and keep what it has learned in the run; the scores are the caller's to keep."""
    state = run_checkpoint(tracked.run_id, BEST, Layout(job.data_dir).runs)
    model = restore_model(state)
    samples = model.reads.load(splits.dataset, Split.TEST, splits.device)
    logits = predict_logits(model.to(splits.device), samples.values, splits.device)
    scores = score_logits(logits, samples.labels)
    keep_evidence(tracked, [model.evidence()], job.caption)
    return ScoredBest(state, model, samples, logits, scores)


@dataclass(frozen=True)
class Concluded:
    """What followed a training run."""

    test: Scores
    """Of its best state, on the test split."""
    model_uri: str
    """Address of its logged model."""
    registered: str
    """What became of that, in a sentence; empty if the job was not to register it yet."""


def conclude_run(
    job: TrainJob,
    tracked: TrackedRun,
    splits: TrainingSplits,
    trained: Trained | None = None,
    accuracy: float | None = None,
) -> Concluded:
    """Test the best state of a finished training, once, and log its model to the active run, unless that was done already.

    The checkpoints of the run, which the tracking store has by now, are removed from this machine.

    Args:
        job: what was trained.
        tracked: the run.
        splits: the samples.
        trained: its figures, which are drawn while the stores take the model; None if they are drawn already.
        accuracy: its best validation accuracy, with which the model is registered; None leaves that for later.
    """
    with beside(lambda: logged_models.find_or_announce(tracked)) as announced:
        tested = score_best(job, tracked, splits)
    found = {name: value for name, value in tracked.opened.data.metrics.items() if name in FIGURES}
    # The stores get the scores with the model: a point of its own page is one of the run.
    measured = {**found, **prefixed("test", tested.scores)}
    with logged_models.written_model(tested.model, tested.state, announced()) as written:

        def keep() -> tuple[str, str]:
            address = logged_models.send_model(written, tracked, measured)
            if accuracy is None:
                return address, ""
            return address, register_best(job, address, tracked.run_id, measured, splits, accuracy)

        with beside(keep) as kept:
            figures = {} if trained is None else trained.draw()
        model_uri, registered = kept()
    keep_figures(tracked, figures)
    remove_checkpoints(Layout(job.data_dir).runs / tracked.run_id)
    return Concluded(tested.scores, model_uri, registered)


def register_best(
    job: TrainJob, model_uri: str, run_id: str, scores: Mapping[str, float], splits: TrainingSplits, accuracy: float
) -> str:
    """Register a logged model as the job asks; return a sentence that says what became of it.

    A model that is no better than chance is registered without the dataset's alias.

    Args:
        job: what was asked for.
        model_uri: address of the logged model.
        run_id: its training run.
        scores: that run's final figures.
        splits: what it was trained on.
        accuracy: its best validation accuracy.
    """
    if job.register_as is None:
        return "Not registered."
    dataset, is_better = splits.dataset, not is_at_chance(accuracy, splits.validation_images, splits.chance)
    reads = splits.data.reads.name
    version, holder = registry.register(model_uri, job.register_as, run_id, dataset, accuracy, is_better, reads, scores)
    alias = best_model(dataset.name, job.register_as)
    registered = f"Registered as {job.register_as} v{version}"
    if not is_better:
        images = splits.validation_images
        right = round(accuracy * images)
        low, high = (100 * bound for bound in wilson_interval(right, images))
        return (
            f"{registered}, without the alias {alias}: its validation accuracy, {100 * accuracy:.2f} % ({right} of {images}, "
            f"95 % interval {low:.1f} to {high:.1f} %), is no better than chance ({100 * splits.chance:.1f} %)."
        )
    return registered + (f", now {alias}." if holder == version else f"; {alias} is v{holder}.")


def headline(outcome: Outcome, test: Scores, fate: Fate) -> str:
    """What a finished training found, in one or two sentences."""
    progress = outcome.progress
    told = {Fate.STAYED: "", Fate.COLLAPSED: " The run collapsed.", Fate.NEVER_LEARNED: " The run never learned."}
    early = "" if not outcome.ended_early else f" Ended early after {outcome.iteration} iterations."
    return (
        f"Best validation accuracy {100 * progress.best_accuracy:.2f} % in iteration {progress.best_iteration}; test accuracy "
        f"of that checkpoint {test}; largest drop {100 * progress.largest_drop:.1f} %.{told[fate]}{early}"
    )
