"""transition: where an ensemble becomes a glass: by its energies, by learning by confusion, and by P(glass) of a network.

Everything that takes long is kept as soon as it is there: inherent structures beside the ensemble, what a training run has
found below `transitions/` in data_dir. So the same command, run again, continues with what is missing.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from glassliquid.datasets.description import Recipe
from glassliquid.ensembles.ensemble import Ensemble
from glassliquid.ensembles.thermodynamics import MeasuredTransition, cooling_rate, record_transition
from glassliquid.ensembles.workers import LocalPool, WorkerPool, worker_count
from glassliquid.errors import UserError
from glassliquid.evaluation.confusion import ConfusionCurve, confusion_curve
from glassliquid.evaluation.cooling_rate import rate_dependence
from glassliquid.evaluation.glass_transition import (
    GlassTransition,
    NoTransition,
    find_glass_transition,
)
from glassliquid.evaluation.order_parameter import OrderParameter, order_parameter
from glassliquid.evaluation.scan import SEED
from glassliquid.evaluation.transition_summary import (
    Findings,
    RateStudy,
    answers_csv,
    answers_table,
    curves_csv,
    metrics,
    sentence,
)
from glassliquid.files import locked
from glassliquid.layout import Layout
from glassliquid.memory import keep_freed_memory
from glassliquid.plots.transition import Points, transition_figure
from glassliquid.progress_bar import progress_bar
from glassliquid.sessions.cooling_samples import CoolingSamples, cooling_samples
from glassliquid.sessions.transition_data import (
    EnergyCurve,
    chosen_guesses,
    energy_curves,
    learning_part,
    open_ensembles,
    require_inherent,
    samples_of,
)
from glassliquid.sessions.transition_job import TransitionJob
from glassliquid.sessions.transition_learning import Learner, answers_of_ends, answers_of_guesses, fingerprint
from glassliquid.settings import stored
from glassliquid.tracking import tag
from glassliquid.tracking.run import TrackedRun, tracked_run
from glassliquid.training.config import TrainConfig
from glassliquid.training.device import choose_device
from glassliquid.upkeep.housekeeping import housekeeping

STAGE = "transition"
BASELINE = "structure"
"""The linear model on g(r) and other structure, which learns beside the network."""
LONGER = 10
"""So many times as long as the network it is trained: it learns slowly, and each of its iterations takes a sixtieth of the time."""
FIGURE, TABLE, CURVES = "transition.png", "transition.csv", "curves.csv"


@dataclass(frozen=True)
class Measured:
    """The energies of one ensemble and what they say."""

    ensemble: Ensemble
    curves: tuple[EnergyCurve, ...]
    results: tuple[GlassTransition | NoTransition, ...]

    @property
    def transition(self) -> GlassTransition | None:
        """The first energy in which two branches cross."""
        return next((each for each in self.results if isinstance(each, GlassTransition)), None)


def run(job: TransitionJob) -> None:
    """Find the three answers, print them, and keep them in MLflow and beside the ensembles."""
    device = choose_device(job.device)
    if device.type == "cpu":
        keep_freed_memory()
    name = f"{STAGE} {', '.join(job.ensembles)}"
    with tracked_run(STAGE, name) as tracked, housekeeping(tracked, Layout(job.data_dir).runs):
        with LocalPool(worker_count(None)) as pool:
            ensembles = open_ensembles(job, pool)
            parts = [learning_part(job, ensemble) for ensemble in ensembles]
            guesses = chosen_guesses(job, ensembles[0])
            snapshots = samples_of(ensembles[0], guesses)
            measured = [
                _measure(job, ensemble, part, snapshots if part is parts[0] else (), pool)
                for ensemble, part in zip(ensembles, parts, strict=True)
            ]
            data, notes = _samples(job, parts[0], snapshots, pool)
        learners = {each: _learner(job, parts[0], each, samples, device) for each, samples in data.items()}
        curves, order = _learn(job, learners, guesses)
        found = Findings(
            ensemble=ensembles[0].name,
            model=job.model,
            inherent=job.inherent,
            energies=measured[0].results,
            curves=curves,
            order=order,
            rates=_rate_study(measured),
            notes=(*notes, *_notes(job, measured)),
        )
        _keep(tracked, job, measured, found)


def _measure(
    job: TransitionJob, ensemble: Ensemble, part: Ensemble, snapshots: Sequence[int], pool: WorkerPool
) -> Measured:
    """T_g of one ensemble, which is kept beside it."""
    if job.inherent:
        # Of the others too: T_g of different energies cannot be compared.
        require_inherent(part, snapshots, pool)
    curves = tuple(energy_curves(ensemble, part))
    results = tuple(
        find_glass_transition(each.energies, each.temperatures, each.observable, np.random.default_rng(SEED))
        for each in curves
    )
    found = Measured(ensemble, curves, results)
    record_transition(ensemble, None if found.transition is None else _as_stored(ensemble, found.transition))
    return found


def _as_stored(ensemble: Ensemble, transition: GlassTransition) -> MeasuredTransition:
    low, high = transition.range
    return MeasuredTransition(
        ensemble_digest=ensemble.digest,
        observable=transition.observable.name,
        temperature=transition.temperature,
        low=low,
        high=high,
    )


def _samples(
    job: TransitionJob, part: Ensemble, snapshots: Sequence[int], pool: WorkerPool
) -> tuple[dict[str, CoolingSamples], list[str]]:
    """What each network reads, and a note if there are no features for the linear model."""
    recipe = Recipe(
        source="simulate" if part.origin is None else "trajectories",
        ensemble=part.name,
        ensemble_digest=part.digest,
        liquid=snapshots[0],
        glass=snapshots[-1],
        image_size=job.image_size,
        window=1.0,
        inherent=job.inherent,
    )
    data: dict[str, CoolingSamples] = {}
    notes = []
    for model in dict.fromkeys((job.model, BASELINE)):
        try:
            with progress_bar(f"preparing {part.name} for {model}", "simulations") as progress:
                data[model] = cooling_samples(part, part.simulations, snapshots, model, recipe, pool, progress)
        except UserError as error:
            if model == job.model:
                raise
            notes.append(f"{BASELINE} was not trained beside {job.model}. {error}")
    return data, notes


def _learner(job: TransitionJob, part: Ensemble, model: str, samples: CoolingSamples, device: torch.device) -> Learner:
    iterations = LONGER * job.iterations if model == BASELINE else job.iterations
    config = TrainConfig(
        model=model,
        batch_size=job.batch_size,
        iterations=iterations,
        eval_every=iterations,
        schedule="linear",
        augment=model != BASELINE,
    )
    key = fingerprint(
        {
            "ensemble": part.digest,
            "simulations": [each.number for each in part.simulations],
            "snapshots": samples.snapshots,
            "data": samples.identity,
            "config": stored(config),
        }
    )
    return Learner(config, samples, device, Layout(job.data_dir).transition(part.name, key))


def _learn(
    job: TransitionJob, learners: dict[str, Learner], guesses: Sequence[int]
) -> tuple[dict[str, ConfusionCurve], dict[str, OrderParameter]]:
    """Make the training runs that are missing; the curves of each network."""
    seeds = range(job.seed, job.seed + job.repeats)
    total = len(learners) * len(seeds) * (len(guesses) + 1)
    there = total - sum(each.missing(guesses, seeds) for each in learners.values())
    done = itertools.count(there + 1)
    curves, order = {}, {}
    with progress_bar("learning", "training runs") as progress:
        progress(there, total)
        for name, silent in learners.items():
            learner = replace(silent, each_trained=lambda: progress(next(done), total))
            with locked(learner.folder, "training"):
                right = answers_of_guesses(learner, guesses, seeds)
                ends = answers_of_ends(learner, seeds)
            snapshots = learner.samples.snapshots
            curves[name] = confusion_curve(right, snapshots, guesses, np.random.default_rng(SEED))
            order[name] = order_parameter(*ends, snapshots, np.random.default_rng(SEED))
    return curves, order


def _rate_study(measured: Sequence[Measured]) -> RateStudy | None:
    """T_g over the cooling rate by the energy that gives it in the most ensembles; None if no two rates are known."""
    # A file of somebody else's does not tell the length of its time step.
    known = [each for each in measured if each.ensemble.origin is None]
    best: list[tuple[Measured, GlassTransition]] = []
    for observable in dict.fromkeys(result.observable for each in known for result in each.results):
        pairs = [
            (each, result)
            for each in known
            for result in each.results
            if isinstance(result, GlassTransition) and result.observable is observable
        ]
        best = pairs if len(pairs) > len(best) else best
    rates = tuple(cooling_rate(each.ensemble) for each, _ in best)
    if len(set(rates)) < 2:
        return None
    transitions = tuple(result for _, result in best)
    return RateStudy(
        tuple(each.ensemble.name for each, _ in best), rates, transitions, rate_dependence(transitions, rates)
    )


def _notes(job: TransitionJob, measured: Sequence[Measured]) -> Iterator[str]:
    for each in measured:
        if each.ensemble.origin is not None:
            yield f"{each.ensemble.name} was imported without energies along its cooling."
        if each is not measured[0]:
            transition = each.transition
            found = (
                "no T_g"
                if transition is None
                else f"T_g = {transition.temperature:.3f} from its {transition.observable.name}"
            )
            yield f"{each.ensemble.name}: {found}."
    if not job.inherent:
        yield "The networks saw the snapshots themselves, not inherent structures: they may merely tell the temperature, from the rattling of the particles."


def _keep(tracked: TrackedRun, job: TransitionJob, measured: Sequence[Measured], found: Findings) -> None:
    """Sentence, tables and figure, on the run and on the screen."""
    first = measured[0]
    headline = sentence(found)
    text = "\n\n".join([headline, *found.notes, answers_table(found)])
    tracked.input(first.ensemble.name, first.ensemble.digest, first.ensemble.folder, STAGE)
    tracked.tags({tag.SENTENCE: headline, "ensemble": first.ensemble.name, "ensemble_digest": first.ensemble.digest})
    tracked.record(params={"guesses": ",".join(map(str, found.curves[job.model].guesses)), "model": job.model})
    tracked.describe(text)
    tracked.metrics(metrics(found))
    points: dict[int, dict[str, float]] = {}
    for name, curve in found.curves.items():
        for guess, accuracy in zip(curve.guesses, curve.accuracy, strict=True):
            points.setdefault(guess, {})[f"confusion/{name}"] = accuracy
    for name, order in found.order.items():
        for index, p_glass in zip(order.indices, order.p_glass, strict=True):
            points.setdefault(index, {})[f"p_glass/{name}"] = p_glass
    tracked.model_curves(points, None, first.ensemble.name, first.ensemble.digest)
    tracked.text(answers_csv(found), TABLE)
    tracked.text(curves_csv(found), CURVES)
    tracked.figure(transition_figure(found, [_points(each) for each in first.curves], headline), FIGURE)
    print(f"\n{text}\n", flush=True)


def _points(curve: EnergyCurve) -> Points:
    count = len(curve.energies)
    return curve.temperatures, curve.energies.mean(axis=0), curve.energies.std(axis=0, ddof=1) / np.sqrt(count)
