"""How near the engine numba is to what a core can do: python -m benchmarks.bench_limit [--rounds 20].

First the fused multiply-adds a second of vectors that never leave the registers: the peak. Then the loop over the neighbour lists, which
computes the forces: its vectors of eight pairs a second, the clock cycles of each, and the share of the pairs that are inside the cutoff. Last
what the forces are of whole steps. The fastest of all rounds counts, in processor time.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.report import print_surroundings, print_table
from glassliquid.physics.engines import engine_of_this_process
from glassliquid.physics.potential import PAIRS, box_length
from glassliquid.physics.protocol import Protocol, temperature
from glassliquid.physics.vectorised.compiler import compiled
from glassliquid.physics.vectorised.dynamics import best_skin, build_lists
from glassliquid.physics.vectorised.forces import compute_forces, sum_lanes
from glassliquid.physics.vectorised.lanes import LANES, add, multiply_add, splat
from glassliquid.physics.vectorised.state import new_system
from glassliquid.trajectories.trajectory import particle_types

OPERATIONS_A_CYCLE = 4 * LANES
"""Of a core with AVX2: two fused multiply-adds of eight lanes in each cycle."""
FLOATING_POINT = 16
"""Additions, multiplications and the one division for each pair of the lists in `forces_of_list`."""
CHAINS = 10
MULTIPLY_ADDS = 2_000_000


@compiled
def multiply_adds(times):
    """So many fused multiply-adds in each of ten chains, which do not wait for each other."""
    by, plus = splat(np.float32(0.999)), splat(np.float32(0.001))
    a, b, c, d, e = by, plus, by, plus, by
    f, g, h, i, j = plus, by, plus, by, plus
    for _ in range(times):
        a, b = multiply_add(a, by, plus), multiply_add(b, by, plus)
        c, d = multiply_add(c, by, plus), multiply_add(d, by, plus)
        e, f = multiply_add(e, by, plus), multiply_add(f, by, plus)
        g, h = multiply_add(g, by, plus), multiply_add(h, by, plus)
        i, j = multiply_add(i, by, plus), multiply_add(j, by, plus)
    return sum_lanes(add(add(add(a, b), add(c, d)), add(add(add(e, f), add(g, h)), add(i, j))))


@compiled
def forces_often(system, lists, counts, times):
    """The forces so many times in one call: handing the arrays over from Python takes as long as those of 256 particles."""
    for _ in range(times):
        compute_forces(system, lists, counts)


def fastest(function: Callable[[], Any], rounds: int) -> float:
    """Processor seconds of one call: the least of all rounds."""
    function()
    found = []
    for _ in range(rounds):
        started = time.process_time()
        function()
        found.append(time.process_time() - started)
    return min(found)


def force_loops(particles: int, index: int, rounds: int, peak: float) -> tuple[object, ...]:
    """One row: the force loop on a snapshot of a cooling in 10,000 steps."""
    engine: Any = engine_of_this_process("numba")
    protocol = Protocol(particles=particles, equilibration_steps=3_000, cooling_steps=10_000, snapshots=(index,))
    positions, length, types = engine.cool(protocol, 0).positions[0], box_length(particles), particle_types(particles)
    system, cutoffs = new_system(positions, types, length), np.empty((2, 2))
    for (a, b), pair in PAIRS.items():
        cutoffs[a, b] = cutoffs[b, a] = pair.cutoff
    lists, counts = build_lists(system, cutoffs, best_skin(temperature(index)))
    vectors = int(counts[0].sum())
    forces = fastest(lambda: forces_often(system, lists, counts, 200), rounds) / 200
    # Whole steps at this temperature: lists, thermostat and marks included.
    held = fastest(lambda: engine.hold(positions, types, length, temperature(index), 10, 100), rounds) / 1000
    cycles = forces * peak / OPERATIONS_A_CYCLE / vectors
    operations = vectors * LANES * FLOATING_POINT / forces
    return (
        f"{particles:,}",
        index,
        f"{vectors * LANES / particles:.1f}",
        f"{_inside(positions, types, length) / (vectors * LANES):.0%}",
        f"{cycles:.1f}",
        f"{operations / 1e9:.0f}",
        f"{operations / peak:.0%}",
        f"{forces / held:.0%}",
    )


def _inside(positions: np.ndarray, types: np.ndarray, length: float) -> int:
    """Pairs inside their cutoffs, each from both ends."""
    apart = positions[:, None] - positions[None]
    distances = np.hypot(*np.moveaxis(apart - length * np.round(apart / length), 2, 0))
    cutoffs = np.array([pair.cutoff for pair in PAIRS.values()])[types[:, None] + types[None]]
    return int((distances < cutoffs).sum()) - len(types)


def main() -> None:
    """Print the peak and the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    print_surroundings(["numba", "numpy"], "0")
    seconds = fastest(lambda: multiply_adds(MULTIPLY_ADDS), options.rounds)
    peak = 2 * LANES * CHAINS * MULTIPLY_ADDS / seconds
    print(
        f"Peak: {peak / 1e9:.0f} GFLOP/s, as of {peak / OPERATIONS_A_CYCLE / 1e9:.2f} GHz with two multiply-adds a cycle"
    )
    rows = [
        force_loops(particles, index, options.rounds, peak) for particles in (256, 1_024, 4_096) for index in (5, 200)
    ]
    head = (
        "particles", "snapshot", "pairs listed a particle", "of them inside the cutoff", "cycles for 8 pairs", "GFLOP/s",
        "of the peak", "forces' share of a step",
    )  # fmt: skip
    print_table("The force loop", head, rows)


if __name__ == "__main__":
    main()
