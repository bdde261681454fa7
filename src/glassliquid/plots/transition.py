"""Where the transition is: energies, learning by confusion and P(glass), one below the other over the temperature."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from glassliquid.evaluation.confusion import ConfusionCurve
from glassliquid.evaluation.glass_transition import Branch, GlassTransition, NoTransition
from glassliquid.evaluation.order_parameter import OrderParameter
from glassliquid.evaluation.transition_summary import CONFUSION, ENERGY, ORDER, Findings
from glassliquid.physics.protocol import TEMPERATURE_COLD, TEMPERATURE_HOT, temperature
from glassliquid.plots.axes import TEMPERATURE, add_caption, verbatim

COLOURS = {ENERGY: "#2b8a3e", CONFUSION: "#c2255c", ORDER: "#1f63be"}
"""Of the three answers."""
GREY = "0.55"
"""Of structure, and of what is trivial."""
CHARACTERS = 125
"""Of a line of the caption."""

Points = tuple[Sequence[float], NDArray[np.float64], NDArray[np.float64]]
"""Temperatures, means and their standard errors."""


def transition_figure(found: Findings, energies: Sequence[Points], caption: str) -> Figure:
    """The three answers in three panels with one axis, the temperature; hot on the left, as the cooling goes.

    Args:
        found: what was found.
        energies: the points of each of `found.energies`.
        caption: above the figure.
    """
    panels = [*found.energies, CONFUSION, ORDER]
    figure = Figure(figsize=(9.5, 2.2 + 2.7 * len(panels)), layout="constrained")
    rows: list[Any] = list(figure.subplots(len(panels), 1, sharex=True))
    for axes, result, points in zip(rows, found.energies, energies, strict=False):
        _energy(axes, result, points)
    _confusion(rows[-2], found.curves, found.model)
    _order(rows[-1], found.order, found.model)
    for axes in rows:
        for name, (low, high) in found.ranges.items():
            axes.axvspan(low, high, color=COLOURS[name], alpha=0.13, linewidth=0)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    rows[-1].set_xlim(TEMPERATURE_HOT + 0.03, TEMPERATURE_COLD - 0.03)
    rows[-1].set_xlabel(TEMPERATURE)
    add_caption(figure, caption, CHARACTERS, fontsize=8)
    return figure


def _energy(axes: Any, result: GlassTransition | NoTransition, points: Points) -> None:
    """The energy less the temperature's own share k T, or else its slope would hide the kink; and both branches."""
    observable = result.observable
    # In two dimensions a harmonic glass holds k_B T of potential energy a particle; an inherent structure holds none.
    vibration = 0.0 if observable.inverse is not None else 1.0
    t, mean, error = np.asarray(points[0]), points[1], points[2]
    axes.errorbar(
        t, mean - vibration * t, error, fmt=".", color="0.3", markersize=3, linewidth=0.8, label="mean, standard error"
    )
    if isinstance(result, GlassTransition):
        pairs = ((result.liquid, observable.basis, observable.law, "-"), (result.glass, np.asarray, "c + d T", "--"))
        for branch, basis, law, style in pairs:
            _branch(axes, branch, basis, vibration, f"{law}, fitted from {branch.hot:.2f} to {branch.cold:.2f}", style)
        axes.axvline(result.temperature, color=COLOURS[ENERGY], label=f"$T_g$ = {result.temperature:.3f}")
        values = mean - vibration * t
        room = 0.15 * float(np.ptp(values))
        axes.set_ylim(values.min() - room, values.max() + room)
    else:
        axes.plot([], [], " ", label="no $T_g$")
    quantity = observable.symbol.replace("_IS", "_{IS}") + (r" - k_B T" if vibration else "")
    axes.set_ylabel(rf"${quantity}$ [$\varepsilon_{{AA}}$]")


def _branch(axes: Any, branch: Branch, basis: Any, vibration: float, label: str, style: str) -> None:
    t = np.linspace(TEMPERATURE_COLD, TEMPERATURE_HOT, 200)
    constant, slope = branch.coefficients
    axes.plot(t, constant + slope * basis(t) - vibration * t, style, color=COLOURS[ENERGY], linewidth=1.1, label=label)


def _confusion(axes: Any, curves: Mapping[str, ConfusionCurve], model: str) -> None:
    for name, curve in curves.items():
        colour = COLOURS[CONFUSION] if name == model else GREY
        t = [temperature(guess) for guess in curve.guesses]
        maximum = curve.maximum
        where = "no maximum" if maximum is None else f"maximum at T = {temperature(maximum.guess):.3g}"
        _curve(axes, t, curve.accuracy, curve.intervals, colour, verbatim(f"{name}: {where}"))
        if maximum is not None and name == model:
            axes.axvline(temperature(maximum.guess), color=colour)
    for curve in list(curves.values())[:1]:
        t = [temperature(guess) for guess in curve.guesses]
        axes.plot(t, curve.majority, ":", color="0.2", linewidth=1, label="fraction of the larger class")
    axes.set_ylabel("accuracy at this guess")


def _order(axes: Any, order: Mapping[str, OrderParameter], model: str) -> None:
    for name, each in order.items():
        colour = COLOURS[ORDER] if name == model else GREY
        t = [temperature(index) for index in each.indices]
        crossing = each.crossing
        where = "does not pass one half" if crossing is None else f"one half at T = {temperature(crossing.index):.3g}"
        _curve(axes, t, each.p_glass, each.intervals, colour, verbatim(f"{name}: {where}"))
        if crossing is not None and name == model:
            axes.axvline(temperature(crossing.index), color=colour)
    axes.axhline(0.5, color="0.5", linewidth=0.8, linestyle="--")
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel("mean P(glass)")


def _curve(
    axes: Any,
    t: Sequence[float],
    values: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    colour: str,
    label: str,
) -> None:
    low, high = zip(*intervals, strict=True)
    axes.plot(t, values, marker=".", color=colour, linewidth=1.3, label=label)
    axes.fill_between(t, low, high, color=colour, alpha=0.2, linewidth=0)
