"""A format is one module: a new file among the readers is all that it takes to import its trajectories."""

import concurrent.futures
import sys

import numpy as np

from glassliquid.ensembles.importing import ImportPlan, import_ensemble, plan_import
from glassliquid.trajectories import readers
from glassliquid.trajectories.readers import READERS
from glassliquid.trajectories.trajectory import read_configurations
from tests.conftest import ignore_progress
from tests.trajectories.foreign import System, assert_same_places

MODULE = '''
"""Positions as lines of a table: step, id, type, x, y, behind a line with the side of the box."""

import numpy as np

from glassliquid.trajectories.frames import FrameBuilder, build_frame
from glassliquid.trajectories.readers import READERS, Reader


@READERS.register("lines")
class LinesReader(Reader):
    description = "lines of step, id, type, x, y"
    endings = (".lines",)

    @staticmethod
    def recognises(head):
        return head.startswith(b"side ")

    @staticmethod
    def read(location, is_wanted):
        builder = FrameBuilder(location)
        side, *rows = location.path.read_text().splitlines()
        rows = np.array([row.split() for row in rows], float)
        for step in np.unique(rows[:, 0]).astype(int).tolist():
            _, ids, types, x, y = rows[rows[:, 0] == step].T
            builder.begin(len(ids))
            if is_wanted(step):
                length = builder.side(float(side.split()[1]), float(side.split()[1]))
                yield build_frame(location, step, types.astype("S4"), np.column_stack([x, y]), length, ids=ids)
'''


class InThreads:
    """Workers that know a module which this process has found at run time."""

    broken, survives, size = (concurrent.futures.BrokenExecutor,), True, 1

    def __init__(self):
        self._executor = concurrent.futures.ThreadPoolExecutor(1)

    def executor(self):
        return self._executor


def test_a_format_is_one_new_module(tmp_path, monkeypatch):
    (tmp_path / "readers").mkdir()
    (tmp_path / "readers" / "lines.py").write_text(MODULE)
    monkeypatch.setattr(readers, "__path__", [*readers.__path__, str(tmp_path / "readers")])
    assert "lines" in READERS.names()
    systems = [System(low=-3.25, seed=seed) for seed in range(3)]
    (tmp_path / "in").mkdir()
    for number, system in enumerate(systems, start=1):
        lines = [
            f"{step} {k + 1} {system.types[k]} {x:.9g} {y:.9g}"
            for step, places in zip(system.steps, system.positions, strict=True)
            for k, (x, y) in enumerate(places)
        ]
        (tmp_path / "in" / f"run-{number}.lines").write_text("\n".join([f"side {system.side}", *lines]))
    planned = plan_import(tmp_path / "theirs", ImportPlan(input=tmp_path / "in", seed=1))
    made = import_ensemble(planned, InThreads(), ignore_progress)
    monkeypatch.delitem(sys.modules, f"{readers.__name__}.lines")
    assert made.protocol.snapshots == (0, 10, 20, 30, 40, 80, 120, 160, 200)
    for simulation, system in zip(made.simulations, systems, strict=True):
        for number, found in enumerate(read_configurations(made.path(simulation))):
            assert found.types.tolist() == [0] * 24 + [1] * 16
            assert_same_places(found.positions, system.expected(number), np.float64(6.5))


def test_every_reader_has_a_description_and_endings_of_its_own():
    endings = [ending for name in READERS for ending in READERS.get(name).endings]
    assert len(endings) == len(set(endings))
    assert all(ending.startswith(".") and ending == ending.lower() for ending in endings)
    assert all(READERS.get(name).description for name in READERS)
