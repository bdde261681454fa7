"""Simulations an hour on a local Dask cluster and with plain worker processes, in alternation; and what a core does.

Both ways run the same simulations of the demo protocol with as many processes, which are there and have LAMMPS loaded when
the clock starts: what is compared is the running, not the starting. Scheduler and workers have the settings that
docs/CLUSTER.md asks for. Target: Dask does at least 95 % of the plain ones.

The last table is for planning: atom-steps a second of one core at the sizes of the presets, and the core-hours that the
reference ensemble then takes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.report import print_surroundings, print_table, spread
from entrypoints import SOURCE
from glassliquid.ensembles.cluster import open_pool
from glassliquid.ensembles.dask_settings import variables
from glassliquid.ensembles.ensemble import plan_ensemble
from glassliquid.ensembles.making import make_ensemble
from glassliquid.ensembles.workers import WorkerPool, run_all
from glassliquid.physics.engines import REFERENCE, engine_of_this_process
from glassliquid.physics.protocol import PRESETS, Protocol

SEED = 1
TARGET = 0.95


def main() -> None:
    """Run the rounds, then a core alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    print_surroundings(
        ["lammps", "dask", "distributed", "numpy", "gsd"],
        f"ensemble {SEED}; {options.rounds} rounds of {options.simulations} simulations, {options.processes} processes",
    )
    hourly: dict[str, list[float]] = {"processes": [], "Dask workers": []}
    processor: dict[str, list[float]] = {way: [] for way in hourly}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(options.rounds):
            ways = list(hourly) if number % 2 == 0 else list(reversed(hourly))
            for way in ways:
                with pool_of(way, options.processes, folder) as pool:
                    wall, used = seconds_of(pool, folder / f"{number}-{way[0]}", options.simulations)
                hourly[way].append(3600 * options.simulations / wall)
                processor[way].append(used / options.simulations)
    print_table(
        f"{options.simulations} simulations of the demo protocol, {options.processes} processes",
        ["way", "simulations an hour", "processor seconds a simulation"],
        [(way, spread(hourly[way], 0), spread(processor[way], 3)) for way in hourly],
    )
    ratios = [dask / plain for dask, plain in zip(hourly["Dask workers"], hourly["processes"], strict=True)]
    processor_ratios = [
        plain / dask for dask, plain in zip(processor["Dask workers"], processor["processes"], strict=True)
    ]
    print(f"Dask's simulations an hour in units of the plain processes': {spread(ratios, 3)} (target: >= {TARGET})")
    print(f"The same by the processor's time, scheduler and this process included: {spread(processor_ratios, 3)}")
    print_core_hours()


@contextmanager
def pool_of(way: str, processes: int, folder: Path) -> Iterator[WorkerPool]:
    """A pool of that kind; a Dask cluster of its own is started and ended."""
    if way == "processes":
        with open_pool(processes, None, folder) as pool:
            yield pool
        return
    note = folder / f"scheduler-{time.monotonic_ns()}.json"
    environment = {**os.environ, "PYTHONPATH": SOURCE, **variables()}
    start = [sys.executable, "-m"]
    options = {"cwd": folder, "env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    arguments = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(note)]
    started = [subprocess.Popen([*start, "distributed.cli.dask_scheduler", *arguments], **options)]  # type: ignore[call-overload]
    try:
        while not note.exists() or not note.read_text().strip():
            time.sleep(0.1)
        time.sleep(0.2)
        address = json.loads(note.read_text())["address"]
        worker = [*start, "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"]
        worker += ["--local-directory", str(folder)]
        started += [subprocess.Popen(worker, **options) for _ in range(processes)]  # type: ignore[call-overload]
        with open_pool(None, address, folder) as pool:
            while pool.check() or pool._count() < processes:  # type: ignore[attr-defined, func-returns-value]
                time.sleep(0.2)
            pool._sized_at = float("-inf")  # type: ignore[attr-defined]
            yield pool
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()


def seconds_of(pool: WorkerPool, folder: Path, simulations: int) -> tuple[float, float]:
    """Seconds for an ensemble, with workers that have LAMMPS loaded: by the clock and of the processor."""
    for _ in run_all(pool, load_engine, range(4 * pool.size)):
        pass
    started, used = time.perf_counter(), processor_seconds()
    make_ensemble(plan_ensemble(folder, "demo", PRESETS["demo"].protocol, simulations, SEED), pool, lambda *_: None)
    return time.perf_counter() - started, processor_seconds() - used


def processor_seconds() -> float:
    """Processor time of this process and of all that it started and that still run."""
    this = psutil.Process()
    times = [process.cpu_times() for process in (this, *this.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def load_engine(_: int) -> None:
    """Start LAMMPS, and stay long enough for the other workers to get such a task as well."""
    engine_of_this_process(REFERENCE)
    time.sleep(0.2)


def print_core_hours() -> None:
    """Speed of one core by size, and the reference ensemble's cost."""
    engine, rows, speed = engine_of_this_process(REFERENCE), [], 0.0
    for particles, steps in ((256, 40_000), (1_024, 20_000)):
        protocol = Protocol(particles=particles, equilibration_steps=0, cooling_steps=steps)
        rates = []
        for seed in range(1, 4):
            started = time.perf_counter()
            engine.cool(protocol, seed)
            rates.append(particles * steps / (time.perf_counter() - started) / 1e6)
        rows.append((f"{particles:,}", f"{steps:,}", spread(rates)))
        speed = sorted(rates)[1]
    print_table("One core, cooling from T = 2.0 to 0.05", ["N", "steps", "million atom-steps a second"], rows)
    reference = PRESETS["reference"]
    steps = reference.protocol.equilibration_steps + reference.protocol.cooling_steps
    hours = reference.protocol.particles * steps / speed / 1e6 / 3600
    print(
        f"A reference simulation takes {hours:.2f} core-hours, {reference.simulations:,} of them {hours * 10_000:,.0f}."
    )


if __name__ == "__main__":
    main()
