"""Trajectories as people have them: small, of one system whose positions are known, in the habits of many programs."""

from dataclasses import dataclass

import numpy as np

SIDE, COUNT = 30**0.5, 36
"""A square lattice of density 1.2, each particle a little off its place."""


@dataclass
class Run:
    """One simulation."""

    seed: int
    steps: tuple[int, ...] = (0, 5_000, 10_000)

    @property
    def positions(self):
        """Of each frame, from the lower corner of the box, shape (frames, 36, 2)."""
        generator = np.random.default_rng(self.seed)
        places = (np.stack(np.meshgrid(np.arange(6), np.arange(6)), axis=-1).reshape(-1, 2) + 0.5) * SIDE / 6
        return places + generator.uniform(-0.2, 0.2, (len(self.steps), COUNT, 2))

    @property
    def types(self):
        """1 for A and 2 for B."""
        return np.where(np.arange(COUNT) % 3 == 0, 2, 1)

    def expected(self, frame, first=1):
        """Positions from the middle of the box, the first species and then the other."""
        places = self.positions[frame] - SIDE / 2
        return np.concatenate([places[self.types == first], places[self.types != first]])


def dump(run, frames=None, columns="id type x y z", box="pp pp pp", tilt="", head="", more=None):
    """Text of a LAMMPS dump; `more` gives columns that are not here."""
    text = head
    for number in range(len(run.steps)) if frames is None else frames:
        text += f"ITEM: TIMESTEP\n{run.steps[number]}\nITEM: NUMBER OF ATOMS\n{COUNT}\nITEM: BOX BOUNDS {box}\n"
        text += f"0 {SIDE!r}{tilt}\n0 {SIDE!r}{tilt}\n-0.1 0.1{tilt}\nITEM: ATOMS {columns}\n"
        for k, (x, y) in enumerate(run.positions[number]):
            kind = run.types[k]
            values = {"id": k + 1, "type": kind, "element": "AB"[kind - 1], "x": f"{x:.9g}", "y": f"{y:.9g}", "z": 0}
            values |= {name: column[k] for name, column in (more or {}).items()}
            text += " ".join(str(values[name]) for name in columns.split()) + "\n"
    return text


def xyz(run, comment, row="{kind} {x} {y} 0", names="AB"):
    """Text of an XYZ file; `{step}` and `{side}` in the comment, `{id}`, `{kind}`, `{x}`, `{y}` in the rows."""
    text = ""
    for number, step in enumerate(run.steps):
        text += f"{COUNT}\n{comment.format(step=step, side=f'{SIDE!r}', lattice=LATTICE)}\n"
        for k, (x, y) in enumerate(run.positions[number]):
            text += row.format(id=k + 1, kind=names[run.types[k] - 1], x=f"{x:.9g}", y=f"{y:.9g}") + "\n"
    return text


LATTICE = f'Lattice="{SIDE!r} 0 0 0 {SIDE!r} 0 0 0 1"'
