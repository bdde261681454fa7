"""How fast text trajectories are imported, beside bare readers of the same file, and in how much memory.

One core, one file of N = 1,024 particles in 200 frames with all time steps on marks, so that every frame is parsed and
written. Megabytes are those of the text after decompression (10^6 bytes), also where the file is compressed. Libraries that are not installed are passed over;
they read positions only and check nothing. Targets: the import does 50 MB/s or more, and that of a plain dump is at least twice as
fast as `numpy.loadtxt` alone, by which each round's speeds are divided. Memory is the peak of a process of its own that imports a file
ten times as large.
"""

import argparse
import gzip
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.report import print_surroundings, print_table, spread
from glassliquid.ensembles.found_files import find_trajectories
from glassliquid.ensembles.importing import ImportPlan, PlannedImport, import_one, plan_import
from glassliquid.physics.protocol import INTERVALS
from glassliquid.trajectories.frames import Hints
from glassliquid.trajectories.readers import read_frames

PARTICLES, FRAMES, SIDE, SEED = 1_024, 200, 29.2, 1
STEPS_PER_FRAME = 2_000
TARGET = 50
RATIO = 2.0
LOADTXT = "numpy.loadtxt alone"
FLUSHED = "what comes out, written and flushed to the disk alone"
CLOCKS = {"processor time": time.process_time, "the clock": time.perf_counter}
FILES = {"dump": "traj.atom", "dump.gz": "traj.atom.gz", "xyz": "traj.xyz"}


def main() -> None:
    """Write the files, read them in alternation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory-of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        import_first(plan_of(options.memory_of))
        for paths in find_trajectories(options.memory_of):
            assert sum(1 for _ in read_frames(paths, lambda _: True)) >= FRAMES
        print(peak_mebibytes())
        return
    print_surroundings(["numpy", "gsd"], f"positions {SEED}; {options.rounds} rounds in turn")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        plain, squeezed, xyz = (folder / kind / "1" / file for kind, file in FILES.items())
        text = dump_text(FRAMES)
        for path, content in ((plain, text), (squeezed, text), (xyz, xyz_text(FRAMES))):
            write_simulations(path.parent.parent, path.name, content)
        megabytes = {plain: len(text) / 1e6, squeezed: len(text) / 1e6, xyz: xyz.stat().st_size / 1e6}
        plans = {kind: plan_of(folder / kind) for kind in FILES}
        imported_bytes = import_first(plans["dump"])
        ways: dict[str, tuple[Path, Callable[[], object]]] = {
            "import": (plain, lambda: import_first(plans["dump"])),
            "import, gzip": (squeezed, lambda: import_first(plans["dump.gz"])),
            "import, xyz": (xyz, lambda: import_first(plans["xyz"])),
            "read_frames": (plain, lambda: sum(1 for _ in read_frames([plain], lambda _: True))),
            "read_frames, nothing wanted": (plain, lambda: sum(1 for _ in read_frames([plain], lambda _: False))),
            FLUSHED: (plain, lambda: written_and_flushed(imported_bytes)),
            LOADTXT: (plain, lambda: loadtxt(plain)),
        } | {name: (plain, reader) for name, reader in libraries(plain).items()}
        speeds: dict[tuple[str, str], list[float]] = {(name, clock): [] for name in ways for clock in CLOCKS}
        for _ in range(options.rounds):
            for name, (path, way) in ways.items():
                started = {clock: now() for clock, now in CLOCKS.items()}
                way()
                for clock, now in CLOCKS.items():
                    speeds[name, clock].append(megabytes[path] / (now() - started[clock]))
        print_table(
            f"{FRAMES} frames of {PARTICLES:,} particles, {len(text) / 1e6:.1f} MB as a dump",
            ["way", *(f"{what}, by {clock}" for clock in CLOCKS for what in ("MB/s", "times numpy.loadtxt")), "target"],
            [(name, *figures(speeds, name), goal(name)) for name in ways],
        )
        large = folder / "large"
        write_simulations(large, "traj.atom", dump_text(10 * FRAMES))
        rows = []
        for label, source in (("200", folder / "dump"), ("2,000", large)):
            command = [sys.executable, "-m", "benchmarks.bench_import", "--memory-of", str(source)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            rows.append((label, f"{float(done.stdout):.1f}"))
        print_table("Peak memory of a process that imports three simulations", ["frames", "MiB"], rows)


def write_simulations(folder: Path, name: str, text: bytes) -> None:
    """Three simulations that differ in the z of their last particle, since copies are refused."""
    before, _, after = text.rpartition(b"0")
    for number in (b"0", b"1e-9", b"2e-9"):
        path = folder / str(1 + len(list(folder.glob("*")))) / name
        path.parent.mkdir(parents=True)
        content = before + number + after
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def figures(speeds: dict[tuple[str, str], list[float]], name: str) -> list[str]:
    """Speed of one way by each clock, and its ratio to numpy's in the same rounds."""
    cells = []
    for clock in CLOCKS:
        own, other = speeds[name, clock], speeds[LOADTXT, clock]
        cells += [spread(own, 1), spread([one / two for one, two in zip(own, other, strict=True)])]
    return cells


