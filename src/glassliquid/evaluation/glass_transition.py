"""The thermodynamic glass transition: where the branch of the liquid and that of the glass cross in an energy along the cooling.

Each branch is fitted to the mean over simulations in a window of temperatures; the crossing of the two curves is T_g, as in
Vollmayr, Kob and Binder, J. Chem. Phys. 105, 4714 (1996). On cooling through T_g the slope has to fall: the liquid loses
energy by changing its structure, the glass no more.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glassliquid.evaluation.bootstrap import REPLICATES, percentile_interval, resampled_means

Interval = tuple[float, float]
Array = NDArray[np.float64]

LIQUID_STARTS = (0.0, 1 / 8, 1 / 4)
"""Where the liquid's windows begin, as shares of the marks: the hottest liquid may follow no simple law."""
FEWEST_MARKS, SMALLEST_SHARE = 4, 0.1
"""Marks of a window: at least so many, and at least this share of all."""
STEPS = 20
"""The ends of the windows that are tried are this share (one in 20) of the marks apart."""
UNLIKELY = 0.001
"""A window is good unless its residuals are less likely than this: dozens of windows are tried."""
NO_WORSE = 2.0
"""Where no window is good, those count whose mean square residual is at most so many times the smallest."""
TRIMMED = 0.25
"""Share of the longest good window, next to the crossing, that the fit leaves out: there a misfit is too small to be seen yet."""
AS_GOOD = 0.5
"""A window counts as being as good as the longest if it is at least this long, in units of that one."""
GRID = 201
"""Temperatures between the coldest and the hottest mark at which a crossing is looked for; between them the branches are straight."""
LARGEST_MISSING = 0.02
"""Share of the resampled sets that may have no crossing."""


@dataclass(frozen=True)
class Observable:
    """An energy, and the law of the equilibrium liquid; the glass follows c + d T, whatever is measured."""

    name: str
    symbol: str
    law: str
    """Of the liquid, with T the temperature."""
    basis: Callable[[Array], Array]
    """What multiplies b in the liquid's law."""
    inverse: Callable[[Array], Array] | None = None
    """The inverse of `basis`, of an energy that has no vibration in it: a fictive temperature follows from that."""


POTENTIAL = Observable("potential energy", "u", "a + b T^(3/5)", lambda t: t**0.6)
"""Rosenfeld and Tarazona, Mol. Phys. 95, 141 (1998)."""
INHERENT = Observable("inherent-structure energy", "e_IS", "a + b / T", lambda t: 1 / t, lambda x: 1 / x)
"""The Gaussian landscape: Heuer and Buchner, J. Phys. Condens. Matter 12, 6535 (2000)."""


@dataclass(frozen=True)
class Branch:
    """One fitted branch."""

    hot: float
    """Hottest temperature of its window."""
    cold: float
    """Coldest one."""
    coefficients: tuple[float, float]
    """a and b of the liquid, c and d of the glass."""


@dataclass(frozen=True, kw_only=True)
class GlassTransition:
    """Where the branches cross."""

    observable: Observable
    temperature: float
    """T_g."""
    interval: Interval
    """95 %, from the bootstrap over simulations."""
    spread: Interval
    """Lowest and highest T_g of all pairs of windows that fit as well."""
    pairs: int
    """How many pairs these are."""
    liquid: Branch
    glass: Branch
    strained: tuple[str, ...]
    """Branches whose law holds in no window within the errors: liquid, glass, or both."""
    simulations: int
    resampled: Array
    """T_g of the resampled sets of simulations, shape (replicates,)."""
    fictive: tuple[float, Interval] | None
    """Temperature at which the liquid's branch has the energy of the coldest glass, with its 95 % interval."""

    @property
    def range(self) -> Interval:
        """What the interval and the spread cover together."""
        return min(self.interval[0], self.spread[0]), max(self.interval[1], self.spread[1])


@dataclass(frozen=True)
class NoTransition:
    """The energy shows none."""

    observable: Observable
    reason: str
    """A clause that says why."""


@dataclass(frozen=True)
class _Window:
    first: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.first


