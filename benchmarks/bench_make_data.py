"""What the ensemble and the dataset cost beside the bare LAMMPS runs of the same simulations, and how much memory.

Three ways to run the same simulations of the demo protocol with as many processes, in alternating order:
- ours: make_ensemble, then make_dataset (files, snapshots, thermodynamics, images);
- bare, same commands: one LAMMPS instance a process given the very commands, nothing kept and nothing written;
- bare, one run: the same, but the cooling is a single `run` that does not stop at the 200 marks.
Each includes starting its processes. Target: ours takes at most 1.10 times the bare runs.

Memory is the peak of the parent process, each number of simulations in a process of its own.
"""

import argparse
import itertools
import multiprocessing
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import benchmarks
from benchmarks.report import print_surroundings, print_table, spread
from glassliquid.datasets.build import make_dataset
from glassliquid.datasets.description import Recipe
from glassliquid.ensembles.ensemble import plan_ensemble
from glassliquid.ensembles.making import make_ensemble
from glassliquid.ensembles.workers import LocalPool
from glassliquid.physics.engines import lammps as engine_module
from glassliquid.physics.engines.lammps import Lammps
from glassliquid.physics.protocol import PRESETS, Protocol

SEED = 1
TARGET = 1.10
MEMORY_AT = (20, 60, 200)
MEMORY_PROTOCOL = Protocol(particles=256, equilibration_steps=0, cooling_steps=400)
"""Stores and writes as much a simulation as the demo protocol, in a twentieth of its time."""


def main() -> None:
    """Run the rounds, then measure the memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        print(peak_memory(options.memory_of, options.processes))
        return
    protocol, simulations, processes = PRESETS["demo"].protocol, options.simulations, options.processes
    print_surroundings(
        ["lammps", "mpich", "numpy", "gsd", "pillow"],
        f"ensemble {SEED}; {options.rounds} rounds of {simulations} simulations, {processes} processes",
    )
    seeds = [each.seed for each in plan_ensemble(Path("bench"), "demo", protocol, simulations, SEED).simulations]
    same = [commands_of(protocol, seed) for seed in seeds]
    ways: dict[str, Callable[[], tuple[float, float]]] = {
        "ours": lambda: ours(protocol, simulations, processes),
        "bare, same commands": lambda: bare(same, processes),
        "bare, one run": lambda: bare([in_one_run(each, protocol) for each in same], processes),
    }
    walls: dict[str, list[float]] = {name: [] for name in ways}
    cpus: dict[str, list[float]] = {name: [] for name in ways}
    drawing = []
    orders = itertools.cycle(itertools.permutations(ways))
    for _ in range(options.rounds):
        for name in next(orders):
            before = os.times()
            wall, drawn = ways[name]()
            after = os.times()
            walls[name].append(wall)
            cpus[name].append(sum(after[:4]) - sum(before[:4]))
            if name == "ours":
                drawing.append(drawn)
    steps = simulations * protocol.particles * (protocol.equilibration_steps + protocol.cooling_steps)
    print_table(
        f"{simulations} simulations of the demo protocol and their dataset",
        ["way", "seconds", "CPU seconds", "million atom-steps a second"],
        [
            (name, spread(walls[name]), spread(cpus[name]), f"{steps / statistics.median(walls[name]) / 1e6:.1f}")
            for name in ways
        ],
    )
    print_table(
        "Ours against the bare runs",
        ["against", "ratio of seconds", "ratio of CPU seconds", "target"],
        [
            (
                name,
                *(
                    spread([one / other for one, other in zip(taken["ours"], taken[name], strict=True)], 3)
                    for taken in (walls, cpus)
                ),
                f"<= {TARGET}",
            )
            for name in list(ways)[1:]
        ],
    )
    total = PRESETS["demo"].simulations
    projected = statistics.median(walls["ours"]) * total / simulations
    print(f"Projected for the demo preset's {total} simulations: {projected:.0f} s (target: under 120 s on two cores).")
    print(f"Of {statistics.median(walls['ours']):.1f} s, the dataset's images took {spread(drawing)} s.")
    print_table(
        "Peak memory of the parent process",
        ["simulations", "MiB"],
        [(count, f"{measured_memory(count, processes):.1f}") for count in MEMORY_AT],
    )


def ours(protocol: Protocol, simulations: int, processes: int) -> tuple[float, float]:
    """Seconds for the ensemble and its dataset, and for the dataset alone."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        ensemble_done = make_data(Path(folder), protocol, simulations, processes)
        return time.perf_counter() - started, time.perf_counter() - ensemble_done


