"""How what a network makes of each particle goes with physics: rank correlations within a species, averaged over simulations.

A and B differ in everything, in energy and area as in what a network says of them; a correlation over both would say little
more than that. So would one over the particles of all samples, which are hot or cold as a whole. Each correlation is therefore
one over the particles of a species within a configuration, and what is reported is its mean over the simulations of a class.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glassliquid.datasets.description import CLASSES, Label
from glassliquid.evaluation.bootstrap import percentile_interval, resampled_means
from glassliquid.physics.fields import FIELDS, ParticleField
from glassliquid.physics.potential import SPECIES
from glassliquid.roc import CONFIDENCE

NOTHING = 1e-7
"""Deviations below this are rounding: of sums of squares, which are taken from each other."""


@dataclass(frozen=True)
class Correlation:
    """What one of the network's numbers has to do with one field, among the particles of a species in samples of a class."""

    value: str
    """The network's number, such as `attribution`."""
    field: ParticleField
    label: Label
    species: str
    mean: float
    """Mean over simulations of Spearman's rank correlation; nan if it is defined in none."""
    interval: tuple[float, float]
    """95 % bootstrap interval of the mean, over simulations; nan for fewer than two."""
    together: tuple[float, float]
    """An interval so much wider that those of all correlations of the table hold at once with 95 %."""
    largest: float
    """Share of the resampled sets in which no other of the table is larger in size."""
    simulations: int
    """How many configurations it is the mean over, one per simulation."""
    particles: int
    """How many particles these have of the species, in all."""

    def __str__(self) -> str:
        """Such as `+0.31 (+0.29 to +0.33)`."""
        return f"{self.mean:+.2f} ({self.interval[0]:+.2f} to {self.interval[1]:+.2f})"


@dataclass(frozen=True)
class ParticleSamples:
    """Numbers of each particle in n samples of N particles."""

    values: Mapping[str, NDArray[np.floating]]
    """The network's, by name, shape (n, N); nan for a particle that it was not shown."""
    fields: NDArray[np.floating]
    """FIELDS, shape (n, N, fields)."""
    types: NDArray[np.integer]
    """0 for A, 1 for B, shape (n, N)."""
    labels: NDArray[np.integer]
    """Class indices, shape (n,)."""
    simulations: NDArray[np.integer]
    """Numbers of the simulations, shape (n,), each once in a class."""


def correlate(samples: ParticleSamples, generator: np.random.Generator) -> list[Correlation]:
    """All correlations of the network's numbers with FIELDS, in each class and species.

    The intervals that hold together are mean +- q s, with s the standard error of the mean and q the 95 % quantile, over the
    resampled sets, of the largest of |resampled mean - mean| / (standard error of the resampled set): the studentised bootstrap (Efron
    and Tibshirani, An Introduction to the Bootstrap, 1993, 12.5) of the largest deviation.

    Args:
        samples: of all simulations.
        generator: draws the resampled sets.
    """
    found, counts = _within_configurations(samples)
    present = np.isfinite(found).reshape(len(found), -1)
    flat = np.where(present, found.reshape(present.shape), 0.0)
    parts = np.stack([flat, flat**2, present])
    means, errors = _mean_and_error(parts.sum(axis=1))
    drawn = len(found) * resampled_means(np.hstack(list(parts)), generator)
    resampled, resampled_errors = _mean_and_error(np.stack(np.split(drawn, len(parts), axis=1)))
    defined = np.isfinite(means) & (present.sum(axis=0) > 1)
    factor = _quantile_of_largest(np.abs(resampled - means)[:, defined], resampled_errors[:, defined])
    largest = _share_of_largest(np.where(np.isfinite(resampled), np.abs(resampled), 0.0))
    shape = found.shape[1:]
    correlations = []
    for place, (label, species, value, field) in enumerate(np.ndindex(*shape)):
        draws = resampled[np.isfinite(resampled[:, place]), place]
        # Where nothing varies there is nothing to multiply, not even by infinity.
        half, mean = factor * float(errors[place]) if errors[place] > NOTHING else 0.0, float(means[place])
        correlations.append(
            Correlation(
                value=list(samples.values)[value],
                field=FIELDS[field],
                label=CLASSES[label],
                species=SPECIES[species],
                mean=mean,
                interval=percentile_interval(draws) if defined[place] else (np.nan, np.nan),
                together=(max(mean - half, -1.0), min(mean + half, 1.0)) if defined[place] else (np.nan, np.nan),
                largest=float(largest[place]),
                simulations=int(present[:, place].sum()),
                particles=int(counts[label, species]),
            )
        )
    return correlations


def rank_correlations(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.float64]:
    """Spearman's rank correlation of each column of one array with each of another; nan where a column is constant.

    Pearson's correlation of the ranks, equal values having the mean of theirs.

    Args:
        first: shape (k, a).
        second: shape (k, b).

    Returns:
        Shape (a, b).
    """
    from scipy.stats import rankdata

    if len(first) < 2:
        return np.full((first.shape[1], second.shape[1]), np.nan)
    ranks = [rankdata(each, axis=0) - (len(each) + 1) / 2 for each in (first, second)]
    sizes = [np.linalg.norm(each, axis=0) for each in ranks]
    with np.errstate(invalid="ignore", divide="ignore"):
        found: NDArray[np.float64] = ranks[0].T @ ranks[1] / np.outer(*sizes)
    return found


def _within_configurations(samples: ParticleSamples) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Correlations within each configuration, shape (simulations, classes, species, values, fields), and counts of particles."""
    numbers, places = np.unique(samples.simulations, return_inverse=True)
    shape = (len(numbers), len(CLASSES), len(SPECIES), len(samples.values), len(FIELDS))
    found, counts = np.full(shape, np.nan), np.zeros(shape[1:3], dtype=np.int64)
    values = np.stack(list(samples.values.values()), axis=2)
    for index, (place, label) in enumerate(zip(places, samples.labels, strict=True)):
        shown = np.isfinite(values[index]).all(axis=1)
        for species in range(len(SPECIES)):
            chosen = shown & (samples.types[index] == species)
            found[place, label, species] = rank_correlations(values[index, chosen], samples.fields[index, chosen])
            counts[label, species] += chosen.sum()
    return found, counts


def _mean_and_error(sums: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means and their standard errors, from sums of the numbers, of their squares, and of how many there are; nan of none."""
    total, squares, count = sums
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / count
        variance = np.maximum(squares / count - mean**2, 0) / (count - 1)
    return mean, np.sqrt(variance)


def _quantile_of_largest(apart: NDArray[np.float64], errors: NDArray[np.float64]) -> float:
    """The 95 % quantile, over the rows, of the largest deviation in standard errors; infinite if too often there is no error."""
    if not apart.size:
        return np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = np.where(apart > NOTHING, apart / np.where(errors > NOTHING, errors, 0.0), 0.0)
    return float(np.quantile(np.where(np.isnan(ratios), 0.0, ratios).max(axis=1), CONFIDENCE, method="inverted_cdf"))


def _share_of_largest(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """How often each column has the largest number of a row."""
    return np.bincount(sizes.argmax(axis=1), minlength=sizes.shape[1]) / len(sizes)