def find_glass_transition(
    energies: NDArray[np.floating],
    temperatures: Sequence[float],
    observable: Observable,
    generator: np.random.Generator,
    replicates: int = REPLICATES,
) -> GlassTransition | NoTransition:
    """T_g of an ensemble from one energy.

    A window is good if the mean square of the mean residuals, each over its own standard error, is no larger than chance makes it
    (chi-squared). The fit is made in the longest good window of each branch, less its quarter next to
    the crossing. So the windows follow from the data, and no temperature has to be guessed.

    Args:
        energies: per particle, one row per simulation, shape (n, marks).
        temperatures: of the marks, falling, shape (marks,).
        observable: which energy it is.
        generator: source of the bootstrap's draws.
        replicates: how many resampled sets of simulations.
    """
    u, t = np.asarray(energies, dtype=np.float64), np.asarray(temperatures, dtype=np.float64)
    shortest = max(FEWEST_MARKS, round(SMALLEST_SHARE * len(t)))
    if len(t) < 2 * shortest or len(u) < 3:
        return NoTransition(observable, f"{len(t)} marks in {len(u)} simulations are too few for two branches")
    bases = {"liquid": np.column_stack([np.ones_like(t), observable.basis(t)]), "glass": np.column_stack([t**0, t])}
    windows = {"liquid": _liquid_windows(len(t), shortest), "glass": _glass_windows(len(t), shortest)}
    good, strained = {}, []
    for name, tried in windows.items():
        good[name], holds = _good_windows(u, bases[name], tried)
        strained += [] if holds else [name]
    longest = {name: max(each, key=lambda window: window.length) for name, each in good.items()}
    if longest["liquid"].end == len(t) or longest["glass"].first == 0:
        return NoTransition(observable, "one law fits from the hot end to the cold end")
    main_liquid, main_glass = _trimmed(longest["liquid"], longest["glass"], shortest)
    fits = [
        _coefficients(u, bases["liquid"], main_liquid),
        _coefficients(u, bases["glass"], main_glass),
        u[:, -1:],
    ]
    parameters = np.hstack(fits)
    gap = (t[main_glass.first], t[main_liquid.end - 1])
    middle = sum(gap) / 2
    means = parameters.mean(axis=0, keepdims=True)
    found = float(_crossings(means, t, observable, middle)[0])
    # Two nearly parallel branches may cross anywhere, where neither of them has been seen to end.
    if not _middle(t, main_glass) <= found <= _middle(t, main_liquid):
        return NoTransition(observable, "the two branches do not cross between the middles of their windows")
    draws = resampled_means(parameters, generator, replicates)
    resampled = _crossings(draws, t, observable, middle)
    if np.isnan(resampled).mean() > LARGEST_MISSING:
        return NoTransition(observable, "in some resampled sets of simulations the two branches do not cross")
    resampled = resampled[~np.isnan(resampled)]
    near = {name: [w for w in good[name] if w.length >= AS_GOOD * longest[name].length] for name in good}
    pairs = [
        np.hstack([_mean_fit(u, bases["liquid"], first), _mean_fit(u, bases["glass"], second), [0.0]])
        for first, second in itertools.product(near["liquid"], near["glass"])
    ]
    others = _crossings(np.array(pairs), t, observable, middle)
    others = np.append(others[~np.isnan(others)], found)
    a, b, c, d, _ = means[0]
    return GlassTransition(
        observable=observable,
        temperature=found,
        interval=percentile_interval(resampled),
        spread=(float(others.min()), float(others.max())),
        pairs=len(others) - 1,
        liquid=Branch(float(t[main_liquid.first]), float(gap[1]), (float(a), float(b))),
        glass=Branch(float(gap[0]), float(t[-1]), (float(c), float(d))),
        strained=tuple(strained),
        simulations=len(u),
        resampled=resampled,
        fictive=_fictive(observable, means, draws),
    )


def _trimmed(liquid: _Window, glass: _Window, shortest: int) -> tuple[_Window, _Window]:
    """Both windows less a part next to the crossing, and with no mark in common."""
    end = liquid.first + max(shortest, round((1 - TRIMMED) * liquid.length))
    first = glass.end - max(shortest, round((1 - TRIMMED) * glass.length))
    if end > first:
        end = first = (end + first) // 2
    return _Window(liquid.first, end), _Window(first, glass.end)


