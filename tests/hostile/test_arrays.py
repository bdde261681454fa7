"""Files of arrays, H5MD and npz, and YAML dumps: damaged, lying about their size, or leading elsewhere."""

import io
import os
import zipfile
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassliquid.trajectories.frames import Hints
from glassliquid.trajectories.readers import read_frames
from tests.ensembles.cases import COUNT, Run
from tests.ensembles.peoples_files import NAMED, h5md, npz, yaml
from tests.hostile.budget import inputs
from tests.hostile.conftest import restored
from tests.hostile.guard import Sandbox
from tests.hostile.mutate import mutated_bytes, mutated_text

MOST_MIB = 64
RUN = Run(1)
EXAMPLES = {
    "H5MD": h5md(RUN),
    "npz": npz(RUN),
    "npz, compressed": npz(RUN, np.savez_compressed),
}


def use(path: Any) -> None:
    """Read all of it; what is accepted is finite and in its box."""
    for frame in read_frames([path], lambda step: True, Hints(arrays=NAMED)):
        assert frame.positions.shape == (len(frame.types), 2)
        assert np.abs(frame.positions).max() <= 0.501 * frame.length


@given(data=st.data())
@inputs(quick=150, long=3000)
def test_damaged_arrays(sandbox: Sandbox, data: st.DataObject):
    kind = data.draw(st.sampled_from(sorted(EXAMPLES)))
    path = sandbox.data / "traj.bin"
    restored(path, data.draw(mutated_bytes(EXAMPLES[kind], head=2048)))
    sandbox.attempt(kind, lambda: use(path), MOST_MIB)


@given(data=st.data())
@inputs(quick=100, long=1000)
def test_a_yaml_dump(sandbox: Sandbox, data: st.DataObject):
    path = sandbox.data / "traj.yaml"
    restored(path, data.draw(mutated_text(yaml(RUN))))
    sandbox.attempt("LAMMPS YAML dump", lambda: use(path), MOST_MIB)


class Canary:
    """What is unpickled of it makes a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, int]]:
        return os.open, (self.path, os.O_CREAT | os.O_WRONLY)


def claims(shape: tuple[int, ...]) -> bytes:
    """An archive whose positions claim a shape, with next to nothing behind it."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": shape})
    content = io.BytesIO(npz(RUN, r=None))
    with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("r.npy", header.getvalue() + bytes(1 << 20))
    return content.getvalue()


def large_chunks(file: Any) -> None:
    """A piece that has to be unpacked as a whole: a gigabyte of nothing in some kilobytes."""
    del file["particles/all/position/value"]
    file.create_dataset(
        "particles/all/position/value",
        (3, COUNT, 2),
        "f8",
        chunks=(1 << 20, COUNT, 2),
        maxshape=(None, COUNT, 2),
        compression=9,
    )


def stored_elsewhere(file: Any) -> None:
    del file["particles/all/position/value"]
    file.create_dataset(
        "particles/all/position/value", (3, COUNT, 2), "f8", external=[("/dev/zero", 0, h5py.h5f.UNLIMITED)]
    )


def put_together(file: Any) -> None:
    del file["particles/all/position/value"]
    layout = h5py.VirtualLayout((3, COUNT, 2), "f8")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (3, COUNT, 2))
    file.create_virtual_dataset("particles/all/position/value", layout)


def in_a_circle(file: Any) -> None:
    del file["particles/all/species"]
    file["particles/all/species"] = h5py.SoftLink("/particles/all")


TRAPS = {
    "npz of a gigabyte a frame": lambda: claims((3, 1 << 26, 2)),
    "npz of a million million frames": lambda: claims((1 << 40, COUNT, 2)),
    "npz of less than nothing": lambda: claims((3, -COUNT, 2)),
    "npz that ends": lambda: claims((1 << 19, COUNT, 2)),
    "H5MD in large pieces": lambda: h5md(RUN, large_chunks),
    "H5MD stored elsewhere": lambda: h5md(RUN, stored_elsewhere),
    "H5MD put together": lambda: h5md(RUN, put_together),
    "H5MD in a circle": lambda: h5md(RUN, in_a_circle),
}


@pytest.mark.parametrize("kind", TRAPS)
def test_a_trap(sandbox: Sandbox, kind: str):
    path = sandbox.data / "traj.bin"
    restored(path, TRAPS[kind]())
    assert sandbox.attempt("traps of arrays", lambda: use(path), MOST_MIB) is not None
    path.unlink()


def test_nothing_is_unpickled(sandbox: Sandbox):
    path = sandbox.data / "traj.npz"
    canary = np.array([Canary(str(sandbox.canary))] * COUNT, dtype=object)
    for role in ("r", "kind", "L", "t"):
        restored(path, npz(RUN, **{role: canary}))
        refused = sandbox.attempt("pickles in arrays", lambda: use(path), MOST_MIB)
        assert refused is not None
        assert "only numbers and words are read" in refused
    path.unlink()
