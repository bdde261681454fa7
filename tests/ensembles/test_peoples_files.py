"""Files as people have them: read as what they are, or refused in a sentence that says what to check or to pass."""

import h5py
import numpy as np
import pytest

from glassliquid.ensembles.importing import import_ensemble
from glassliquid.errors import UserError
from glassliquid.trajectories.trajectory import read_configurations
from tests.conftest import ignore_progress
from tests.ensembles.cases import COUNT, SIDE, Run, dump, xyz
from tests.ensembles.peoples_files import FILES, NAMED, RUNS, assert_imported, h5md, npz, plan_of, planned, write, yaml
from tests.trajectories.foreign import assert_same_places


@pytest.mark.parametrize("kind", FILES)
def test_files_are_read_as_what_they_are(tmp_path, pool, kind):
    name, text, plan = FILES[kind]
    for number, run in enumerate(RUNS, start=1):
        write(tmp_path / "in" / str(number) / name, text(run))
    assert_imported(tmp_path, pool, **plan)


def test_a_particle_slightly_outside_is_wrapped(tmp_path, pool):
    """LAMMPS wraps particles only when it rebuilds its neighbour lists."""
    for number, run in enumerate(RUNS, start=1):
        lines = xyz(run, "Atoms. Timestep: {step}").splitlines()
        edge = max(range(2, 2 + COUNT), key=lambda line: float(lines[line].split()[1]))
        kind, _, y, z = lines[edge].split()
        lines[edge] = f"{kind} {SIDE + 0.02} {y} {z}"
        inside = [*lines[:edge], f"{kind} 0.02 {y} {z}", *lines[edge + 1 :]]
        write(tmp_path / "in" / f"{number}.xyz", "\n".join(lines) + "\n")
        write(tmp_path / "inside" / "in" / f"{number}.xyz", "\n".join(inside) + "\n")
    out = import_ensemble(plan_of(tmp_path, density=1.2), pool, ignore_progress)
    same = import_ensemble(plan_of(tmp_path / "inside", density=1.2), pool, ignore_progress)
    for one, other in zip(out.simulations, same.simulations, strict=True):
        found, expected = read_configurations(out.path(one))[0], read_configurations(same.path(other))[0]
        assert_same_places(found.positions, expected.positions, SIDE)


REFUSED = {
    "last line without its end": (lambda run: dump(run)[:-1], "lacks only that line's end.*unterminated=true"),
    "units": (
        lambda run: dump(run, head="ITEM: UNITS\nmetal\n"),
        r"\(frame 1, line 2\) is in units 'metal': .* as sigma",
    ),
    "true tilt": (lambda run: dump(run, box="xy xz yz pp pp pp", tilt=" 0.5"), "has a triclinic box"),
    "too many fields": (
        lambda run: dump(run).replace("\n5 1 ", "\n5 1 1 ", 1),
        r"\(frame 1, line 14\) cannot be read \(there are 6 columns, but 5 are expected",
    ),
    "a column twice": (lambda run: dump(run, columns="id type x x y"), "has the column x twice"),
    "sizes that contradict": (
        lambda run: dump(run, columns="id type x y radius", more={"radius": np.linspace(0.4, 0.6, COUNT)}),
        "do not tell which species is large",
    ),
    "other positions at the same step": (
        lambda run: dump(run, [0, 1]) + dump(Run(99), [1, 2]),
        "has time step 5000 a second time, with other positions",
    ),
    "no box": (lambda run: xyz(run, "Timestep: {step}"), "has no box: pass the number of particles .* as density"),
    "not periodic": (
        lambda run: xyz(run, '{lattice} pbc="F F F" step={step}'),
        "box that is not periodic .pbc is 'F F F'",
    ),
    "no species": (
        lambda run: xyz(run, "{lattice} Properties=pos:R:2 step={step}", "{x} {y}"),
        "names no column species",
    ),
    "no positions": (
        lambda run: xyz(run, "{lattice} Properties=species:S:1:velo:R:3 step={step}"),
        "names no column pos",
    ),
    "fields that Properties do not name": (
        lambda run: xyz(run, "{lattice} Properties=species:S:1:pos:R:3 step={step}", "{kind} {x} {y} 0 7"),
        r"\(frame 1, line 3\) cannot be read \(there are 5 columns, but 4 are expected",
    ),
    "a time with a fraction": (
        lambda run: xyz(run, "{lattice} Time={step}.5"),
        "has the time '0.5' in its comment, but it must be a whole number of time steps: pass count_frames=true",
    ),
    "a time that is no step": (
        lambda run: xyz(run, "{lattice} Time=0.5").replace("Time=0.5", "Time=0"),
        "has a single frame|has time step 0 a second time",
    ),
    "velocities as positions": (
        lambda run: dump(run, columns="id type x y", more={"x": np.full(COUNT, 0.01), "y": np.arange(COUNT) * 1e-3}),
        r"has nearest neighbours at a median distance of 0.001, .*: check which columns .*sigma=NUMBER",
    ),
    "another unit of length": (
        lambda run: dump(run, more={"x": run.positions[0][:, 0] * 3, "y": run.positions[0][:, 1] * 3}).replace(
            repr(SIDE), repr(SIDE * 3)
        ),
        r"has nearest neighbours at a median distance of 2\.\d+,",
    ),
    "name without end": (
        lambda run: xyz(run, "{lattice} Timestep={step}", names=("A" * 101, "B")),
        "has a particle type of more than 100 letters",
    ),
}