def _middle(t: Array, window: _Window) -> float:
    return float(t[window.first : window.end].mean())


def _liquid_windows(marks: int, shortest: int) -> list[list[_Window]]:
    """For each start the windows that are tried, growing."""
    step = max(1, marks // STEPS)
    starts = [round(share * marks) for share in LIQUID_STARTS]
    return [[_Window(start, end) for end in range(start + shortest, marks + 1, step)] for start in starts]


def _glass_windows(marks: int, shortest: int) -> list[list[_Window]]:
    step = max(1, marks // STEPS)
    return [[_Window(first, marks) for first in range(marks - shortest, -1, -step)]]


def _good_windows(u: Array, basis: Array, rows: Sequence[Sequence[_Window]]) -> tuple[list[_Window], bool]:
    """The windows in which a branch's law holds, and True; or those in which it does best, and False.

    A window in which it holds by chance, though in a part of that it does not, does not count.
    """
    from scipy.stats import chi2

    def is_good(window: _Window) -> bool:
        freedom = window.length - 2
        return bool(_mean_square(u, basis, window) <= chi2.isf(UNLIKELY, freedom) / freedom)

    if good := [window for row in rows for window in itertools.takewhile(is_good, row)]:
        return good, True
    squares = {window: _mean_square(u, basis, window) for row in rows for window in row}
    best = NO_WORSE * min(squares.values())
    return [window for window, square in squares.items() if square <= best], False


def _mean_square(u: Array, basis: Array, window: _Window) -> float:
    """Mean square of the mean residuals over their standard errors; its expectation is one where the law holds."""
    part, columns = u[:, window.first : window.end], basis[window.first : window.end]
    residual = part - _coefficients(u, basis, window) @ columns.T
    n = len(residual)
    error = np.maximum(residual.std(axis=0, ddof=1) / math.sqrt(n), np.finfo(float).tiny)
    # The square of Student's t of n - 1 degrees of freedom has the mean (n - 1) / (n - 3).
    unbiased = (n - 3) / (n - 1) if n > 3 else 1.0
    return unbiased * float(np.mean((residual.mean(axis=0) / error) ** 2))


def _coefficients(u: Array, basis: Array, window: _Window) -> Array:
    """Least squares in each simulation, shape (n, 2); the fit of a mean is the mean of the fits."""
    return np.asarray(u[:, window.first : window.end] @ np.linalg.pinv(basis[window.first : window.end]).T)


def _mean_fit(u: Array, basis: Array, window: _Window) -> Array:
    return np.asarray(_coefficients(u.mean(axis=0, keepdims=True), basis, window)[0])


def _crossings(parameters: Array, t: Array, observable: Observable, middle: float) -> Array:
    """Where liquid and glass cross, nan where they do not; of several crossings the one nearest to `middle`.

    Only where the liquid's branch rises through that of the glass with the temperature: the slope falls on cooling.

    Args:
        parameters: a, b, c, d in the first four columns, shape (m, 4 or more).
        t: temperatures of the marks, falling.
        observable: gives the liquid's law.
        middle: a temperature.
    """
    grid = np.linspace(t[-1], t[0], GRID)
    a, b, c, d = (column[:, None] for column in parameters.T[:4])
    above = a + b * observable.basis(grid) - c - d * grid
    rises = (above[:, :-1] < 0) & (above[:, 1:] >= 0)
    distance = np.where(rises, np.abs(grid[:-1] - middle), np.inf)
    place = distance.argmin(axis=1)
    rows = np.arange(len(above))
    low, high = above[rows, place], above[rows, place + 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = grid[place] + low / (low - high) * (grid[1] - grid[0])
    return np.where(rises.any(axis=1), crossing, np.nan)


def _fictive(observable: Observable, means: Array, draws: Array) -> tuple[float, Interval] | None:
    """Temperature at which the liquid's branch has the energy of the coldest mark, which stands in the last column."""
    if observable.inverse is None:
        return None
    values = [observable.inverse((each[:, -1] - each[:, 0]) / each[:, 1]) for each in (means, draws)]
    return float(values[0][0]), percentile_interval(values[1])
