"""Trajectories: GSD files of our own and of other programs, dumps and XYZ files, compressed or not."""

import gzip
import io
import struct
from pathlib import Path

import gsd.hoomd
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassliquid.datasets.draw import DrawConfig, draw
from glassliquid.ensembles.ensemble import Ensemble
from glassliquid.trajectories.dump_writer import write_dump
from glassliquid.trajectories.frames import Hints
from glassliquid.trajectories.readers import read_frames
from glassliquid.trajectories.trajectory import read_configurations, read_cooling_curve
from tests.hostile.budget import inputs
from tests.hostile.conftest import restored
from tests.hostile.guard import Sandbox
from tests.hostile.mutate import mutated_bytes, mutated_text

MOST_MIB = 64
"""The files are tens of kilobytes, and no array of one is larger than it."""
BOMB_MIB = 400
"""A frame of a million particles, the most that there may be, as numbers and as lines."""


@pytest.fixture(scope="module")
def own(ensemble: Ensemble) -> bytes:
    return ensemble.path(ensemble.simulations[0]).read_bytes()


@pytest.fixture(scope="module")
def index_at(own: bytes) -> tuple[int, int]:
    """Where the index of a GSD file lies, and how many bytes of it are used."""
    location = struct.unpack_from("<Q", own, 8)[0]
    used = 0
    while struct.unpack_from("<q", own, location + 32 * used + 16)[0]:
        used += 1
    return location, 32 * used


@st.composite
def mutated_gsd(draw, content: bytes, index_at: tuple[int, int]) -> bytes:
    """A GSD file with damage in its head, in its index, or anywhere."""
    where = draw(st.sampled_from(("head", "index", "index", "anywhere")))
    if where == "anywhere":
        return draw(mutated_bytes(content))
    start, size = (0, 56) if where == "head" else index_at
    part = draw(mutated_bytes(content[start : start + size], head=size))
    # Of the same length, so that everything after it stays where it is.
    return content[:start] + part[:size].ljust(size, b"\0") + content[start + size :]


def use_own(path: Path) -> None:
    """Read and draw all of it; what is accepted is finite, in its box and can be drawn."""
    for found in read_configurations(path):
        assert found.positions.shape == (len(found.types), 2)
        assert np.abs(found.positions).max() <= 0.501 * found.length
        assert set(found.types.tolist()) <= {0, 1}
        picture = draw(found.positions, found.types, found.length, DrawConfig(image_size=64))
        assert picture.shape == (64, 64, 3)
    assert read_cooling_curve(path).pressure.shape == (201,)


@given(data=st.data())
@inputs(quick=150, long=1500)
def test_our_own_gsd(sandbox: Sandbox, own: bytes, index_at: tuple[int, int], data: st.DataObject):
    path = sandbox.data / "sim-00001.gsd"
    restored(path, data.draw(mutated_gsd(own, index_at)))
    sandbox.attempt("GSD of an ensemble", lambda: use_own(path), MOST_MIB)


