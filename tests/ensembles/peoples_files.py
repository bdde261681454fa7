"""Trajectories as people have them, as files, and what an import of them has to give."""

import bz2
import gzip
import io

import h5py
import numpy as np
import pyarrow
import pytest

from glassliquid.ensembles.importing import ImportPlan, import_ensemble, plan_import
from glassliquid.trajectories.frames import Hints
from glassliquid.trajectories.trajectory import read_configurations
from tests.conftest import ignore_progress
from tests.ensembles.cases import COUNT, SIDE, Run, dump, xyz
from tests.trajectories.foreign import assert_same_places

RUNS = [Run(seed) for seed in (1, 2, 3)]


HINTS = ("density", "sigma", "unterminated", "count_frames", "arrays")


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def plan_of(tmp_path, source="in", **plan):
    hints = Hints(**{name: plan.pop(name) for name in HINTS if name in plan})
    return plan_import(tmp_path / "theirs", ImportPlan(input=tmp_path / source, seed=1, hints=hints, **plan))


def assert_imported(tmp_path, pool, runs=RUNS, first=1, shift=0.0, tolerance=1e-6, **plan):
    """The ensemble that comes out has these runs' particles in all frames."""
    made = import_ensemble(plan_of(tmp_path, **plan), pool, ignore_progress)
    assert len(made.simulations) == len(runs)
    for simulation, run in zip(made.simulations, runs, strict=True):
        found = read_configurations(made.path(simulation))
        assert len(found) == len(run.steps)
        for frame, each in enumerate(found):
            assert np.count_nonzero(each.types == 0) == np.count_nonzero(run.types == first)
            assert each.length == pytest.approx(SIDE, rel=1e-6)
            assert_same_places(each.positions, run.expected(frame, first) + shift, SIDE, tolerance)
    return made


def planned(tmp_path, steps, **plan):
    for number in (1, 2, 3):
        write(tmp_path / "in" / f"{number}.dump", dump(Run(number, steps)))
    return plan_of(tmp_path, **plan)


def large(run):
    return np.where(run.types == 2, 0.7, 0.5)


def yaml(run, units="", fraction=""):
    """As `dump yaml` writes it."""
    text = ""
    for number, step in enumerate(run.steps):
        text += f"---\ncreator: LAMMPS\ntimestep: {step}{fraction}\n{units}natoms: {COUNT}\nboundary: [ p, p, p, p, p, p, ]\n"
        text += f"thermo:\n  - keywords: [ Step, Temp, ]\n  - data: [ {step}, 1.5, ]\nbox:\n"
        text += f"  - [ 0, {SIDE!r} ]\n  - [ 0, {SIDE!r} ]\n  - [ -0.1, 0.1 ]\nkeywords: [ vx, id, type, x, y, z,  ]\ndata:\n"
        for k, (x, y) in enumerate(run.positions[number]):
            text += f"  - [ -0.5 , {k + 1} , {run.types[k]} , {x:.9g} , {y:.9g} , 0, ]\n"
        text += "...\n"
    return text


def npz(run, save=np.savez, **changes):
    """Arrays under names of somebody's own."""
    arrays = {"r": run.positions, "kind": run.types, "L": SIDE, "t": np.array(run.steps)} | changes
    file = io.BytesIO()
    save(file, **{name: values for name, values in arrays.items() if values is not None})
    return file.getvalue()


NAMED = (("positions", "r"), ("types", "kind"), ("box", "L"), ("steps", "t"))