REFUSED |= {
    "yaml, tilted": (
        lambda run: yaml(run).replace("  - [ -0.1, 0.1 ]\n", "  - [ -0.1, 0.1 ]\n  - [ 1.5, 0, 0 ]\n"),
        "has a triclinic box",
    ),
    "yaml, not periodic": (
        lambda run: yaml(run).replace("[ p, p, p, p, p, p, ]", "[ p, p, f, f, p, p, ]"),
        "has a box that is not periodic .boundaries pp ff pp",
    ),
    "yaml, units": (lambda run: yaml(run, "units: metal\n"), "is in units 'metal': pass sigma_AA"),
    "yaml, half a frame": (
        lambda run: yaml(run)[: yaml(run).rindex("  - [")],
        "ends after 35 of the frame's 36 lines",
    ),
    "yaml, a row without its brackets": (
        lambda run: yaml(run).replace("  - [ -0.5 , 7 ,", "    -0.5 , 7 ,", 1),
        "has a line among its particles that is not a list",
    ),
    "yaml, a row too short": (
        lambda run: yaml(run).replace("  - [ -0.5 , 7 ,", "  - [ 7 ,", 1),
        r"\(frame 1, line 21\) cannot be read \(there are only 5 columns, but 6 are expected",
    ),
    "yaml, another program's": (
        lambda run: yaml(run).replace("natoms: 36", "natoms: many"),
        "has 'many' as its natoms, but it must be a whole number",
    ),
    "dump local": (
        lambda run: dump(run).replace("NUMBER OF ATOMS", "NUMBER OF ENTRIES"),
        "has 'ITEM: NUMBER OF ENTRIES', so it is a dump of something other than particles",
    ),
    "h5md, two groups": (
        lambda run: h5md(run, lambda file: file.create_group("particles/water")),
        "has the groups all, water below particles",
    ),
    "h5md, no species": (
        lambda run: h5md(run, lambda file: file.__delitem__("particles/all/species")),
        "has no particles/all/species",
    ),
    "h5md, no steps": (
        lambda run: h5md(run, lambda file: file.__delitem__("particles/all/position/step")),
        "has no position/step, so its time steps are missing: pass count_frames=true",
    ),
    "h5md, units": (
        lambda run: h5md(run, lambda file: file["particles/all/position/value"].attrs.update(unit="nm")),
        "is in units 'nm': pass sigma_AA",
    ),
    "h5md, not periodic": (
        lambda run: h5md(run, lambda file: file["particles/all/box"].attrs.update(boundary=["none", "periodic"])),
        "has a box that is not periodic .boundary is none, periodic",
    ),
    "h5md, a link to another file": (
        lambda run: h5md(run, elsewhere),
        "has a link where species should be",
    ),
    "h5md, more boxes than frames": (
        lambda run: h5md(run, edges={"value": np.full((4, 2), SIDE), "step": np.arange(4)}),
        "has 4 boxes for 3 frames",
    ),
    "h5md, species of other particles": (
        lambda run: h5md(run, species=run.types[:-1]),
        r"has species of the shape \(35\), where 3 frames of 36 particles need \(36\) or \(3, 36\)",
    ),
    "another HDF5": (
        lambda run: h5md(run, lambda file: file.__delitem__("particles")),
        "has no group below particles",
    ),
    "npz, nothing named": (npz, "has the arrays r, kind, L, t: say which are the positions, types and the box"),
}

