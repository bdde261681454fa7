"""Whether the engine numba samples what LAMMPS samples: python -m benchmarks.compare_engines [--systems 64].

Equilibrium at T = 2.0 and 1.0 (kinetic temperature, energy, pressure, pair counts), dynamics at T = 0.6 (mean squared displacement, Fs(k, t)),
and e_IS of glasses: means and standard errors over independent systems, and how many standard errors they are apart.
tests/physics/test_numba.py asks the same of fewer of them.
"""

import argparse
import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import print_surroundings, print_table
from glassliquid.physics.engine import Engine
from glassliquid.physics.engines import engine_of_this_process
from glassliquid.physics.potential import PAIRS, SPECIES, box_length
from glassliquid.physics.protocol import Protocol
from glassliquid.trajectories.trajectory import particle_types

NAMES = ("lammps", "numba")
PARTICLES = 256
LENGTH, TYPES = box_length(PARTICLES), particle_types(PARTICLES)
SHELLS = np.linspace(0.7, 2.5, 9)
"""Edges of the shells in which pairs are counted [sigma_AA]."""
WAVE_NUMBER = 7.2
"""Where the structure factor of A has its first maximum [1 / sigma_AA]."""
TIMES = range(1, 11)
"""At which displacements are compared [tau]."""


@dataclass(frozen=True)
class Values:
    """Some quantities of independent systems."""

    names: list[str]
    values: NDArray[np.float64]
    """Shape (systems, quantities)."""


def standard_errors_apart(one: NDArray[np.floating], other: NDArray[np.floating]) -> NDArray[np.float64]:
    """Differences of the means over systems in combined standard errors, shape (quantities,)."""
    error = np.sqrt(one.var(axis=0, ddof=1) / len(one) + other.var(axis=0, ddof=1) / len(other))
    return np.asarray(np.abs(one.mean(axis=0) - other.mean(axis=0)) / error)


def pair_counts(positions: NDArray[np.floating]) -> NDArray[np.float64]:
    """AA, AB and BB pairs in each shell, shape (24,): the partial g(r) but for constants."""
    found = []
    for a, b in PAIRS:
        apart = positions[a == TYPES][:, None] - positions[b == TYPES][None]
        distances = np.hypot(*np.moveaxis(apart - LENGTH * np.round(apart / LENGTH), 2, 0))
        found.append(np.histogram(distances[distances > 0], SHELLS)[0])
    return np.concatenate(found).astype(np.float64)


def equilibrium(engine: Engine, temperature: float, start: NDArray[np.floating], seed: int) -> Values:
    """Means over 20,000 steps at one temperature, after 10,000 that settle it."""
    settled = engine.hold(start, TYPES, LENGTH, temperature, 1, 10_000, seed=seed).positions[-1]
    held = engine.hold(settled, TYPES, LENGTH, temperature, 200, 100, seed=seed)
    thermodynamics = [held.temperature.mean(), held.potential_energy.mean(), held.pressure.mean()]
    counts = np.mean([pair_counts(each) for each in held.positions[::10]], axis=0)
    shells = [
        f"{SPECIES[a]}{SPECIES[b]} pairs, {low:.2f} to {high:.2f}"
        for a, b in PAIRS
        for low, high in itertools.pairwise(SHELLS)
    ]
    names = ["kinetic temperature", "energy per particle", "pressure", *shells]
    return Values(names, np.array([*thermodynamics, *counts]))


def dynamics(engine: Engine, start: NDArray[np.floating], seed: int) -> Values:
    """Logarithms of the mean squared displacements of A and B, and Fs(k, t) of A, at ten times of T = 0.6."""
    # Settled for 50 tau first, as the start comes from a cooling.
    settled = engine.hold(start, TYPES, LENGTH, 0.6, 1, 10_000, seed=seed).positions[-1]
    places = engine.hold(settled, TYPES, LENGTH, 0.6, 100, 20, seed=seed).positions
    steps = np.diff(places, axis=0)
    # From mark to mark, a tenth of tau, no particle moves half a box.
    displacements = np.cumsum(steps - LENGTH * np.round(steps / LENGTH), axis=0)[9::10]
    squares = (displacements**2).sum(axis=2)
    scattering = np.cos(WAVE_NUMBER * displacements[:, TYPES == 0]).mean(axis=(1, 2))
    moved = [np.log(squares[:, species == TYPES].mean(axis=1)) for species in range(len(SPECIES))]
    names = [f"ln MSD of {name}, t = {time}" for name in SPECIES for time in TIMES]
    return Values([*names, *(f"Fs(7.2, {time})" for time in TIMES)], np.concatenate([*moved, scattering]))


