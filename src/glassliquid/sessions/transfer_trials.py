"""The two ways of trying a model: along the cooling of an ensemble, or on datasets.

A trial is checked when it is made, and computes nothing before `run`; so a mistake in the last of several models is told
before minutes go into the first.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from glassliquid.datasets.description import Dataset, Recipe
from glassliquid.ensembles.ensemble import Ensemble, check_stored
from glassliquid.ensembles.inherent import make_inherent
from glassliquid.ensembles.split import Split
from glassliquid.ensembles.workers import LocalPool, worker_count
from glassliquid.errors import UserError
from glassliquid.evaluation.predict import predict_logits, predict_stream
from glassliquid.evaluation.scan import SEED, CoolingScan, scan_cooling
from glassliquid.evaluation.transfer import Point, score_point
from glassliquid.evaluation.transfer_summary import PREFIX, ModelTransfer, TransferRow, point_metrics, scan_metrics
from glassliquid.evaluation.unseen import Unseen, check_fits, differences, unseen_of_dataset, unseen_of_ensemble
from glassliquid.layout import Layout
from glassliquid.progress_bar import progress_bar
from glassliquid.tracking.run import TrackedRun
from glassliquid.training.found_model import FoundModel


@dataclass(frozen=True)
class Subject:
    """A model that is tried."""

    name: str
    """What the user typed."""
    found: FoundModel
    trained: Recipe
    """How its training data were made."""

    @property
    def trained_on(self) -> str:
        """Name of its training data."""
        return str(self.found.state.data["name"])

    @property
    def network(self) -> str:
        """Name of its network."""
        return str(self.found.state.config.model)

    def result(self, rows: tuple[TransferRow, ...], scan: CoolingScan | None, notes: tuple[str, ...]) -> ModelTransfer:
        """What was found about it."""
        return ModelTransfer(self.found.label, self.network, self.trained_on, self.trained, rows, scan, notes)


class Trial(Protocol):
    """One model and what it is tried on."""

    def run(self, device: torch.device) -> ModelTransfer:
        """Score the model."""

    def link(self, tracked: TrackedRun, result: ModelTransfer) -> None:
        """Log the scores of a run in MLflow, linked to the model and the data."""

    def again(self, other: FoundModel, result: ModelTransfer) -> "Trial":
        """The trial of another model, trained on the same data, on what a result is of; errors as when a trial is made."""


class CoolingTrial:
    """A model on the snapshots of an ensemble, drawn in memory as its training images were drawn."""

    def __init__(
        self,
        subject: Subject,
        ensemble: Ensemble,
        liquids: Sequence[int] | None,
        glass: int,
        refine: bool,
        layout: Layout,
    ) -> None:
        """Check that everything is there.

        Args:
            subject: the model.
            ensemble: what it is tried on.
            liquids: indices of the coarse scan; None is every stored one before the glass.
            glass: index of the glass.
            refine: whether to look between them for the breakdown.
            layout: where everything lies.

        Raises:
            UserError: an index is not stored, or the model was trained on all simulations.
        """
        self._subject, self.ensemble, self._glass, self._refine = subject, ensemble, glass, refine
        self._layout = layout
        check_stored(ensemble, "glass", glass)
        stored = [index for index in ensemble.protocol.snapshots if index < glass]
        self._liquids = stored if liquids is None else sorted(set(liquids))
        for index in self._liquids:
            check_stored(ensemble, "liquids", index)
        if not self._liquids:
            raise UserError(
                f"The ensemble {ensemble.name!r} stores no snapshot before glass {glass}: choose a later index as glass."
            )
        self._unseen = unseen_of_ensemble(ensemble, subject.trained, layout, subject.found.label)
        self._members = tuple(each for each in ensemble.simulations if each.number in self._unseen.numbers)

    def run(self, device: torch.device) -> ModelTransfer:
        """Score the model."""
        subject, ensemble = self._subject, self.ensemble
        model = subject.found.model.eval().to(device)
        chosen = replace(ensemble, simulations=self._members)
        with ExitStack() as stack:
            pool = stack.enter_context(LocalPool(worker_count(None)))
            report = stack.enter_context(progress_bar(f"scoring {subject.found.label}", "images"))
            total = len(self._members) * len({*self._liquids, self._glass})
            drawn = itertools.count(1)

            def logits_at(indices: Sequence[int]) -> NDArray[np.float32]:
                if subject.trained.inherent:
                    make_inherent(chosen, list(indices), pool, lambda _done, _total: None)
                samples = model.reads.from_snapshots(ensemble, self._members, indices, subject.trained, pool)
                logits = predict_stream(model, _counted(samples, drawn, total, report), device)
                return logits.reshape(len(self._members), len(indices), -1)

            scan = scan_cooling(
                logits_at,
                ensemble.protocol.snapshots,
                self._liquids,
                self._glass,
                subject.trained.liquid,
                self._refine,
            )
        row = partial(_row, subject, ensemble=ensemble.name, glass=self._glass)
        rows = tuple(row(f"liquid {index}", liquid=index, point=point) for index, point in scan.points.items())
        notes = () if self._unseen.note is None else (self._unseen.note,)
        return subject.result(rows, scan, notes)

    def link(self, tracked: TrackedRun, result: ModelTransfer) -> None:
        """Log curves over the liquid index, and the crossings."""
        assert result.scan is not None
        points = {row.liquid: _prefixed(point_metrics(row.point)) for row in result.rows}
        points[self._glass] = {f"{PREFIX}/p_glass": result.scan.p_glass_of_glass}
        points[0] = points.get(0, {}) | scan_metrics(result.scan)
        model_id, name, digest = self._subject.found.model_id, self.ensemble.name, self.ensemble.digest
        tracked.input(name, digest, self.ensemble.folder, "transfer", model_id)
        tracked.model_curves(points, model_id, name, digest)

    def again(self, other: FoundModel, result: ModelTransfer) -> "CoolingTrial":
        """The trial at the liquids of the result."""
        liquids = [row.liquid for row in result.rows]
        subject = replace(self._subject, name=other.label, found=other)
        return CoolingTrial(subject, self.ensemble, liquids, self._glass, refine=False, layout=self._layout)


class DatasetsTrial:
    """A model on the images of datasets."""

    def __init__(self, subject: Subject, datasets: Sequence[Dataset], layout: Layout) -> None:
        """Check that everything is there.

        Raises:
            UserError: the images do not fit the model, or it was trained on all simulations of a dataset.
        """
        self._subject, self._datasets, self._layout = subject, datasets, layout
        self._unseen: list[Unseen] = []
        for dataset in datasets:
            check_fits(subject.found, dataset)
            self._unseen.append(unseen_of_dataset(dataset, subject.trained, layout, subject.found.label))

    def run(self, device: torch.device) -> ModelTransfer:
        """Score the model."""
        subject = self._subject
        rows, notes = [], []
        for dataset, unseen in zip(self._datasets, self._unseen, strict=True):
            recipe = dataset.recipe
            row = partial(_row, subject, ensemble=recipe.ensembles, liquid=recipe.liquid, glass=recipe.glass)
            rows.append(row(dataset.name, point=self._point(dataset, unseen, device)))
            notes += [note for note in (unseen.note, differences(subject.trained, dataset)) if note]
        return subject.result(tuple(rows), None, tuple(notes))

    def link(self, tracked: TrackedRun, result: ModelTransfer) -> None:
        """Log the scores under the datasets' names."""
        for row, dataset in zip(result.rows, self._datasets, strict=True):
            model_id, metrics = self._subject.found.model_id, _prefixed(point_metrics(row.point), dataset.name)
            tracked.input(dataset.name, dataset.digest, dataset.folder, "transfer", model_id)
            tracked.model_curves({0: metrics}, model_id, dataset.name, dataset.digest)

    def again(self, other: FoundModel, result: ModelTransfer) -> "DatasetsTrial":  # noqa: ARG002
        """The trial on the same datasets."""
        return DatasetsTrial(replace(self._subject, name=other.label, found=other), self._datasets, self._layout)

    def _point(self, dataset: Dataset, unseen: Unseen, device: torch.device) -> Point:
        model = self._subject.found.model.eval().to(device)
        logits, labels, simulations = [], [], []
        for split in Split:
            data = model.reads.load(dataset, split, device)
            chosen = np.flatnonzero(np.isin(data.simulations, list(unseen.numbers)))
            logits.append(predict_logits(model, data.values, device, chosen))
            labels.append(data.labels[chosen])
            simulations.append(data.simulations[chosen])
        generator = np.random.default_rng(SEED)
        return score_point(np.concatenate(logits), np.concatenate(labels), np.concatenate(simulations), generator)


def _counted(
    samples: Iterable[Any], drawn: Iterator[int], total: int, report: Callable[[int, int], None]
) -> Iterator[Any]:
    """The samples, reported as they pass; the coarse scan is `total`, what the bisection adds is soon done."""
    for sample in samples:
        report(min(next(drawn), total), total)
        yield sample


def _row(subject: Subject, data: str, *, ensemble: str, liquid: int, glass: int, point: Point) -> TransferRow:
    trained = subject.trained
    is_training = (ensemble, liquid, glass) == (trained.ensembles, trained.liquid, trained.glass)
    return TransferRow(subject.found.label, subject.trained_on, data, ensemble, liquid, glass, is_training, point)


def _prefixed(metrics: dict[str, float], dataset: str | None = None) -> dict[str, float]:
    prefix = PREFIX if dataset is None else f"{PREFIX}/{dataset}"
    return {f"{prefix}/{key}": value for key, value in metrics.items()}
