"""How an ensemble is simulated: sizes, temperatures, times, and which snapshots are stored."""

from dataclasses import dataclass
from typing import Annotated

from glassliquid.errors import UserError, listed
from glassliquid.settings import Field, settings

INTERVALS = 200
"""The cooling time is cut into this many equal parts; snapshot indices run from 0 to this number."""

TEMPERATURE_HOT = 2.0
"""Temperature at which the liquid is equilibrated [epsilon_AA / k_B]."""

TEMPERATURE_COLD = 0.05
"""Temperature at the end of the cooling [epsilon_AA / k_B]."""

GLASS_TRANSITION_SNAPSHOT = 183
"""Last snapshot above the assumed glass transition T_g = 0.21 (T_183 = 0.21575)."""

TIME_STEP = 0.005
"""Time step of the integrator [tau = sigma_AA (mass / epsilon_AA)^(1/2)]."""

LOG_SNAPSHOTS = (1, 5, 10, 15, 25, 35, 45, 60, 171, 183, 195, 200)
"""Indices that the research log used: its datasets, both ends, and the transition with twelve steps on each side."""

DEFAULT_SNAPSHOTS = tuple(sorted({*LOG_SNAPSHOTS, *range(0, INTERVALS + 1, 5)}))
"""Stored by default: the log's indices and every fifth."""

SMALLEST_PARTICLES = 32
"""Smallest N whose box (side sqrt(N / 1.2)) is at least two cutoffs wide, as the minimum image convention needs."""

LARGEST_PARTICLES = 1_000_000
"""Largest N; a frame of so many takes a tenth of a gigabyte to read. What says more is taken for a mistake."""

MOST_STEPS = 10**12
"""Time steps: a thousand years at N = 1,000. What says more is taken for a mistake."""


def temperature(snapshot: float) -> float:
    """Set temperature of a snapshot, T_k = T_hot - (T_hot - T_cold) k / 200 [epsilon_AA / k_B]."""
    # Rounded, so that T_200 is 0.05 and not 0.050000000000000044.
    return round(TEMPERATURE_HOT - (TEMPERATURE_HOT - TEMPERATURE_COLD) * snapshot / INTERVALS, 12)


def snapshot_at(set_temperature: float) -> float:
    """The inverse of `temperature`: the snapshot index, between two if need be, at which this temperature is set."""
    return (TEMPERATURE_HOT - set_temperature) * INTERVALS / (TEMPERATURE_HOT - TEMPERATURE_COLD)


def check_snapshot(what: str, index: int) -> None:
    """Raise UserError unless `index` is a snapshot index, 0 to 200."""
    if not 0 <= index <= INTERVALS:
        raise UserError(
            f"{what} is {index}, but snapshot indices run from 0 (T = 2.0) to 200 (T = 0.05): pass one of these."
        )


@settings
class Protocol:
    """Everything but the seed and the engine that determines one simulation."""

    particles: Annotated[int, Field(ge=SMALLEST_PARTICLES, le=LARGEST_PARTICLES)]
    """Number of particles N, species A and B together."""
    equilibration_steps: Annotated[int, Field(ge=0, le=MOST_STEPS)]
    """Time steps at T = 2.0 before the cooling starts."""
    cooling_steps: Annotated[int, Field(le=MOST_STEPS)]
    """Time steps of the cooling, a multiple of 200."""
    snapshots: tuple[int, ...] = DEFAULT_SNAPSHOTS
    """Indices that are stored, ascending."""

    def __post_init__(self) -> None:
        """Check what the bounds of single fields do not say."""
        if self.cooling_steps < INTERVALS or self.cooling_steps % INTERVALS:
            raise UserError(
                f"cooling_steps is {self.cooling_steps}, but it must be a positive multiple of {INTERVALS} (one part for "
                f"each snapshot): pass for example {max(1, round(max(0, self.cooling_steps) / INTERVALS)) * INTERVALS}."
            )
        if not self.snapshots:
            raise UserError("snapshots is empty: name at least one index from 0 to 200, for example 5,200.")
        for index in self.snapshots:
            check_snapshot("snapshots", index)
        if list(self.snapshots) != sorted(set(self.snapshots)):
            raise UserError(f"snapshots is {listed(self.snapshots)}: give each index once, in ascending order.")

    @property
    def steps_per_snapshot(self) -> int:
        """Time steps between neighbouring snapshot indices."""
        return self.cooling_steps // INTERVALS

    def check_stored(self, what: str, snapshot: int, ensemble: str) -> None:
        """Raise UserError unless this snapshot is stored; the message names the nearest that are.

        Args:
            what: the parameter that names the snapshot, for the message.
            snapshot: its index.
            ensemble: name of the ensemble, for the message.
        """
        check_snapshot(what, snapshot)
        if snapshot not in self.snapshots:
            nearest = sorted(sorted(self.snapshots, key=lambda index: abs(index - snapshot))[:4])
            raise UserError(
                f"{what} is {snapshot}, which the ensemble {ensemble!r} does not store (nearest: {listed(nearest)}): "
                f"choose one of {listed(self.snapshots)}."
            )


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A named protocol and the number of simulations that goes with it."""

    protocol: Protocol
    """How each simulation is run."""
    simulations: int
    """How many simulations the ensemble has."""


PRESETS = {
    "demo": Preset(protocol=Protocol(particles=256, equilibration_steps=3_000, cooling_steps=10_000), simulations=400),
    "fast": Preset(
        protocol=Protocol(particles=1_024, equilibration_steps=20_000, cooling_steps=200_000), simulations=400
    ),
    "reference": Preset(
        protocol=Protocol(particles=1_024, equilibration_steps=100_000, cooling_steps=20_000_000), simulations=10_000
    ),
}
"""Protocols by name: minutes on two cores, hours on two cores, days on a cluster."""
