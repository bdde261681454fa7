"""What the cooling did to the thermodynamics."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from glassliquid.ensembles.thermodynamics import MeasuredTransition
from glassliquid.physics.protocol import GLASS_TRANSITION_SNAPSHOT, INTERVALS, temperature
from glassliquid.plots.axes import TEMPERATURE, add_caption
from glassliquid.trajectories.trajectory import CoolingCurve

LABELS = {
    "potential_energy": "potential energy per particle [epsilon_AA]",
    "pressure": "pressure [epsilon_AA / sigma_AA²]",
}


@dataclass(frozen=True)
class Mark:
    """Where T_g is drawn, and what is said of it."""

    temperature: float
    label: str


ASSUMED = Mark(temperature(GLASS_TRANSITION_SNAPSHOT), "next to the log's assumed T_g = 0.21")
"""Of an ensemble whose T_g was not measured."""


def mark_of(measured: MeasuredTransition | None) -> Mark:
    """The measured T_g, or else the log's."""
    if measured is None:
        return ASSUMED
    where = f"{measured.temperature:.2f} ({measured.low:.2f} to {measured.high:.2f})"
    return Mark(measured.temperature, f"T_g = {where}, measured by the {measured.observable}")


def cooling_figure(curves: Sequence[CoolingCurve], caption: str, transition: Mark = ASSUMED) -> Figure:
    """Potential energy and pressure against the set temperature: the mean over simulations and their spread."""
    figure = Figure(figsize=(8, 6), layout="constrained")
    rows: list[Any] = list(figure.subplots(2, 1, sharex=True))
    set_temperature = [temperature(index) for index in range(INTERVALS + 1)]
    for axes, (name, label) in zip(rows, LABELS.items(), strict=True):
        values = np.array([getattr(curve, name) for curve in curves])
        mean, spread = values.mean(axis=0), values.std(axis=0)
        band = {"alpha": 0.25, "label": "standard deviation among them"}
        axes.plot(set_temperature, mean, label=f"mean of {len(curves)} simulations", color="#1f63be")
        axes.fill_between(set_temperature, mean - spread, mean + spread, **band)
        axes.axvline(transition.temperature, color="0.4", linestyle="--", linewidth=1, label=transition.label)
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
    rows[0].legend(fontsize=9)
    rows[1].set_xlabel(TEMPERATURE)
    add_caption(figure, caption)
    return figure