def goal(name: str) -> str:
    """What a way is to reach by processor time."""
    both = f"; >= {RATIO:g} times" if name == "import" else ""
    return f">= {TARGET} MB/s{both}" if name.startswith("import") else ""


def peak_mebibytes() -> float:
    """The most memory that this process has had (ru_maxrss would count its parent's before the program was loaded)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def plan_of(source: Path) -> PlannedImport:
    """The ensemble that a folder gives."""
    hints = Hints(density=PARTICLES / SIDE**2)
    return plan_import(
        Path("bench"),
        ImportPlan(input=source, seed=SEED, cooling_steps=INTERVALS * STEPS_PER_FRAME, first_step=0, hints=hints),
    )


def import_first(planned: PlannedImport) -> int:
    """Import the first simulation of a plan, and remove what came out, whose size it returns [bytes]."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "1.gsd"
        import_one(replace(planned.tasks[0], target=path))
        return path.stat().st_size


def written_and_flushed(size: int) -> None:
    """What the disk alone takes of an import."""
    with tempfile.TemporaryDirectory() as name, Path(name, "bare").open("wb") as file:
        file.write(bytes(size))
        file.flush()
        os.fsync(file.fileno())


def frame_positions(frame: int) -> np.ndarray:
    """Positions of a frame."""
    return np.random.default_rng([SEED, frame]).uniform(0, SIDE, (PARTICLES, 2))


def dump_text(frames: int) -> bytes:
    """A dump as LAMMPS writes it: particles in any order, six digits, a blank at the ends of lines."""
    parts = []
    types = np.repeat([1, 2], [666, PARTICLES - 666])
    for frame in range(frames):
        parts.append(
            f"ITEM: TIMESTEP\n{STEPS_PER_FRAME * frame}\nITEM: NUMBER OF ATOMS\n{PARTICLES}\nITEM: BOX BOUNDS pp pp pp\n"
            f"0 {SIDE}\n0 {SIDE}\n-0.1 0.1\nITEM: ATOMS id type x y z \n"
        )
        order = np.random.default_rng(frame).permutation(PARTICLES)
        positions = frame_positions(frame)
        parts += [f"{k + 1} {types[k]} {positions[k, 0]:.6g} {positions[k, 1]:.6g} 0 \n" for k in order]
    return "".join(parts).encode()


def xyz_text(frames: int) -> bytes:
    """The same as XYZ, with a lattice."""
    parts = []
    for frame in range(frames):
        parts.append(f'{PARTICLES}\nLattice="{SIDE} 0 0 0 {SIDE} 0 0 0 1" Timestep: {STEPS_PER_FRAME * frame}\n')
        parts += [f"{'A' if k < 666 else 'B'} {x:.6g} {y:.6g} 0\n" for k, (x, y) in enumerate(frame_positions(frame))]
    return "".join(parts).encode()


def loadtxt(path: Path) -> None:
    """Numpy's reader, to which the import turns for tables that Arrow's refuses, with nothing around it."""
    with path.open("rb") as file:
        while file.readline():
            for _ in range(8):
                file.readline()
            np.loadtxt(file, comments=None, max_rows=PARTICLES)


def libraries(path: Path) -> dict[str, Callable[[], object]]:
    """Readers of other packages, of those that are installed."""
    found: dict[str, Callable[[], object]] = {}
    warnings.simplefilter("ignore")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        from MDAnalysis.coordinates.LAMMPS import DumpReader

        found["MDAnalysis"] = lambda: [
            step.positions for step in DumpReader(str(path), lammps_coordinate_convention="unscaled")
        ]
    except ImportError:
        pass
    try:
        from ase.io import iread

        found["ASE"] = lambda: sum(1 for _ in iread(str(path), ":", format="lammps-dump-text"))
    except ImportError:
        pass
    try:
        import chemfiles

        def chemfiles_reader() -> None:
            with chemfiles.Trajectory(str(path), format="LAMMPS") as trajectory:
                for frame in trajectory:
                    frame.positions  # noqa: B018 - a copy is made when it is asked for

        found["chemfiles"] = chemfiles_reader
    except ImportError:
        pass
    return found


if __name__ == "__main__":
    main()
