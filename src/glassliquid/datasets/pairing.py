"""Choosing the samples of a dataset whose liquids and glasses have the same energy, out of the ensembles' inherent structures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glassliquid.datasets.description import Label, Recipe
from glassliquid.datasets.matching import (
    MatchedSplit,
    Matching,
    area_of_energy,
    auto_tolerance,
    bins_of,
    match_energies,
    meeting_index,
)
from glassliquid.datasets.sides import Sample, Sides
from glassliquid.ensembles.ensemble import Ensemble
from glassliquid.ensembles.inherent import inherent_energies, make_inherent, minimised_by
from glassliquid.ensembles.split import Split
from glassliquid.ensembles.workers import WorkerPool
from glassliquid.errors import UserError, listed
from glassliquid.progress_bar import ShowProgress

FEWEST_KEPT = 0.25
"""Of the smaller class of a split; with fewer pairs the energies hardly overlap, and what is left is the tails of both."""
HALVINGS = 6
"""An automatic tolerance is halved so often, while e_IS alone still tells the classes apart."""
LOOKED_AT = 16
"""Simulations whose inherent structures say where the energies would meet."""


def candidates(ensemble: Ensemble, recipe: Recipe) -> list[int]:
    """The stored snapshots that may be drawn as liquid, ascending."""
    return [index for index in ensemble.protocol.snapshots if recipe.shows(Label.LIQUID, index)]


def minimise_snapshots(sides: Sides, recipe: Recipe, pool: WorkerPool, progress: ShowProgress) -> None:
    """Make the inherent structures that a recipe draws, where they are missing.

    Raises:
        UserError: the two ensembles' were minimised by different engines, or versions of one.
    """
    wanted: dict[Label, Sequence[int]] = {Label.LIQUID: candidates(sides.liquid, recipe), Label.GLASS: [recipe.glass]}
    for ensemble in sides.both:
        indices = sorted({index for label in Label if sides.of(label) is ensemble for index in wanted[label]})
        make_inherent(ensemble, indices, pool, progress)
    minimiser_of(sides)


def minimiser_of(sides: Sides) -> str:
    """What minimised the inherent structures of both ensembles; UserError if it is not the same engine."""
    liquid, glass = minimised_by(sides.liquid), minimised_by(sides.glass)
    if liquid.engine != glass.engine:
        raise UserError(
            f"The inherent structures of {sides.liquid.name!r} were minimised by {liquid}, those of {sides.glass.name!r} by {glass}: "
            f"remove the folder inherent of one of them, and run make_data again with engines that can run here."
        )
    return str(liquid)


def matched_samples(
    sides: Sides, recipe: Recipe, pool: WorkerPool, progress: ShowProgress
) -> tuple[list[Sample], Matching]:
    """Pairs of a glass and a liquid of the same e_IS, within each split, no simulation twice in a class.

    Raises:
        UserError: too few pairs are left in a split, or e_IS alone still tells the classes apart.
    """
    minimise_snapshots(sides, recipe, pool, progress)
    indices = candidates(sides.liquid, recipe)
    glass = inherent_energies(sides.glass, [recipe.glass])[:, 0]
    found = _Candidates(sides, glass, inherent_energies(sides.liquid, indices))
    tolerance, chosen = _choose(found, recipe, pool)
    kept = _Pairs(*(np.concatenate(parts) for parts in zip(*chosen.values(), strict=True)))
    edges = bins_of(np.concatenate([found.glass, found.liquid.ravel()]))
    before = {Label.GLASS: found.glass, Label.LIQUID: found.liquid.ravel()}
    after = {Label.GLASS: found.glass[kept.glass], Label.LIQUID: found.liquid[kept.liquid, kept.candidate]}
    matching = Matching(
        tolerance=tolerance,
        **{split.value: found.describe(split, pairs) for split, pairs in chosen.items()},
        edges=tuple(edges.tolist()),
        before=_histograms(before, edges),
        after=_histograms(after, edges),
    )
    glasses, liquids = sides.glass.simulations, sides.liquid.simulations
    samples = [sides.sample(Label.GLASS, glasses[place], recipe.glass, inherent=True) for place in kept.glass]
    samples += [
        sides.sample(Label.LIQUID, liquids[place], indices[candidate], inherent=True)
        for place, candidate in zip(kept.liquid, kept.candidate, strict=True)
    ]
    return samples, matching


class _Pairs(NamedTuple):
    """Of each pair the place of the glass, of the liquid, and of the liquid's candidate."""

    glass: NDArray[np.intp]
    liquid: NDArray[np.intp]
    candidate: NDArray[np.intp]


