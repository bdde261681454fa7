"""What `transition` found, in words and numbers: the sentence, the tables, the metrics."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from tabulate import tabulate

from glassliquid.evaluation.confusion import ConfusionCurve
from glassliquid.evaluation.cooling_rate import RateDependence
from glassliquid.evaluation.glass_transition import GlassTransition, NoTransition
from glassliquid.evaluation.order_parameter import OrderParameter
from glassliquid.files import csv_text
from glassliquid.physics.protocol import temperature

Interval = tuple[float, float]
ENERGY, CONFUSION, ORDER = "the energies", "learning by confusion", "P(glass)"
"""The three answers."""


@dataclass(frozen=True)
class RateStudy:
    """T_g of several ensembles."""

    names: tuple[str, ...]
    rates: tuple[float, ...]
    """-dT/dt of each."""
    transitions: tuple[GlassTransition, ...]
    line: RateDependence
    """Through the T_g over the logarithm of the rate."""


@dataclass(frozen=True)
class Findings:
    """All that was found about one ensemble."""

    ensemble: str
    model: str
    """The network that learned beside structure."""
    inherent: bool
    """Whether it saw inherent structures."""
    energies: tuple[GlassTransition | NoTransition, ...]
    """One answer for each energy that there is, that of the potential energy first."""
    curves: Mapping[str, ConfusionCurve]
    """By the name of the network."""
    order: Mapping[str, OrderParameter]
    rates: RateStudy | None
    notes: tuple[str, ...]
    """What a reader must know, a sentence each."""

    @property
    def thermodynamic(self) -> GlassTransition | None:
        """The first energy in which two branches cross."""
        return next((each for each in self.energies if isinstance(each, GlassTransition)), None)

    @property
    def ranges(self) -> dict[str, Interval]:
        """Temperatures that each answer allows, for those of the three that there are."""
        found: dict[str, Interval] = {}
        if (thermodynamic := self.thermodynamic) is not None:
            found[ENERGY] = thermodynamic.range
        curve, order = self.curves.get(self.model), self.order.get(self.model)
        if curve is not None and curve.maximum is not None:
            found[CONFUSION] = _temperatures(curve.maximum.interval)
        if order is not None and order.crossing is not None:
            found[ORDER] = _temperatures(order.crossing.interval)
        return found


def sentence(found: Findings) -> str:
    """The three answers, and whether they agree."""
    parts = [f"{found.ensemble}: {_thermodynamic(found)}."]
    what = "inherent structures" if found.inherent else "snapshots as they are"
    parts += [f"{_confusion(name, curve, what)}." for name, curve in found.curves.items()]
    parts += [f"{_order(name, order)}." for name, order in found.order.items()]
    parts.append(_agreement(found.ranges))
    if (study := found.rates) is not None:
        low, high = study.line.slope_interval
        parts.append(
            f"Over {len(study.names)} ensembles T_g changes by {study.line.slope:+.3f} ({low:+.3f} to {high:+.3f}) for a factor of ten in the cooling rate."
        )
    return " ".join(parts)


def _thermodynamic(found: Findings) -> str:
    clauses = []
    for each in found.energies:
        if isinstance(each, NoTransition):
            clauses.append(f"the {each.observable.name} shows no T_g ({each.reason})")
            continue
        clause = (
            f"the {each.observable.name} gives T_g = {each.temperature:.3f} (95 % interval {each.interval[0]:.3f} to {each.interval[1]:.3f} "
            f"over {each.simulations} simulations; {each.spread[0]:.3f} to {each.spread[1]:.3f} by {each.pairs} equally good fits)"
        )
        if each.strained:
            clause += f", though the law of the {_and(each.strained)} does not fit within the errors anywhere"
        if each.fictive is not None:
            value, (low, high) = each.fictive
            clause += f" and a fictive temperature of the coldest glass of {value:.3f} ({low:.3f} to {high:.3f})"
        clauses.append(clause)
    return "; ".join(clauses) or "there are no energies, so there is no T_g"


def _confusion(name: str, curve: ConfusionCurve, what: str) -> str:
    if (maximum := curve.maximum) is None:
        return f"Learning by confusion with {name} on {what} has no maximum: {curve.reason}"
    low, high = _temperatures(maximum.interval)
    return (
        f"Learning by confusion with {name} on {what} has its maximum at T = {temperature(maximum.guess):.3g} (index {maximum.guess}, 95 % "
        f"interval T = {low:.3g} to {high:.3g}), {100 * maximum.prominence:.1f} points above the higher valley"
    )


def _order(name: str, order: OrderParameter) -> str:
    if (crossing := order.crossing) is None:
        return f"P(glass) of {name}, trained on the two ends, does not pass one half: {order.reason}"
    low, high = _temperatures(crossing.interval)
    return (
        f"P(glass) of {name}, trained on the two ends, passes one half at T = {temperature(crossing.index):.3g} ({low:.3g} to {high:.3g}; "
        f"it classifies {order.right} of {order.ends} snapshots at the ends correctly)"
    )


def _agreement(ranges: Mapping[str, Interval]) -> str:
    missing = [name for name in (ENERGY, CONFUSION, ORDER) if name not in ranges]
    apart = [
        f"{first} with {second}"
        for first, second in combinations(ranges, 2)
        if ranges[first][0] > ranges[second][1] or ranges[second][0] > ranges[first][1]
    ]
    if len(ranges) < 2:
        return f"The three answers cannot be compared: there is none from {_and(missing)}."
    verdict = f"disagree: no overlap of {_and(apart)}" if apart else "agree within their intervals"
    if missing:
        return f"{_capital(_and(list(ranges)))} {verdict}; there is none from {_and(missing)}."
    return f"The three answers {verdict}."


def answers_table(found: Findings) -> str:
    """The answers as a table for the screen and the run's page."""
    return tabulate(_answers(found), _HEAD, "github", disable_numparse=True)


