"""Pairs of a glass and a liquid of the same energy, so that e_IS alone cannot tell the classes apart."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from glassliquid.roc import auc_interval
from glassliquid.settings import Field, settings

MOST_EDGES = 30_000_000
"""Possible pairs that are looked at, 1.2 GB; more come from a tolerance that is no tolerance."""
AUTO_TOLERANCE = 0.1
"""Standard deviations of the glasses' e_IS; of few samples more, so that neighbours are within reach."""
NEIGHBOURS_IN_REACH = 3.0
BINS = 30


@settings
class MatchedSplit:
    """What matching did to one split. Areas are P(e_IS of a glass < e_IS of a liquid), 0.5 if e_IS says nothing."""

    glasses: Annotated[int, Field(ge=0)]
    """Candidates."""
    liquids: Annotated[int, Field(ge=0)]
    """Candidates; a simulation may have several."""
    pairs: Annotated[int, Field(ge=1)]
    """How many glasses and how many liquids are kept."""
    auc_before: float
    """Area of all candidates."""
    auc: float
    """Area of those that are kept."""
    auc_low: float
    """Lower end of its 95 % interval."""
    auc_high: float
    """Upper end of its 95 % interval."""

    @property
    def is_matched(self) -> bool:
        """Whether e_IS alone cannot tell the classes apart."""
        return self.auc_low <= 0.5 <= self.auc_high


@settings
class Matching:
    """How the samples of a dataset were matched."""

    tolerance: float
    """No pair differs by more [epsilon_AA per particle]."""
    train: MatchedSplit
    """What was done to the training split."""
    validation: MatchedSplit
    """To the validation split."""
    test: MatchedSplit
    """To the test split."""
    edges: tuple[float, ...]
    """Edges of the histograms' bins, ascending [epsilon_AA per particle]."""
    before: dict[str, tuple[int, ...]]
    """By class, the candidates in each bin of e_IS."""
    after: dict[str, tuple[int, ...]]
    """By class, those that are kept."""

    @property
    def splits(self) -> dict[str, MatchedSplit]:
        """By the split's name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @property
    def pairs(self) -> int:
        """In all splits."""
        return sum(split.pairs for split in self.splits.values())


def match_energies(
    glass: NDArray[np.floating], liquid: NDArray[np.floating], tolerance: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Pair glasses with liquids of the same energy, each at most once.

    The pairs minimise the sum of |e_glass - e_liquid| over pairs plus `tolerance` for each glass without one: an assignment
    problem, solved exactly on the sparse graph of possible pairs. Source: Crouse, IEEE Trans. Aerosp. Electron. Syst. 52, 1679
    (2016), as scipy.sparse.csgraph.min_weight_full_bipartite_matching has it.

    Args:
        glass: e_IS of the glasses, shape (g,).
        liquid: e_IS of the candidates of each liquid simulation, of which at most one is used, shape (l, candidates).
        tolerance: largest difference within a pair, above zero.

    Returns:
        Of each pair the place of the glass, of the liquid, and of the liquid's candidate; ascending by glass.

    Raises:
        MemoryError: more than MOST_EDGES pairs are possible.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    nothing = np.empty(0, dtype=np.intp)
    if not len(glass) or not liquid.size:
        return nothing, nothing, nothing
    rows, columns, which, cost = _possible_pairs(glass, liquid, tolerance)
    # A sparse graph knows no cost of zero; the same amount on every edge changes nothing, as each glass gets exactly one.
    offset = 1e-3 * tolerance
    alone = np.arange(len(glass))
    weights = np.concatenate([cost + offset, np.full(len(glass), tolerance + offset)])
    ends = np.concatenate([rows, alone]), np.concatenate([columns, len(liquid) + alone])
    graph = csr_array((weights, ends), shape=(len(glass), len(liquid) + len(glass)))
    left, right = min_weight_full_bipartite_matching(graph)
    paired = right < len(liquid)
    left, right = left[paired], right[paired]
    key, chosen = rows * len(liquid) + columns, left * len(liquid) + right
    return left, right, which[np.searchsorted(key, chosen)]


def auto_tolerance(glass: NDArray[np.floating], samples: int) -> float:
    """Where to begin: a tenth of the standard deviation of the glasses' e_IS, or more if the smallest split has few samples."""
    share = max(AUTO_TOLERANCE, NEIGHBOURS_IN_REACH / max(samples, 1))
    return share * max(float(glass.std()), 1e-9)


def area_of_energy(
    glass: NDArray[np.floating], liquid: NDArray[np.floating], units: tuple[NDArray[np.integer], NDArray[np.integer]]
) -> tuple[float, tuple[float, float]]:
    """P(e_IS of a glass < e_IS of a liquid) with its 95 % interval over simulations.

    Args:
        glass: e_IS of glasses.
        liquid: e_IS of liquids.
        units: which simulation each of the glasses and each of the liquids is of.
    """
    from sklearn.metrics import roc_auc_score

    score, is_glass = -np.concatenate([glass, liquid]), np.repeat([True, False], [len(glass), len(liquid)])
    return float(roc_auc_score(is_glass, score)), auc_interval(score, is_glass, np.concatenate(units))


def meeting_index(indices: list[int], energies: NDArray[np.floating], level: float) -> float | None:
    """Where a liquid's mean e_IS comes down to a level, interpolated between stored snapshots; None if it does not.

    Args:
        indices: snapshot indices, ascending.
        energies: mean e_IS at these, shape (indices,).
        level: the mean e_IS of the glasses.
    """
    below = np.flatnonzero(energies <= level)
    if not len(below) or below[0] == 0:
        return None
    after = below[0]
    (x0, x1), (y0, y1) = indices[after - 1 : after + 1], energies[after - 1 : after + 1]
    return float(x0 + (y0 - level) / (y0 - y1) * (x1 - x0))


def bins_of(energies: NDArray[np.floating]) -> NDArray[np.float64]:
    """Edges of bins that hold all energies."""
    return np.asarray(np.histogram_bin_edges(energies, BINS), dtype=np.float64)


def _possible_pairs(
    glass: NDArray[np.floating], liquid: NDArray[np.floating], tolerance: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Pairs within the tolerance, ascending by glass and liquid: both places, the liquid's nearest candidate, the difference."""
    found = []
    order = np.argsort(liquid, axis=0, kind="stable")
    ends = [
        (np.searchsorted(energies, glass - tolerance, "left"), np.searchsorted(energies, glass + tolerance, "right"))
        for energies in (liquid[rank, k] for k, rank in enumerate(order.T))
    ]
    if sum(int((high - low).sum()) for low, high in ends) > MOST_EDGES:
        raise MemoryError
    for k, (low, high) in enumerate(ends):
        counts = high - low
        rows = np.repeat(np.arange(len(glass)), counts)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        columns = order[np.repeat(low, counts) + within, k]
        found.append((rows, columns, np.full(len(rows), k), np.abs(glass[rows] - liquid[columns, k])))
    rows, columns, which, cost = (np.concatenate(parts) for parts in zip(*found, strict=True))
    sorting = np.lexsort((cost, columns, rows))
    rows, columns, which, cost = rows[sorting], columns[sorting], which[sorting], cost[sorting]
    first = np.ones(len(rows), dtype=bool)
    first[1:] = (np.diff(rows) != 0) | (np.diff(columns) != 0)
    return rows[first], columns[first], which[first], cost[first]