def make_data(folder: Path, protocol: Protocol, simulations: int, processes: int) -> float:
    """Make ensemble and dataset as the make_data command does; return the time when the ensemble was complete."""
    with LocalPool(processes) as pool:
        planned = plan_ensemble(folder / "ensembles" / "bench", "demo", protocol, simulations, SEED)
        ensemble = make_ensemble(planned, pool, lambda *_: None)
        done = time.perf_counter()
        recipe = Recipe(
            source="simulate",
            ensemble=ensemble.name,
            ensemble_digest=ensemble.digest,
            liquid=5,
            glass=200,
            image_size=128,
            window=1.0,
            inherent=False,
        )
        make_dataset(folder / "datasets" / "bench", ensemble, recipe, pool, lambda *_: None)
    return done


class Recorder:
    """Takes LAMMPS's place in an Engine and writes down its commands."""

    def __init__(self, particles: int) -> None:
        """Remember how many coordinates to answer with."""
        self.particles = particles
        self.commands: list[str] = []

    def command(self, line: str) -> None:
        """Write a command down."""
        self.commands.append(line)

    def extract_fix(self, *_arguments: object) -> float:
        """Answer anything."""
        return 0.0

    def gather_atoms(self, *_arguments: object) -> bytes:
        """Answer anything, of the right size."""
        return bytes(8 * 3 * self.particles)


def commands_of(protocol: Protocol, seed: int) -> list[str]:
    """The commands that an engine gives to LAMMPS for one simulation."""
    engine, recorder = object.__new__(Lammps), Recorder(protocol.particles)
    engine._lammps = recorder
    engine.cool(protocol, seed)
    return recorder.commands


def in_one_run(commands: list[str], protocol: Protocol) -> list[str]:
    """The same simulation without the stops where positions are stored, and without noting thermodynamics."""
    kept = [line for line in commands if not (line.startswith("run") and "stop" in line) and " vector " not in line]
    return [*kept, f"run {protocol.cooling_steps} post no start 0 stop {protocol.cooling_steps}"]


def bare(simulations: list[list[str]], processes: int) -> tuple[float, float]:
    """Seconds for the bare runs."""
    started = time.perf_counter()
    pool = multiprocessing.get_context("spawn").Pool(processes, start_bare_lammps)
    for _ in pool.imap_unordered(run_bare_lammps, simulations):
        pass
    pool.close()
    pool.join()
    return time.perf_counter() - started, 0.0


_instance: Any = None


def start_bare_lammps() -> None:
    """Give this process its instance."""
    global _instance  # noqa: PLW0603  one instance a process, as bare as it can be
    engine_module._load_mpi()
    from lammps import lammps

    _instance = lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite", "-suffix", "opt"])


def run_bare_lammps(commands: list[str]) -> None:
    """Run one simulation."""
    for line in commands:
        _instance.command(line)


def peak_memory(simulations: int, processes: int) -> float:
    """Peak resident memory of this process [MiB] after making an ensemble and a dataset."""
    folder = tempfile.mkdtemp()
    try:
        make_data(Path(folder), MEMORY_PROTOCOL, simulations, processes)
    finally:
        shutil.rmtree(folder)
    # Linux counts KiB, macOS bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)


def measured_memory(simulations: int, processes: int) -> float:
    """The same, of a fresh process."""
    command = [sys.executable, "-m", "benchmarks.bench_make_data"]
    options = [f"--memory-of={simulations}", f"--processes={processes}"]
    folder = Path(benchmarks.__file__).parents[1]
    done = subprocess.run([*command, *options], cwd=folder, check=True, capture_output=True, text=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
