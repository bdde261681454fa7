"""LAMMPS text dumps, written (source: LAMMPS manual, `dump` command)."""

from collections.abc import Iterable
from typing import IO

import numpy as np

from glassliquid.trajectories.trajectory import Configuration

HEIGHT = 0.1
"""Half the height of the box; LAMMPS wants one in two dimensions as well."""


def write_dump(file: IO[str], frames: Iterable[tuple[int, Configuration]]) -> None:
    """Write frames, pairs of time step and configuration, with columns id, type (1 for A, 2 for B), x, y and z.

    z is 0, and there because some readers insist on it. Nine significant digits give the single precision of trajectory files
    back exactly.
    """
    for step, configuration in frames:
        count, half = len(configuration.types), configuration.length / 2
        file.write(
            f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{count}\nITEM: BOX BOUNDS pp pp pp\n"
            f"{-half!r} {half!r}\n{-half!r} {half!r}\n{-HEIGHT} {HEIGHT}\nITEM: ATOMS id type x y z\n"
        )
        rows = np.empty((count, 4), dtype=object)
        rows[:, 0], rows[:, 1] = range(1, count + 1), (configuration.types + 1).tolist()
        rows[:, 2:] = configuration.positions.astype(np.float64)
        file.write(("%d %d %.9g %.9g 0\n" * count) % tuple(rows.ravel()))
