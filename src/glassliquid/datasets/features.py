"""The features of many configurations, on many processes."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from glassliquid.ensembles.workers import WorkerPool, run_in_order
from glassliquid.physics.structure import features
from glassliquid.trajectories.trajectory import Configuration

FEW = 200
"""Configurations that one core is done with before processes have started: a second of N = 256."""
PART = 16
"""Configurations of a task."""


def features_of(found: Configuration) -> NDArray[np.float32]:
    """The features of one configuration, as `physics.structure` lists them."""
    return features(found.positions, found.types, found.length)


def features_of_all(configurations: Iterable[Configuration], pool: WorkerPool) -> Iterator[NDArray[np.float32]]:
    """The features of each configuration in their order, computed in the pool, or here if they are few."""
    stream = iter(configurations)
    first = list(islice(stream, FEW))
    if len(first) < FEW:
        yield from map(features_of, first)
        return
    rest = chain(first, stream)
    for rows in run_in_order(pool, _rows, iter(lambda: list(islice(rest, PART)), [])):
        yield from rows


def _rows(configurations: Sequence[Configuration]) -> list[NDArray[np.float32]]:
    return list(map(features_of, configurations))
