"""How long it takes to pair glasses and liquids of the same energy: python -m benchmarks.bench_matching [--samples 10000].

Processor seconds of one process. The energies are normal, the liquids' mean 0.7 and their deviation 1.1 times the glasses' standard deviation.
"""

import argparse
import time

import numpy as np

from benchmarks.report import print_surroundings, print_table, spread
from glassliquid.datasets.matching import area_of_energy, auto_tolerance, match_energies

ROUNDS = 3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=10_000, help="glasses, and liquids")
    samples = parser.parse_args().samples
    print_surroundings(("numpy", "scipy"), f"0 to {ROUNDS - 1}")
    rows = []
    for candidates in (1, 5):
        seconds, pairs, areas = [], [], []
        for seed in range(ROUNDS):
            generator = np.random.default_rng(seed)
            glass = generator.normal(0, 1, samples)
            liquid = generator.normal(0.7, 1.1, (samples // candidates, candidates))
            started = time.process_time()
            left, right, which = match_energies(glass, liquid, auto_tolerance(glass, samples))
            seconds.append(time.process_time() - started)
            pairs.append(float(len(left)))
            areas.append(area_of_energy(glass[left], liquid[right, which], (left + samples, right))[0])
        rows.append((f"{len(liquid):,} x {candidates}", spread(seconds), spread(pairs, 0), spread(areas, 4)))
    head = ("liquids x candidates", "processor seconds", "pairs", "area of e_IS after")
    print_table(f"{samples:,} glasses, {ROUNDS} rounds: median (range)", head, rows)


if __name__ == "__main__":
    main()
