"""What networks read of the snapshots along a cooling, made once for all the training runs of a command."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glassliquid.datasets.description import Recipe
from glassliquid.ensembles.ensemble import Ensemble, Simulation
from glassliquid.ensembles.split import Split
from glassliquid.ensembles.workers import WorkerPool, run_all
from glassliquid.inputs import Input
from glassliquid.models.network import input_of
from glassliquid.progress_bar import ShowProgress
from glassliquid.settings import stored


@dataclass(frozen=True)
class CoolingSamples:
    """The samples of some simulations at the same snapshots, those of the training split first."""

    values: Tensor
    """As the input keeps them; all snapshots of the first simulation, then of the next."""
    snapshots: tuple[int, ...]
    splits: tuple[Split, ...]
    """Of each simulation."""
    reads: Input
    identity: dict[str, Any]
    """Of the data, for checkpoints."""

    def places(self, *splits: Split) -> NDArray[np.int64]:
        """Places in `values` of all samples of some splits, shape (simulations, snapshots)."""
        chosen = np.flatnonzero([split in splits for split in self.splits])
        return np.asarray(chosen[:, None] * len(self.snapshots) + np.arange(len(self.snapshots)))


def by_split(members: Sequence[Simulation]) -> tuple[Simulation, ...]:
    """The simulations, those of the training split first, then validation, then test."""
    return tuple(sorted(members, key=lambda each: (list(Split).index(each.split), each.number)))


def cooling_samples(
    ensemble: Ensemble,
    members: Sequence[Simulation],
    snapshots: Sequence[int],
    model: str,
    recipe: Recipe,
    pool: WorkerPool,
    progress: ShowProgress,
) -> CoolingSamples:
    """Make what a network reads; the memory that it takes is that of the samples.

    Args:
        ensemble: where the trajectories lie.
        members: simulations of it, in the order of `by_split`.
        snapshots: stored indices, ascending; for a recipe of inherent structures these must have been made.
        model: name of the network.
        recipe: how the samples are made.
        pool: where they are made.
        progress: called with the number of simulations done.
    """
    reads = input_of(model, recipe)
    place_of = {each.number: place for place, each in enumerate(members)}
    tasks = [(reads, replace(ensemble, simulations=(each,)), tuple(snapshots), recipe) for each in members]
    values: Tensor | None = None
    for done, (task, samples) in enumerate(run_all(pool, _samples_of, tasks), start=1):
        made = reads.stacked(samples)
        if values is None:
            values = torch.empty((len(members) * len(snapshots), *made.shape[1:]), dtype=made.dtype)
        start = place_of[task[1].simulations[0].number] * len(snapshots)
        values[start : start + len(snapshots)] = made
        progress(done, len(members))
    assert values is not None  # an ensemble has simulations
    own = {"input": reads.name, **reads.description()}
    identity = {"name": ensemble.name, "digest": ensemble.digest, **own, "recipe": stored(recipe)}
    return CoolingSamples(values, tuple(snapshots), tuple(each.split for each in members), reads, identity)


def _samples_of(task: tuple[Input, Ensemble, tuple[int, ...], Recipe]) -> list[Any]:
    reads, ensemble, snapshots, recipe = task
    return list(reads.from_snapshots(ensemble, ensemble.simulations, snapshots, recipe))
