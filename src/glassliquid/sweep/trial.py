"""One trial: a training run with the settings that Optuna suggests, in a run of its own, whose validations the pruner sees."""

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from glassliquid.errors import Stopped, UserError, first_line_of
from glassliquid.evaluation.fate import Fate, worst
from glassliquid.evaluation.spread import spread
from glassliquid.layout import Layout
from glassliquid.plots.training import replicates_figure
from glassliquid.scratch import temporary_files_apart
from glassliquid.sessions.training_job import TrainJob
from glassliquid.sessions.training_run import TrainingSplits, describe_training, fate_in, train_in_run
from glassliquid.sweep.algorithms import SAMPLERS
from glassliquid.sweep.job import SweepJob
from glassliquid.sweep.space import configured
from glassliquid.sweep.storage import StorageLost
from glassliquid.sweep.study import ERROR, State, Study
from glassliquid.tracking import tag
from glassliquid.tracking.metrics import MetricJournal
from glassliquid.tracking.run import TrackedRun, tracked_run
from glassliquid.tracking.store import TrackingLost
from glassliquid.training.checkpoint import remove_checkpoints
from glassliquid.training.config import TrainConfig
from glassliquid.training.progress import Progress
from glassliquid.upkeep.stale_runs import mark_killed

TAG_STUDY = "study"
RUN, MODEL_RUN, SECONDS, FATE = "run_id", "model_run", "seconds", "fate"
"""Beside a trial in the study: its MLflow run, the run of its best model (another one if there are repeats), how long its
training took, and what became of it."""


class Pruned(Stopped):
    """The pruner has given the trial up."""


class TakenForDead(Stopped):
    """Another command has taken the trial for dead, and it is run again there."""


class Untrainable(Exception):
    """These settings cannot be trained."""