@pytest.fixture(scope="module")
def foreign(ensemble: Ensemble, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """As HOOMD writes it, with quantities that nobody here needs."""
    path = tmp_path_factory.mktemp("foreign") / "sim-1.gsd"
    with gsd.hoomd.open(path, "w") as file:
        for found in read_configurations(ensemble.path(ensemble.simulations[0])):
            frame = gsd.hoomd.Frame()
            frame.configuration.step = found.snapshot * 10
            frame.configuration.box = [found.length, found.length, 1, 0, 0, 0]
            frame.particles.N = len(found.types)
            frame.particles.types = ["A", "B"]
            frame.particles.typeid = found.types
            frame.particles.position = np.column_stack([found.positions, np.zeros(len(found.types))])
            frame.particles.velocity = np.ones((len(found.types), 3))
            file.append(frame)
    return path.read_bytes()


def use_frames(path: Path) -> None:
    """Read every frame; what is accepted is an ordered, flat, square box of one or two kinds of particles."""
    last = None
    for frame in read_frames([path], lambda step: True, Hints(density=1.2)):
        assert last is None or frame.step > last
        last = frame.step
        assert len(frame.species) <= 2
        assert frame.positions.shape == (len(frame.types), 2)
        assert np.abs(frame.positions).max() <= 0.501 * frame.length
        assert 0 < frame.length < float("inf")
        draw(frame.positions, frame.types, frame.length, DrawConfig(image_size=32))
    list(read_frames([path], lambda step: step == 0, Hints(density=1.2)))  # the others are skipped


def test_undamaged_ones_are_accepted(sandbox: Sandbox, own: bytes, foreign: bytes, as_dump: str, as_xyz: str):
    """Otherwise everything would be refused for a reason of its own."""
    for name, content, use in (
        ("sim-00001.gsd", own, use_own),
        ("sim-1.gsd", foreign, use_frames),
        ("traj.atom", as_dump.encode(), use_frames),
        ("traj.xyz", as_xyz.encode(), use_frames),
        ("traj.atom.gz", gzip.compress(as_dump.encode()), use_frames),
    ):
        path = sandbox.data / name
        restored(path, content)
        use(path)


@given(data=st.data())
@inputs(quick=100, long=1000)
def test_somebody_elses_gsd(sandbox: Sandbox, foreign: bytes, data: st.DataObject):
    location = struct.unpack_from("<Q", foreign, 8)[0]
    path = sandbox.data / "sim-1.gsd"
    restored(path, data.draw(mutated_gsd(foreign, (location, 32 * 40))))
    sandbox.attempt("GSD of other programs", lambda: use_frames(path), MOST_MIB)


@pytest.fixture(scope="module")
def as_dump(ensemble: Ensemble) -> str:
    found = read_configurations(ensemble.path(ensemble.simulations[0]))[:3]
    text = io.StringIO()
    write_dump(text, [(each.snapshot * 10, each) for each in found])
    return text.getvalue()


@pytest.fixture(scope="module")
def as_xyz(ensemble: Ensemble) -> str:
    lines = []
    for each in read_configurations(ensemble.path(ensemble.simulations[0]))[:3]:
        box = f'Lattice="{each.length} 0 0 0 {each.length} 0 0 0 1" ' if each.snapshot else ""
        lines += [str(len(each.types)), f"{box}Atoms. Timestep: {each.snapshot * 10}"]
        lines += [f"{kind + 1} {x} {y} 0" for kind, (x, y) in zip(each.types, each.positions, strict=True)]
    return "\n".join([*lines, ""])


@given(data=st.data())
@inputs(quick=120, long=1200)
def test_a_dump(sandbox: Sandbox, as_dump: str, data: st.DataObject):
    path = sandbox.data / "traj.atom"
    restored(path, data.draw(mutated_text(as_dump)))
    sandbox.attempt("LAMMPS dump", lambda: use_frames(path), MOST_MIB)


@given(data=st.data())
@inputs(quick=100, long=1000)
def test_an_xyz_file(sandbox: Sandbox, as_xyz: str, data: st.DataObject):
    path = sandbox.data / "traj.xyz"
    restored(path, data.draw(mutated_text(as_xyz)))
    sandbox.attempt("XYZ", lambda: use_frames(path), MOST_MIB)


@given(data=st.data())
@inputs(quick=60, long=600)
def test_a_compressed_file(sandbox: Sandbox, as_dump: str, data: st.DataObject):
    """Damaged after it was compressed, or before."""
    path = sandbox.data / "traj.atom.gz"
    if data.draw(st.booleans()):
        content = data.draw(mutated_bytes(gzip.compress(as_dump.encode(), mtime=0), head=32))
    else:
        content = gzip.compress(data.draw(mutated_text(as_dump)))
    restored(path, content)
    sandbox.attempt("compressed dump", lambda: use_frames(path), MOST_MIB)


HEAD = "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n{}\nITEM: BOX BOUNDS pp pp pp\n0 {}\n0 {}\n-1 1\nITEM: ATOMS id type x y z\n"
BOMBS = {
    "a line without end": (HEAD.format(100, 9, 9).encode(), b"1 1 0 0 0 " * 7 + b"\0" * (1 << 20), 400),
    "a line in what is skipped": (HEAD.format(1_000_000, 999, 999).encode(), b" " * (1 << 20), 400),
    "a head without end": (b"", b" " * (1 << 20), 400),
    "empty lines": (b"", b"\n" * (1 << 20), 100),
    "too many particles": (HEAD.format(2_000_000, 2000, 2000).encode(), b"1 1 0 0 0\n" * 100_000, 20),
    "as many as there may be": (HEAD.format(1_000_000, 1000, 1000).encode(), b"1 1 0 0 0\n" * 10_000, 100),
}


@pytest.mark.parametrize("name", sorted(BOMBS))
@pytest.mark.parametrize("wanted", [True, False])
def test_a_compressed_bomb(sandbox: Sandbox, name: str, wanted: bool):
    head, part, times = BOMBS[name]
    path = sandbox.data / "traj.dump.gz"
    # Compressed parts one after another are one file.
    path.write_bytes(gzip.compress(head) + gzip.compress(part, 1) * times)
    sandbox.attempt("compressed bombs", lambda: list(read_frames([path], lambda step: wanted)), BOMB_MIB)
    path.unlink()
