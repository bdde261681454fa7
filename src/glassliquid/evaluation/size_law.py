"""How the answer depends on the number of particles: if particles speak independently, the signal grows as sqrt(N).

The signal of a model is d', the distance of the two classes' scores in standard deviations when both are normal:
AUC = Phi(d' / sqrt(2)). Source: Green and Swets, Signal Detection Theory and Psychophysics, 1966. N particles that each carry the same
independent evidence give d' = c sqrt(N).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from glassliquid.evaluation.transfer import Interval
from glassliquid.roc import normal_quantile

TOLD = 0.98
"""Area under the ROC curve from which on glass and liquid count as told apart (arXiv:1909.04648 reports areas above it)."""


@dataclass(frozen=True)
class SizePoint:
    """What a model reaches at one size."""

    particles: int
    samples: int
    """Of both classes."""
    auc: float
    interval: Interval
    """95 % interval of the area."""
    accuracy: float
    accuracy_interval: Interval


@dataclass(frozen=True)
class SizeLaw:
    """d' = c sqrt(N), fitted to several sizes."""

    strength: float
    """c."""
    error: float
    """Its standard error."""
    chi_square: float
    """Sum of squared deviations in standard errors."""
    freedom: int
    """Degrees of freedom: sizes less one."""

    def auc(self, particles: float, deviations: float = 0.0) -> float:
        """The area that is predicted for N particles, with c that many standard errors larger."""
        return _area((self.strength + deviations * self.error) * math.sqrt(particles))

    @property
    def chance(self) -> float:
        """Probability of deviations at least as large, if the law holds; nan of one size."""
        from scipy.stats import chi2

        return float(chi2.sf(self.chi_square, self.freedom)) if self.freedom else math.nan

    def particles_needed(self, auc: float = TOLD) -> tuple[float, Interval]:
        """N at which the law reaches an area, with its 95 % interval; infinite where c may be zero."""
        reach = normal_quantile() * self.error
        needed, high, low = (_needed(self.strength + shift, auc) for shift in (0.0, -reach, reach))
        return needed, (low, high)


def fit_law(points: Sequence[SizePoint]) -> SizeLaw:
    """Fit c by least squares, each size weighted by the standard error of its d'; that is its interval's width on the scale of d'.

    Raises:
        ValueError: there is no point.
    """
    if not points:
        raise ValueError("a law needs points")
    weights, product = 0.0, 0.0
    signals = []
    for point in points:
        signal, error = signal_of(point)
        signals.append((math.sqrt(point.particles), signal, error))
    for root, signal, error in signals:
        weights += root**2 / error**2
        product += root * signal / error**2
    strength = product / weights
    chi_square = sum(((signal - strength * root) / error) ** 2 for root, signal, error in signals)
    return SizeLaw(strength, 1 / math.sqrt(weights), chi_square, len(points) - 1)


def signal_of(point: SizePoint) -> tuple[float, float]:
    """D' = sqrt(2) Phi^-1(AUC) of a point, and its standard error.

    An area of 1 is taken for half a pair out of order; what is above it cannot be told from so few samples.
    """
    pairs = max((point.samples / 2) ** 2, 1.0)

    def signal(area: float) -> float:
        return math.sqrt(2) * _quantile(min(max(area, 0.5 / pairs), 1 - 0.5 / pairs))

    found, low, high = (signal(area) for area in (point.auc, *point.interval))
    # The wider side: of an area near 1 the upper one is cut off.
    return found, max(high - found, found - low, 1e-6) / normal_quantile()


def _needed(strength: float, auc: float) -> float:
    return (math.sqrt(2) * _quantile(auc) / strength) ** 2 if strength > 0 else math.inf


def _area(signal: float) -> float:
    from scipy.stats import norm

    return float(norm.cdf(signal / math.sqrt(2)))


def _quantile(area: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf(area))