@dataclass(frozen=True)
class TrialRunner:
    """Runs trials of a study, one after the other."""

    job: SweepJob
    study: Study
    """With the pruner that the trials are to have."""
    parent_run: str
    splits: TrainingSplits
    should_stop: Callable[[], bool]

    def run_next(self) -> None:
        """Let Optuna choose a trial and run it; one that another command took for dead meanwhile does not count.

        Raises:
            Stopped: `should_stop` answered True.
            UserError: the tracking store or the study's storage is lost.
        """
        trial = self.study.optuna.ask()
        state, value, taken = TrialState.FAIL, None, False
        try:
            if (slot := self.study.begin(trial, self.job.slots)) is not None:
                state, value = self._run(trial, slot)
        except (UpdateFinishedTrialError, TakenForDead):
            taken = True
        except StorageLost:
            raise  # so nobody can be told
        except Exception:
            self._tell(trial, state)
            raise
        ended = self._tell(trial, state, value)
        if (taken or ended.state != state) and RUN in ended.user_attrs:
            mark_killed(str(ended.user_attrs[RUN]))

    def _tell(self, trial: optuna.Trial, state: TrialState, value: float | None = None) -> FrozenTrial:
        """End a trial, unless another command has; it as it is now."""
        try:
            return self.study.optuna.tell(trial, value, state, skip_if_finished=True)
        except UpdateFinishedTrialError:  # the other one was quicker by a moment
            return self.study.optuna.tell(trial, value, state, skip_if_finished=True)

    def _run(self, trial: optuna.Trial, slot: int) -> tuple[TrialState, float | None]:
        """Train one trial; how it ended, and with which accuracy."""
        job, began = self.job, time.monotonic()
        self.study.optuna.sampler = SAMPLERS.get(job.sampler)(job.space, job.config.seed, slot)
        settings = job.space.suggest(trial)
        name = ", ".join(f"{name} {value:.4g}" for name, value in settings.items())
        reports = ValidationReports(trial, job.config.iterations)
        tags = {TAG_STUDY: self.study.name, tag.TRIAL_STATE: State.RUNNING}
        try:
            with (
                temporary_files_apart(),
                tracked_run("trial", f"trial {trial.number}: {name}", parent=self.parent_run, tags=tags) as tracked,
            ):
                trial.set_user_attr(RUN, tracked.run_id)
                facts = self._train_tagged(trial, configured(job.config, settings), tracked, reports)
        except Pruned:
            _note(trial, {"best": reports.best, SECONDS: time.monotonic() - began})
            return TrialState.PRUNED, None
        except Untrainable as error:
            _note(trial, {ERROR: str(error)})
            return TrialState.FAIL, None
        # The run is closed first: whoever finds the study's trial unfinished marks its run as well.
        _note(trial, {**facts, SECONDS: time.monotonic() - began})
        return TrialState.COMPLETE, float(facts["value"])

    def _train_tagged(
        self, trial: optuna.Trial, config: TrainConfig, tracked: TrackedRun, reports: "ValidationReports"
    ) -> dict[str, Any]:
        """Train in the open run of a trial, whose tags say what becomes of it."""
        try:
            train = self._train if self.job.repeats == 1 else self._train_repeats
            facts = train(trial, config, tracked, reports)
        except Pruned:
            tracked.metrics({"best_val_accuracy": reports.best})
            tracked.tags({tag.TRIAL_STATE: State.PRUNED})
            raise
        except Stopped:
            tracked.tags({tag.TRIAL_STATE: State.KILLED})
            raise
        except Untrainable as error:
            tracked.tags({tag.TRIAL_STATE: State.FAILED})
            tracked.note_error(str(error))
            raise
        tracked.tags({tag.TRIAL_STATE: State.COMPLETE})
        return facts

    def _train(
        self, trial: optuna.Trial, config: TrainConfig, tracked: TrackedRun, reports: "ValidationReports"
    ) -> dict[str, Any]:
        """The value of a trial and what is to be known beside it."""
        found = self._train_once(self.job.training(config, str(trial.number)), tracked, reports)
        return {
            "value": found.best_accuracy,
            "loss": found.best_loss,
            "largest_drop": found.largest_drop,
            "best_iteration": found.best_iteration,
            FATE: fate_in(self.splits, found),
            "model_accuracy": found.best_accuracy,
            MODEL_RUN: tracked.run_id,
        }

    def _train_repeats(
        self, trial: optuna.Trial, config: TrainConfig, tracked: TrackedRun, reports: "ValidationReports"
    ) -> dict[str, Any]:
        """Train the trial's seeds one after another as child runs; the trial's own figures and curves are their means."""
        sweep, all_seeds = self.job, self.job.training(config, str(trial.number))
        describe_training(all_seeds, tracked, self.splits.dataset)
        found: list[tuple[str, Progress]] = []
        for number in range(1, sweep.repeats + 1):
            one = replace(config, seed=config.seed + number - 1)
            job = replace(sweep.training(one, f"{trial.number}.{number}"), repeats=1)
            name = f"seed {one.seed}, trial {job.run_name}"
            study = {TAG_STUDY: self.study.name}
            with tracked_run("replicate", name, parent=tracked.run_id, tags=study) as child:
                found.append((child.run_id, self._train_once(job, child, reports)))
        best_run, best = max(found, key=lambda pair: (pair[1].best_accuracy, -pair[1].best_loss))
        each = [progress for _, progress in found]
        values, drop = spread([one.best_accuracy for one in each]), max(one.largest_drop for one in each)
        fates = [fate_in(self.splits, one) for one in each]
        collapsed = str(any(one.collapsed for one in each)).lower()
        tracked.record(
            tags={"collapsed": collapsed, tag.FATE: worst(fates), "repeats": len(each)},
            metrics={
                "best_val_accuracy": values.mean,
                "best_val_accuracy_std": values.deviation,
                "final_val_accuracy": _mean([one.last_accuracy or 0.0 for one in each]),
                "largest_drop": drop,
                **{f"{fate.replace(' ', '_')}_runs": fates.count(fate) for fate in Fate},
            },
        )
        curves = reports.curves[: len(each)]
        _keep_mean_curves(MetricJournal(tracked.run_id, _runs(sweep) / tracked.run_id, is_new=True), curves)
        pairs = zip(curves, fates, strict=True)
        histories = {
            f"seed {config.seed + place}": (_history(curve), fate) for place, (curve, fate) in enumerate(pairs)
        }
        tracked.figure(replicates_figure(histories, all_seeds.caption), "replicates.png")
        return {
            "value": values.mean,
            "low": values.interval_of_share[0],
            "high": values.interval_of_share[1],
            "loss": _mean([one.best_loss for one in each]),
            "largest_drop": drop,
            "best_iteration": best.best_iteration,
            FATE: worst(fates),
            "model_accuracy": best.best_accuracy,
            MODEL_RUN: best_run,
        }

    def _train_once(self, job: TrainJob, tracked: TrackedRun, reports: "ValidationReports") -> Progress:
        try:
            trained = train_in_run(job, tracked, self.splits, self.should_stop, observe=reports)
            trained.keep_figures(tracked)
        except (TrackingLost, StorageLost):
            raise
        except (UserError, RuntimeError, MemoryError) as error:
            # A loss that is not finite, a batch that does not fit the GPU: the next trial may well do better.
            if isinstance(error, UserError):
                raise Untrainable(str(error)) from error
            traceback.print_exc()
            raise Untrainable(f"{type(error).__name__}: {first_line_of(error)}"[:500]) from error
        finally:
            # The tracking store has those of a finished training; a trial that was stopped begins from the start.
            remove_checkpoints(_runs(job) / tracked.run_id)
        reports.next_seed()
        return trained.outcome.progress


