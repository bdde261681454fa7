"""Milliseconds for a 128-pixel image of 256 particles on one core, beside a matplotlib scatter of the same.

Targets: drawing takes at most 1.5 ms, and is at least 50 times as fast as a scatter saved as PNG. Three scatters of the
same configuration and size are measured: as a script makes it, with axes; with the axes taken away, so that it fills the
image as ours does; and that with the figure kept from image to image. Ours is measured without and with saving as PNG.
The configurations are snapshots of one simulation of the demo preset, hot to cold. Times are of the processor, which
other programs on a busy machine disturb less than the clock on the wall; the clock's are beside them.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")  # read when numpy is loaded

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from benchmarks.report import print_surroundings, print_table, spread
from glassliquid.datasets.draw import COLOURS, DrawConfig, draw
from glassliquid.physics.engines.lammps import Lammps
from glassliquid.physics.potential import DIAMETERS, box_length
from glassliquid.physics.protocol import PRESETS
from glassliquid.trajectories.trajectory import particle_types

SIZE = 128
SEED = 1
DPI = 100
DRAW, DRAW_PNG = "draw", "draw, PNG"
TARGET_MS = 1.5
TARGET_RATIO = 50


def main() -> None:
    """Measure in alternation, so that a busy machine slows all of them alike."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="rounds, each of every method in turn")
    rounds = parser.parse_args().rounds
    print_surroundings(["numpy", "pillow", "matplotlib", "lammps"], f"simulation {SEED}; {rounds} rounds, one thread")
    matplotlib.use("agg")
    protocol = PRESETS["demo"].protocol
    frames = Lammps().cool(protocol, SEED).positions
    types, length = particle_types(protocol.particles), box_length(protocol.particles)
    config = DrawConfig(image_size=SIZE)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.png"
        kept = Scatter(types, length, axes=False)
        methods: dict[str, tuple[Callable[[np.ndarray], object], int]] = {
            DRAW: (lambda positions: draw(positions, types, length, config), 100),
            DRAW_PNG: (lambda positions: save(draw(positions, types, length, config), path), 50),
            "matplotlib scatter with axes, PNG": (lambda positions: scatter(positions, types, length, True, path), 2),
            "matplotlib scatter, no axes, PNG": (lambda positions: scatter(positions, types, length, False, path), 3),
            "the same, figure kept": (lambda positions: kept.save(positions, path), 4),
        }
        wall, processor = measure(methods, frames, rounds)

    print_table(
        f"Image of {protocol.particles} particles, {SIZE} pixels",
        ["method", "processor ms an image: median (range)", "wall ms", "target"],
        [
            (name, spread(processor[name]), spread(wall[name]), f"<= {TARGET_MS}" if name == DRAW else "")
            for name in methods
        ],
    )

    def ratio(slow: str, fast: str) -> str:
        return spread([one / other for one, other in zip(processor[slow], processor[fast], strict=True)], 0)

    print_table(
        f"How many times as fast (target: >= {TARGET_RATIO})",
        ["against", "drawn", "drawn and saved as PNG"],
        [(name, ratio(name, DRAW), ratio(name, DRAW_PNG)) for name in list(methods)[2:]],
    )


def measure(
    methods: dict[str, tuple[Callable[[np.ndarray], object], int]], frames: np.ndarray, rounds: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Milliseconds an image of every round, by the wall's clock and the processor's."""
    for method, _ in methods.values():
        method(frames[0])
    wall: dict[str, list[float]] = {name: [] for name in methods}
    processor: dict[str, list[float]] = {name: [] for name in methods}
    for number in range(rounds):
        for name, (method, repeats) in methods.items():
            chosen = [frames[(number * repeats + k) % len(frames)] for k in range(repeats)]
            started, started_processor = time.perf_counter(), time.process_time()
            for positions in chosen:
                method(positions)
            wall[name].append(1e3 * (time.perf_counter() - started) / repeats)
            processor[name].append(1e3 * (time.process_time() - started_processor) / repeats)
    return wall, processor


def save(pixels: np.ndarray, path: Path) -> None:
    """Save an image as make_data does."""
    Image.fromarray(pixels).save(path, compress_level=1)


class Scatter:
    """A figure of as many pixels as our image, with markers of the particles' diameters and colours."""

    def __init__(self, types: np.ndarray, length: float, axes: bool) -> None:
        """Set up the figure."""
        self.figure = plt.figure(figsize=(SIZE / DPI, SIZE / DPI), dpi=DPI)
        subplot = self.figure.add_subplot() if axes else self.figure.add_axes((0, 0, 1, 1))
        if not axes:
            subplot.set_axis_off()
        subplot.set(xlim=(-length / 2, length / 2), ylim=(-length / 2, length / 2))
        points = subplot.get_position().width * SIZE / DPI * 72 / length  # points to the unit of length
        self.markers = subplot.scatter(
            np.zeros(len(types)),
            np.zeros(len(types)),
            s=(np.array(DIAMETERS)[types] * points) ** 2,
            c=np.array(COLOURS)[types] / 255,
            linewidths=0,
        )

    def save(self, positions: np.ndarray, path: Path) -> None:
        """Move the markers and save."""
        self.markers.set_offsets(positions)
        self.figure.savefig(path, dpi=DPI)


def scatter(positions: np.ndarray, types: np.ndarray, length: float, axes: bool, path: Path) -> None:
    """Make a figure for one image, as scripts do."""
    made = Scatter(types, length, axes)
    made.save(positions, path)
    plt.close(made.figure)


if __name__ == "__main__":
    main()