def inherent_energy(engine: Engine, seed: int) -> Values:
    """e_IS of a glass that the engine cooled and minimised."""
    protocol = Protocol(particles=PARTICLES, equilibration_steps=3_000, cooling_steps=10_000, snapshots=(200,))
    glass = engine.cool(protocol, seed).positions[0]
    return Values(["e_IS"], np.array([engine.minimise(glass, TYPES, LENGTH)[1]]))


def gathered(found: list[Values]) -> Values:
    """The same quantities of several systems."""
    return Values(found[0].names, np.array([each.values for each in found]))


def compared(engines: dict[str, Engine], systems: int, glasses: int) -> dict[str, dict[str, Values]]:
    """Everything that is compared: what it is, to engine, to values. Both engines' systems start from different coolings."""
    found: dict[str, dict[str, Values]] = {}
    protocol = Protocol(particles=PARTICLES, equilibration_steps=2_000, cooling_steps=10_000, snapshots=(0, 103, 144))
    starts = [engines["lammps"].cool(protocol, seed).positions for seed in range(systems * len(engines))]
    for place, name in enumerate(engines):
        own, engine = starts[place :: len(engines)], engines[name]
        for at, temperature in enumerate((2.0, 1.0)):
            values = gathered([equilibrium(engine, temperature, each[at], 1 + seed) for seed, each in enumerate(own)])
            found.setdefault(f"T = {temperature}", {})[name] = values
        found.setdefault("T = 0.6", {})[name] = gathered(
            [dynamics(engine, each[2], 1 + seed) for seed, each in enumerate(own)]
        )
        found.setdefault("glass", {})[name] = gathered([inherent_energy(engine, seed) for seed in range(glasses)])
    return found


def main() -> None:
    """Print a row for each quantity but the pair counts, and how many of all are more than two standard errors apart."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--systems", type=int, default=64)
    parser.add_argument("--glasses", type=int, default=200)
    options = parser.parse_args()
    print_surroundings(["lammps", "numba", "numpy"], "from 0")
    rows, far, all_of_them = [], 0, 0
    engines = {name: engine_of_this_process(name) for name in NAMES}
    for state, by_engine in compared(engines, options.systems, options.glasses).items():
        one, other = (by_engine[name].values for name in NAMES)
        varied = (one.std(axis=0) > 0) & (other.std(axis=0) > 0)  # shells that no pair reaches tell nothing
        apart = np.where(varied, standard_errors_apart(one, np.where(varied, other, other + 1e-300)), 0)
        far, all_of_them = far + int((apart > 2).sum()), all_of_them + int(varied.sum())
        for at, quantity in enumerate(by_engine[NAMES[0]].names):
            moment = state != "T = 0.6" or int(quantity.rpartition(" ")[2].strip(")")) in (1, 3, 10)
            if "pairs" in quantity or not moment:
                continue
            means = [
                f"{each[:, at].mean():.4f} +- {each[:, at].std(ddof=1) / len(each) ** 0.5:.4f}" for each in (one, other)
            ]
            rows.append((state, quantity, *means, f"{apart[at]:.1f}"))
        shells = np.array(["pairs" in each for each in by_engine[NAMES[0]].names]) & varied
        if shells.any():
            largest, beyond = apart[shells].max(), int((apart[shells] > 2).sum())
            rows.append(
                (state, f"pair counts in {shells.sum()} shells", "", "", f"{beyond} beyond 2, largest {largest:.1f}")
            )
    print_table(
        f"{options.systems} systems of each engine, {options.glasses} glasses",
        ("state", "quantity", *NAMES, "standard errors apart"),
        rows,
    )
    print(f"\n{far} of {all_of_them} comparisons are more than two combined standard errors apart.")


if __name__ == "__main__":
    main()