@dataclass(frozen=True)
class _Candidates:
    """e_IS of what may be drawn, by the places of the simulations in their ensembles."""

    sides: Sides
    glass: NDArray[np.float64]
    """Shape (glass simulations,)."""
    liquid: NDArray[np.float64]
    """Shape (liquid simulations, candidates)."""

    def places(self, split: Split) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The glass and the liquid simulations of a split."""
        ensembles = (self.sides.glass, self.sides.liquid)
        glass, liquid = (
            np.flatnonzero([each.split is split for each in ensemble.simulations]) for ensemble in ensembles
        )
        return glass, liquid

    def pairs(self, split: Split, tolerance: float) -> _Pairs:
        """The pairs of a split; UserError if the tolerance is none."""
        glass, liquid = self.places(split)
        try:
            left, right, candidate = match_energies(self.glass[glass], self.liquid[liquid], tolerance)
        except MemoryError:
            raise UserError(
                f"match_tolerance is {tolerance:g}, so nearly every liquid is within it of every glass, which gives too many pairs to choose from: pass "
                f"a smaller one, such as {auto_tolerance(self.glass, len(glass)):.2g}."
            ) from None
        return _Pairs(glass[left], liquid[right], candidate)

    def describe(self, split: Split, pairs: _Pairs) -> MatchedSplit:
        """What matching did to a split."""
        glass, liquid = self.places(split)
        candidates = self.liquid.shape[1]
        before, _ = self._area(self.glass[glass], self.liquid[liquid].ravel(), glass, np.repeat(liquid, candidates))
        kept = self.glass[pairs.glass], self.liquid[pairs.liquid, pairs.candidate]
        area, (low, high) = self._area(*kept, pairs.glass, pairs.liquid)
        return MatchedSplit(
            glasses=len(glass),
            liquids=len(liquid) * candidates,
            pairs=len(pairs.glass),
            auc_before=before,
            auc=area,
            auc_low=low,
            auc_high=high,
        )

    def _area(
        self, glass: NDArray[np.floating], liquid: NDArray[np.floating], *places: NDArray[np.intp]
    ) -> tuple[float, tuple[float, float]]:
        return area_of_energy(glass, liquid, (places[0] + self.sides.offset, places[1]))


def _choose(found: _Candidates, recipe: Recipe, pool: WorkerPool) -> tuple[float, dict[Split, _Pairs]]:
    """The pairs of each split, within the tolerance that is given, or the largest of some that leaves e_IS nothing to tell.

    Raises:
        UserError: too few pairs are left in a split, or e_IS alone still tells the classes apart.
    """
    smallest = min(min(len(places) for places in found.places(split)) for split in Split)
    first = auto_tolerance(found.glass, smallest)
    given = recipe.match_tolerance
    told: list[str] = []
    for tolerance in (given,) if given else (first / 2**halving for halving in range(HALVINGS)):
        chosen = {split: found.pairs(split, tolerance) for split in Split}
        for split, pairs in chosen.items():
            possible = min(len(places) for places in found.places(split))
            if len(pairs.glass) < max(1, FEWEST_KEPT * possible):
                kept = f"{len(pairs.glass)} of {possible} pairs can be made in {split}"
                raise _too_few_pairs(found.sides, recipe, kept, found.glass, pool)
        described = {split: found.describe(split, pairs) for split, pairs in chosen.items()}
        told = [f"{split} {each.auc:.3f}" for split, each in described.items() if not each.is_matched]
        if not told:
            return tolerance, chosen
    raise UserError(
        f"Matched within {tolerance:.3g}, e_IS alone still tells glass from liquid (area under the curve {listed(told)}, whose 95 % "
        "interval excludes 0.5): pass a smaller match_tolerance, or liquids whose energy is closer to that of the glasses."
    )


def _histograms(energies: dict[Label, NDArray[np.float64]], edges: NDArray[np.float64]) -> dict[str, tuple[int, ...]]:
    return {label.value: tuple(np.histogram(values, edges)[0].tolist()) for label, values in energies.items()}


def _too_few_pairs(sides: Sides, recipe: Recipe, kept: str, glass: NDArray[np.float64], pool: WorkerPool) -> UserError:
    """The error that says at which indices the energies would meet, from the inherent structures of a few simulations."""
    few = replace(sides.liquid, simulations=sides.liquid.simulations[:LOOKED_AT])
    indices = [
        index for index in sides.liquid.protocol.snapshots if sides.liquid != sides.glass or index < recipe.glass
    ]
    make_inherent(few, indices, pool, lambda _done, _total: None)
    energies = inherent_energies(few, indices).mean(axis=0)
    meeting = meeting_index(indices, energies, float(glass.mean()))
    too_few = f"Only {kept}"
    if meeting is None:
        return UserError(
            f"{too_few}, because the energies do not overlap (e_IS of the glasses is {glass.mean():.4f}, and that of the liquids of "
            f"{sides.liquid.name!r} goes from {energies[0]:.4f} to {energies[-1]:.4f}): cool the liquids more slowly or the glasses faster."
        )
    low, high = max(each for each in indices if each <= meeting), min(each for each in indices if each >= meeting)
    return UserError(
        f"{too_few} with liquid {recipe.liquid}: e_IS of the glasses is {glass.mean():.4f}, which the liquids of {sides.liquid.name!r} have at index "
        f"{meeting:.0f}, between {low} and {high}: pass liquid={min((low, high), key=lambda each: abs(each - meeting))}."
    )
