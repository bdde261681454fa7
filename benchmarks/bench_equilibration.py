"""How long the liquid takes to reach equilibrium at T = 2.0 from the random start: python -m benchmarks.bench_equilibration.

Prints the mean potential energy and pressure over many simulations of the demo's size against the number of steps, and
their distance to the mean over the last marks in standard errors.
"""

import multiprocessing
from typing import cast

import numpy as np

from benchmarks.report import print_surroundings, print_table
from glassliquid.physics.engine import THERMOSTAT_TIME
from glassliquid.physics.engines import engine_of_this_process
from glassliquid.physics.engines.lammps import Lammps
from glassliquid.physics.protocol import PRESETS, TEMPERATURE_HOT

SIMULATIONS = 240
MARKS = (250, 500, 1_000, 2_000, 3_000, 4_000, 6_000, 8_000, 10_000)
REFERENCE = slice(6, None)
"""The marks whose mean is taken for the equilibrium."""


def energies(seed: int) -> list[tuple[float, float]]:
    """Potential energy per particle and pressure of one simulation at the marks."""
    engine = cast(Lammps, engine_of_this_process("lammps"))
    engine._random_start(PRESETS["demo"].protocol.particles, [2 * seed + 1, 2 * seed + 2])
    engine._commands(
        f"velocity all create {TEMPERATURE_HOT} {seed + 1} mom yes rot no dist gaussian",
        "fix integrate all nve",
        f"fix thermostat all temp/csvr {TEMPERATURE_HOT} {TEMPERATURE_HOT} {THERMOSTAT_TIME} {seed + 1}",
        "reset_timestep 0",
    )
    found, done = [], 0
    for mark in MARKS:
        engine._commands(f"run {mark - done} post no")
        done = mark
        found.append((engine._lammps.get_thermo("pe"), engine._lammps.get_thermo("press")))
    return found


def main() -> None:
    """Run all simulations on two processes and print the table."""
    print_surroundings(["lammps"], f"0 to {SIMULATIONS - 1}")
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        values = np.array(pool.map(energies, range(SIMULATIONS)))
    mean, error = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(SIMULATIONS)
    reference = values[:, REFERENCE].mean(axis=(0, 1))
    rows = [
        (f"{mark:,}", *(f"{m:.4f} +- {e:.4f} ({(m - r) / e:+.1f})" for m, e, r in zip(*row, reference, strict=True)))
        for mark, *row in zip(MARKS, mean, error, strict=True)
    ]
    print_table(
        f"{SIMULATIONS} simulations at T = {TEMPERATURE_HOT} (in brackets: standard errors from the last marks' mean)",
        ("steps", "potential energy per particle", "pressure"),
        rows,
    )


if __name__ == "__main__":
    main()