def answers_csv(found: Findings) -> str:
    """The same as comma-separated text."""
    return csv_text(_HEAD, _answers(found))


_HEAD = ("answer", "by", "T", "95 % interval", "equally good fits", "simulations")


def _answers(found: Findings) -> Iterator[tuple[str, ...]]:
    for each in found.energies:
        if isinstance(each, NoTransition):
            yield "T_g", each.observable.name, "none", each.reason, "", ""
            continue
        yield (
            "T_g",
            each.observable.name,
            f"{each.temperature:.3f}",
            _to(each.interval),
            f"{_to(each.spread)} ({each.pairs})",
            str(each.simulations),
        )
        if each.fictive is not None:
            value, interval = each.fictive
            yield "fictive temperature", each.observable.name, f"{value:.3f}", _to(interval), "", str(each.simulations)
    for name, curve in found.curves.items():
        maximum, count = curve.maximum, str(curve.simulations)
        if maximum is None:
            yield CONFUSION, name, "none", curve.reason, "", count
        else:
            yield CONFUSION, name, f"{temperature(maximum.guess):.3f}", _to(_temperatures(maximum.interval)), "", count
    for name, order in found.order.items():
        crossing, count = order.crossing, str(order.simulations)
        if crossing is None:
            yield f"{ORDER} = 1/2", name, "none", order.reason, "", count
        else:
            where = f"{temperature(crossing.index):.3f}"
            yield f"{ORDER} = 1/2", name, where, _to(_temperatures(crossing.interval)), "", count


def curves_csv(found: Findings) -> str:
    """Every point of the networks' curves, as comma-separated text."""
    head = ("curve", "model", "index", "temperature", "value", "low", "high", "majority", "simulations", "repeats")
    rows: list[Sequence[object]] = []
    for name, curve in found.curves.items():
        points = zip(curve.guesses, curve.accuracy, curve.intervals, curve.majority, strict=True)
        rows += [
            ("accuracy", name, index, temperature(index), value, *interval, share, curve.simulations, curve.repeats)
            for index, value, interval, share in points
        ]
    for name, order in found.order.items():
        values = zip(order.indices, order.p_glass, order.intervals, strict=True)
        rows += [
            ("p_glass", name, index, temperature(index), value, *interval, "", order.simulations, "")
            for index, value, interval in values
        ]
    return csv_text(head, rows)


def metrics(found: Findings) -> dict[str, float]:
    """The temperatures and their intervals, those that there are."""
    values: dict[str, float] = {}
    if (thermodynamic := found.thermodynamic) is not None:
        values |= _with_interval("glass_transition", thermodynamic.temperature, thermodynamic.interval)
        values |= {
            "glass_transition_lowest": thermodynamic.spread[0],
            "glass_transition_highest": thermodynamic.spread[1],
        }
    for each in found.energies:
        if isinstance(each, GlassTransition) and each.fictive is not None:
            values |= _with_interval("fictive_temperature", *each.fictive)
    for name, curve in found.curves.items():
        if curve.maximum is not None:
            bounds = _temperatures(curve.maximum.interval)
            values |= _with_interval(f"confusion_{name}", temperature(curve.maximum.guess), bounds)
    for name, order in found.order.items():
        values[f"calibration_{name}"] = order.tau
        if order.crossing is not None:
            values |= _with_interval(
                f"half_glass_{name}", temperature(order.crossing.index), _temperatures(order.crossing.interval)
            )
    if found.rates is not None:
        values |= _with_interval("glass_transition_per_decade", found.rates.line.slope, found.rates.line.slope_interval)
    return values


def _with_interval(name: str, value: float, interval: Interval) -> dict[str, float]:
    return {name: value, f"{name}_low": interval[0], f"{name}_high": interval[1]}


def _temperatures(indices: Interval) -> Interval:
    """An interval of indices in temperatures, which fall as the index rises."""
    return temperature(indices[1]), temperature(indices[0])


def _to(interval: Interval) -> str:
    return f"{interval[0]:.3f} to {interval[1]:.3f}"


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