@dataclass
class ValidationReports:
    """Sees the metrics of every iteration and reports validations to the pruner.

    With repeats the reported value is the mean over the seeds so far, and the step counts on from seed to seed.
    """

    trial: optuna.Trial
    iterations: int
    curves: list[dict[int, Mapping[str, float]]] = field(default_factory=lambda: [{}])
    """The curves of each seed."""
    finished: list[float] = field(default_factory=list)
    """The best accuracies of the seeds that are done."""
    best: float = 0.0
    """The best accuracy of the present seed."""

    def __call__(self, iteration: int, metrics: Mapping[str, float]) -> None:
        """Take an iteration's metrics; Pruned if the pruner wants no more."""
        self.curves[-1][iteration] = dict(metrics)
        if (accuracy := metrics.get("val_accuracy")) is None:
            return
        self.best = max(self.best, accuracy)
        try:
            self.trial.report(_mean([*self.finished, accuracy]), len(self.finished) * self.iterations + iteration)
            is_hopeless = self.trial.should_prune()
        except UpdateFinishedTrialError as error:
            raise TakenForDead("Another command found no sign of life of this trial and closed it.") from error
        if is_hopeless:
            raise Pruned

    def next_seed(self) -> None:
        """The seed is done."""
        self.finished.append(self.best)
        self.best = 0.0
        self.curves.append({})


def _note(trial: optuna.Trial, facts: Mapping[str, Any]) -> None:
    for key, value in facts.items():
        trial.set_user_attr(key, value)


def _keep_mean_curves(journal: MetricJournal, curves: list[dict[int, Mapping[str, float]]]) -> None:
    for iteration in sorted(set.intersection(*(set(curve) for curve in curves))):
        points = [curve[iteration] for curve in curves]
        journal.record(iteration, {key: _mean([point[key] for point in points]) for key in points[0]})
    journal.close()


def _history(curve: Mapping[int, Mapping[str, float]]) -> dict[str, list[tuple[int, float]]]:
    history: dict[str, list[tuple[int, float]]] = {}
    for iteration, metrics in curve.items():
        for key, value in metrics.items():
            history.setdefault(key, []).append((iteration, value))
    return history


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _runs(job: SweepJob | TrainJob) -> Path:
    return Layout(job.data_dir).runs