ARRAYS_REFUSED = {
    "pickles": (
        {"kind": np.array([{}] * COUNT, dtype=object)},
        "has kind of kind object, but only numbers and words are read",
    ),
    "another name": ({"r": None}, r"has no array 'r' \(it has kind, L, t\): check arrays"),
    "another shape": (
        {"r": np.zeros((2, 3, COUNT, 2))},
        r"has r of the shape \(2, 3, 36, 2\) .* positions must be numbers",
    ),
    "types of other particles": ({"kind": np.ones(35)}, r"has kind of the shape \(35\), where 3 frames of 36"),
    "types with a fraction": (
        {"kind": np.full(COUNT, 0.5)},
        "has types of kind float64, but they must be whole numbers or words",
    ),
    "steps with a fraction": ({"t": np.array([0, 0.5, 1])}, "has t that are not whole numbers"),
    "fewer steps": ({"t": np.array([0, 1])}, r"has t of the shape \(2\) .*, but there are 3 frames"),
    "tilted": ({"L": np.array([[SIDE, 1], [0, SIDE]])}, "has a triclinic box"),
    "oblong": ({"L": np.array([SIDE, 2 * SIDE])}, "has a box of 5.47723 x 10.9545, but only square boxes"),
    "no box": ({"L": np.zeros((7, 7))}, r"has a box of the shape \(7, 7\)"),
    "Fortran's order": (
        {"r": np.zeros((3, 2, COUNT)).transpose(0, 2, 1).copy("F")},
        r"in Fortran's order: save numpy\.ascontig",
    ),
}


@pytest.mark.parametrize("kind", ARRAYS_REFUSED)
def test_arrays_that_are_not_a_trajectory_are_refused(tmp_path, kind):
    changes, message = ARRAYS_REFUSED[kind]
    for number, run in enumerate(RUNS, start=1):
        write(tmp_path / "in" / f"{number}.npz", npz(run, **changes))
    with pytest.raises(UserError, match=message):
        plan_of(tmp_path, arrays=NAMED)


def elsewhere(file):
    del file["particles/all/species"]
    file["particles/all/species"] = h5py.ExternalLink("/etc/passwd", "/species")


@pytest.mark.parametrize("kind", REFUSED)
def test_what_would_come_out_false_is_refused(tmp_path, pool, kind):
    text, message = REFUSED[kind]
    for number, run in enumerate(RUNS, start=1):
        write(tmp_path / "in" / str(number) / "traj.dat", text(run))
    with pytest.raises(UserError, match=message) as ended:
        import_ensemble(plan_of(tmp_path), pool, ignore_progress)
    assert len(str(ended.value)) < 600


def test_sigma_converts_the_unit_of_length(tmp_path, pool):
    for number, run in enumerate(RUNS, start=1):
        scaled = {"x": run.positions[0][:, 0] * 2.5, "y": run.positions[0][:, 1] * 2.5}
        text = "".join(
            dump(run, [k], head="ITEM: UNITS\nmetal\n" if k == 0 else "", more=scaled).replace(
                repr(SIDE), repr(2.5 * SIDE)
            )
            for k in range(3)
        )
        write(tmp_path / "in" / f"{number}.lammpstrj", text)
    made = import_ensemble(plan_of(tmp_path, sigma=2.5), pool, ignore_progress)
    assert made.origin.length == pytest.approx(SIDE)
    found = read_configurations(made.path(made.simulations[0]))
    assert_same_places(found[0].positions, RUNS[0].expected(0), SIDE)


def test_what_looks_odd_is_told(tmp_path):
    for number, run in enumerate(RUNS, start=1):
        corner = {"x": run.positions[0][:, 0] / 2, "y": run.positions[0][:, 1] / 2}
        write(tmp_path / "in" / f"{number}.dump", dump(run, more=corner))
    assert any("has nearest neighbours at a median distance of 0.4" in remark for remark in plan_of(tmp_path).remarks)
    assert not any("nearest" in remark for remark in planned(tmp_path, RUNS[0].steps).remarks)
    text = dump(RUNS[0]).replace(f"0 {SIDE!r}", "0 8.5")
    write(tmp_path / "in" / "1.dump", text)
    assert any("has an empty strip" in remark for remark in plan_of(tmp_path).remarks)