def h5md(run, change=lambda file: None, species=None, edges=None, step=None):
    """As the specification of H5MD 1.1 has it."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.create_group("h5md").attrs["version"] = [1, 1]
        particles = file.create_group("particles/all")
        particles["position/step"] = np.array(run.steps) if step is None else step
        particles.create_dataset("position/value", data=run.positions, chunks=True, compression="gzip")
        _put(particles, "species", run.types if species is None else species)
        box = particles.create_group("box")
        box.attrs["dimension"], box.attrs["boundary"] = 2, [b"periodic", b"periodic"]
        _put(box, "edges", np.array([SIDE, SIDE]) if edges is None else edges)
        change(file)
    return content.getvalue()


def _put(group, name, values):
    """A dataset, or a group of several."""
    for part, each in values.items() if isinstance(values, dict) else [("", values)]:
        group[f"{name}/{part}".rstrip("/")] = each


CENTRED = {"shift": SIDE / 2}
"""Formats without an origin count from the middle of the box."""

FILES = {
    "yaml": ("traj.yaml", yaml, {}),
    "yaml, gzip": ("traj.gz", lambda run: gzip.compress(yaml(run, "units: lj\ntime: 0\n").encode()), {}),
    "yaml, other blanks": (
        "dump.txt",
        lambda run: yaml(run, fraction=".0").replace("  - [ ", "- [").replace(" , ", ","),
        {},
    ),
    "npz": ("traj.npz", npz, {**CENTRED, "arrays": NAMED}),
    "npz, compressed, of words": (
        "traj.npz",
        lambda run: npz(run, np.savez_compressed, kind=np.array(["A", "B"])[run.types - 1], L=np.full((3, 2), SIDE)),
        {**CENTRED, "arrays": NAMED},
    ),
    "npz, in three dimensions, no steps": (
        "traj.npz",
        lambda run: npz(
            run,
            r=np.dstack([run.positions, np.zeros((3, COUNT))]),
            kind=np.stack([run.types] * 3).astype(float),
            L=np.diag([SIDE, SIDE, 1.0]),
        ),
        {**CENTRED, "arrays": NAMED[:3]},
    ),
    "npz, no box": ("traj.npz", npz, {**CENTRED, "arrays": (*NAMED[:2], NAMED[3]), "density": 1.2}),
    "h5md": ("traj.h5", h5md, CENTRED),
    "h5md, everything for each frame": (
        "traj.h5md",
        lambda run: h5md(
            run,
            species={"value": np.stack([run.types] * 3), "step": np.array(run.steps)},
            edges={"value": np.full((3, 2), SIDE), "step": np.array(run.steps)},
        ),
        CENTRED,
    ),
    "h5md, words, vectors and equal steps": (
        "whatever",
        lambda run: h5md(
            run, species=[["A", "B"][kind - 1] for kind in run.types], edges=np.diag([SIDE, SIDE]), step=5_000
        ),
        CENTRED,
    ),
    "frames that are counted": (
        "traj.xyz",
        lambda run: xyz(run, "{lattice} Properties=species:S:1:pos:R:3"),
        {**CENTRED, "count_frames": True},
    ),
    "times with a fraction, counted": (
        "traj.xyz",
        lambda run: xyz(run, "{lattice} Time={step}.5"),
        {**CENTRED, "count_frames": True},
    ),
    "dump of steps that are all 0, counted": (
        "traj.dump",
        lambda run: (
            dump(run).replace("TIMESTEP\n5000\n", "TIMESTEP\n0\n").replace("TIMESTEP\n10000\n", "TIMESTEP\n0\n")
        ),
        {"count_frames": True},
    ),
    "yaml, counted": ("traj.yaml", lambda run: yaml(Run(run.seed, (7, 7, 7))), {"count_frames": True}),
    "h5md, counted": ("traj.h5", lambda run: h5md(run, step=0), {**CENTRED, "count_frames": True}),
    "npz, counted": ("traj.npz", npz, {**CENTRED, "arrays": NAMED, "count_frames": True}),
    "quotes within quotes": (
        "traj.xyz",
        lambda run: xyz(run, r'{lattice} name="a \" step=7" step={step}'),
        CENTRED,
    ),
    "MDAnalysis": (
        "traj.xyz",
        lambda run: xyz(run, "frame {step} | Written by MDAnalysis XYZWriter (release 2.10.0)"),
        {**CENTRED, "density": 1.2},
    ),
    "blank line at the end": ("traj.atom", lambda run: dump(run) + "\n", {}),
    "blank lines between frames": ("traj.atom", lambda run: "\n\n".join(dump(run, [k]) for k in range(3)), {}),
    "element without type": ("traj.atom", lambda run: dump(run, columns="id element x y z"), {}),
    "txt": ("dump.txt", dump, {}),
    "no ending": ("tmp.dump.0", dump, {}),
    "custom": ("dump.custom", dump, {}),
    "bz2": ("dump.bz2", lambda run: bz2.compress(dump(run).encode()), {}),
    "zst": ("traj.atom.zst", lambda run: pyarrow.compress(dump(run).encode(), "zstd", asbytes=True), {}),
    "gz without its ending": ("traj.dump", lambda run: gzip.compress(dump(run).encode()), {}),
    "last line without its end": ("traj.atom", lambda run: dump(run)[:-1], {"unterminated": True}),
    "radius": (
        "traj.atom",
        lambda run: dump(run, columns="id type x y radius", more={"radius": large(run)}),
        {"first": 2},
    ),
    "equal radii": (
        "traj.atom",
        lambda run: dump(run, columns="id type radius x y", more={"radius": np.full(COUNT, 0.5)}),
        {},
    ),
    "restart repeats a step": ("traj.atom", lambda run: dump(run, [0, 1]) + dump(run, [1, 2]), {}),
    "restart overlaps": ("traj.atom", lambda run: dump(run, [0, 1, 2]) + dump(run, [1, 2]), {}),
    "zero tilt": ("traj.atom", lambda run: dump(run, box="xy xz yz pp pp pp", tilt=" 0.0"), {}),
    "a tilt of rounding": ("traj.atom", lambda run: dump(run, box="xy xz yz pp pp pp", tilt=" -1.2e-16"), {}),
    "a lattice of rounding": (
        "traj.xyz",
        lambda run: xyz(run, f'Lattice="{SIDE} 3e-16 0 0 {SIDE} 0 0 0 1" step={{step}}'),
        CENTRED,
    ),
    "units lj": ("traj.atom", lambda run: dump(run, head="ITEM: UNITS\nlj\n"), {}),
    "steps as numbers with a fraction": ("traj.atom", lambda run: dump(run).replace("\n5000\n", "\n5000.0\n"), {}),
    "2D positions": (
        "traj.xyz",
        lambda run: xyz(run, "{lattice} Properties=species:S:1:pos:R:2 Timestep={step}", "{kind} {x} {y}"),
        CENTRED,
    ),
    "atooms": (
        "traj.xyz",
        lambda run: xyz(run, "step:{step} columns:species,pos cell:{side},{side}", "{kind} {x} {y}"),
        CENTRED,
    ),
    "atooms, old": (
        "traj.xyz",
        lambda run: xyz(run, "step:{step} columns:id,pos,vel dt:0.1 cell:{side},{side}", "{kind} {x} {y} 3 4"),
        CENTRED,
    ),
    "id first": (
        "traj.extxyz",
        lambda run: xyz(
            run, "{lattice} Properties=id:I:1:species:S:1:pos:R:3 Timestep={step}", "{id} {kind} {x} {y} 0"
        ),
        CENTRED,
    ),
    "velocities first": (
        "traj.xyz",
        lambda run: xyz(
            run, '{lattice} Properties=species:S:1:velo:R:3:pos:R:3 pbc="T T F" step={step}', "{kind} 1 2 3 {x} {y} 0"
        ),
        CENTRED,
    ),
    "long names": (
        "traj.xyz",
        lambda run: xyz(run, "{lattice} Timestep={step}", names=("large_particles_of_A", "large_particles_of_B")),
        CENTRED,
    ),
    "step with an exponent": (
        "traj.xyz",
        lambda run: xyz(run, "{lattice} Timestep={step}").replace("Timestep=10000", "Timestep=1e+04"),
        CENTRED,
    ),
    "time": ("conf.lst", lambda run: xyz(run, "{lattice} Time={step}"), {"shift": SIDE / 2}),
    "no box": (
        "traj.xyz",
        lambda run: xyz(run, " Atoms. Timestep: {step}", names="12"),
        {**CENTRED, "density": 1.2},
    ),
}
