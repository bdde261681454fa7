"""What the cooling did to the thermodynamics, and to the inherent structures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from glassliquid.ensembles.thermodynamics import MeasuredTransition
from glassliquid.physics.protocol import GLASS_TRANSITION_SNAPSHOT, INTERVALS, temperature
from glassliquid.plots.axes import TEMPERATURE, add_caption, beside
from glassliquid.trajectories.trajectory import CoolingCurve

LABELS = {
    "potential_energy": r"potential energy / N [$\varepsilon_{AA}$]",
    "pressure": r"pressure [$\varepsilon_{AA}\,/\,\sigma_{AA}^2$]",
}
COLOURS = ("#1f63be", "#d9480f")
"""Of the first and the second ensemble."""
DASHES = ("-", "--")
"""Of their curves, which are told apart in grey too."""
MARK_DASHES = ("--", ":")
"""Of their T_g."""


@dataclass(frozen=True)
class Mark:
    """Where T_g is drawn, and what is said of it."""

    temperature: float
    label: str


ASSUMED = Mark(temperature(GLASS_TRANSITION_SNAPSHOT), r"next to the log's assumed $T_g$ = 0.21")
"""Of an ensemble whose T_g was not measured."""


def mark_of(measured: MeasuredTransition | None) -> Mark:
    """The measured T_g, or else the log's."""
    if measured is None:
        return ASSUMED
    return Mark(
        measured.temperature, f"measured $T_g$ = {measured.temperature:.2f} ({measured.low:.2f} to {measured.high:.2f})"
    )


@dataclass(frozen=True)
class Cooled:
    """An ensemble and what its cooling did."""

    name: str
    curves: Sequence[CoolingCurve]
    """Of some of its simulations; none of an imported one."""
    indices: Sequence[int] = ()
    """Snapshots whose inherent structures all simulations have."""
    energies: NDArray[np.float64] | None = None
    """e_IS of these, shape (simulations, indices)."""
    transition: Mark = ASSUMED
    """Its T_g."""


def cooling_figure(
    ensembles: Sequence[Cooled], caption: str, equal_energy: tuple[float, float] | None = None
) -> Figure:
    """Potential energy, pressure and e_IS against the set temperature: the mean over simulations and their spread.

    Args:
        ensembles: one or two.
        caption: what is written above.
        equal_energy: index and e_IS at which the liquids of the first have the energy of the second's glasses, if they do.
    """
    has_energies = any(len(each.indices) > 1 for each in ensembles)
    rows = [*LABELS, "e_IS"] if has_energies else [*LABELS]
    figure = Figure(figsize=(10, 3 * len(rows)), layout="constrained")
    panels: list[Any] = list(figure.subplots(len(rows), 1, sharex=True))
    set_temperature = [temperature(index) for index in range(INTERVALS + 1)]
    for each, colour, dashes in zip(ensembles, COLOURS, DASHES, strict=False):
        style = {"color": colour, "linestyle": dashes}
        for axes, name in zip(panels, LABELS, strict=False):
            if each.curves:
                values = np.array([getattr(curve, name) for curve in each.curves])
                _band(axes, set_temperature, values, _label(each, ensembles, len(each.curves)), **style)
        if each.energies is not None and len(each.indices) > 1:
            at = [temperature(index) for index in each.indices]
            _band(panels[-1], at, each.energies, _label(each, ensembles, len(each.energies)), marker=".", **style)
    for axes in panels:
        for mark, dashes in zip(dict.fromkeys(each.transition for each in ensembles), MARK_DASHES, strict=False):
            axes.axvline(mark.temperature, color="0.3", linestyle=dashes, linewidth=1, label=mark.label)
        axes.grid(alpha=0.3)
    for axes, label in zip(panels, LABELS.values(), strict=False):
        axes.set_ylabel(label, fontsize=9)
    if has_energies:
        panels[-1].set_ylabel(r"$e_{IS}$ per particle [$\varepsilon_{AA}$]", fontsize=9)
        if equal_energy is not None:
            index, energy = equal_energy
            panels[-1].plot(
                [temperature(index)],
                [energy],
                "k*",
                markersize=11,
                label=f"equal energy: index {index:.1f},\n$e_{{IS}}$ = {energy:.4f}",
            )
        beside(panels[-1])
    beside(panels[0])
    panels[-1].set_xlabel(TEMPERATURE)
    add_caption(figure, caption)
    return figure


def _label(each: Cooled, ensembles: Sequence[Cooled], simulations: int) -> str:
    return f"{f'{each.name}: ' if len(ensembles) > 1 else ''}mean and standard deviation of {simulations} simulations"


def _band(axes: Any, x: Sequence[float], values: NDArray[np.float64], label: str, **style: Any) -> None:
    mean, spread = values.mean(axis=0), values.std(axis=0)
    axes.plot(x, mean, label=label, **style)
    axes.fill_between(x, mean - spread, mean + spread, alpha=0.25, color=style["color"])
