"""Trajectories as other programs write them, line by line, from arrays; none of our own code is used."""

import gzip
from dataclasses import dataclass, field

import gsd.hoomd
import numpy as np


@dataclass
class System:
    """A few frames of a small mixture, in a box that is neither at the origin nor of the project's own density."""

    steps: tuple[int, ...] = (0, 50, 100, 150, 200, 400, 600, 800, 1000)
    particles: int = 40
    particles_b: int = 16
    low: float = 3.0
    side: float = 6.5
    seed: int = 1
    positions: np.ndarray = field(init=False)
    types: np.ndarray = field(init=False)

    def __post_init__(self):
        generator = np.random.default_rng(self.seed)
        self.positions = generator.uniform(self.low, self.low + self.side, (len(self.steps), self.particles, 2))
        self.types = generator.permutation(np.repeat([1, 2], [self.particles - self.particles_b, self.particles_b]))

    def expected(self, frame):
        """Positions from the middle of the box, the A in the order of their ids and then the B."""
        shifted = self.positions[frame] - (self.low + self.side / 2)
        return np.concatenate([shifted[self.types == 1], shifted[self.types == 2]])


def dump_lines(system, frame, columns="id type x y", flags="pp pp pp", shuffle=True):
    """The lines of one frame of a LAMMPS dump."""
    low, high = system.low, system.low + system.side
    lines = ["ITEM: TIMESTEP", str(system.steps[frame]), "ITEM: NUMBER OF ATOMS", str(system.particles)]
    lines += [f"ITEM: BOX BOUNDS {flags}", f"{low:.16e} {high:.16e}", f"{low:.16e} {high:.16e}", "-0.5 0.5"]
    lines += [f"ITEM: ATOMS {columns} "]
    order = np.random.default_rng(frame).permutation(system.particles) if shuffle else range(system.particles)
    for k in order:
        x, y = system.positions[frame, k]
        turns = (k % 3 - 1) * system.side  # unwrapped particles have left the box
        values = {
            "id": k + 1,
            "type": system.types[k],
            "x": x,
            "y": y,
            "z": 0,
            "xu": x + turns,
            "yu": y - turns,
            "zu": 0,
        }
        values |= {"xs": (x - low) / system.side, "ys": (y - low) / system.side, "zs": 0.5, "vx": 0.1, "element": "Ar"}
        words = (format(v, ".10g") if isinstance(v, float) else str(v) for v in (values[c] for c in columns.split()))
        lines.append(" ".join(words) + " ")  # LAMMPS ends lines with a blank
    return lines


def write_dump(path, system, **options):
    lines = [line for frame in range(len(system.steps)) for line in dump_lines(system, frame, **options)]
    write_lines(path, lines)


def xyz_lines(system, frame, lattice=False, names=("1", "2")):
    box = f'Lattice="{system.side} 0 0 0 {system.side} 0 0 0 1" ' if lattice else ""
    lines = [str(system.particles), f"{box}Atoms. Timestep: {system.steps[frame]}"]
    for kind, (x, y) in zip(system.types, system.positions[frame], strict=True):
        lines.append(f"{names[kind - 1]} {x:.10g} {y:.10g} 0")
    return lines


def write_xyz(path, system, **options):
    write_lines(path, [line for frame in range(len(system.steps)) for line in xyz_lines(system, frame, **options)])


def write_lines(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(lines) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)


def write_gsd(path, system, tilt=0.0, kinds=("A", "B")):
    path.parent.mkdir(parents=True, exist_ok=True)
    with gsd.hoomd.open(str(path), "w") as file:
        for number, step in enumerate(system.steps):
            frame = gsd.hoomd.Frame()
            frame.configuration.step = step
            frame.configuration.dimensions = 2
            frame.configuration.box = [system.side, system.side, 1, tilt, 0, 0]
            frame.particles.N = system.particles
            frame.particles.types = list(kinds)
            frame.particles.typeid = system.types - 1
            centred = system.positions[number] - (system.low + system.side / 2)
            frame.particles.position = np.column_stack([centred, np.zeros(system.particles)])
            file.append(frame)


def assert_same_places(found, expected, side, tolerance=1e-6):
    """Positions are equal to a fraction of the box's side, whichever image of a particle is meant."""
    difference = found - expected
    difference -= side * np.round(difference / side)
    assert np.abs(difference).max() < tolerance * side
