"""Files as people have them: read as what they are, or refused in a sentence that says what to check or to pass."""

import bz2
import gzip

import numpy as np
import pyarrow
import pytest

from glassliquid.ensembles.importing import ImportPlan, import_ensemble, plan_import
from glassliquid.errors import UserError
from glassliquid.trajectories.frames import Hints
from glassliquid.trajectories.trajectory import read_configurations
from tests.conftest import ignore_progress
from tests.ensembles.cases import COUNT, SIDE, Run, dump, xyz
from tests.trajectories.foreign import assert_same_places

RUNS = [Run(seed) for seed in (1, 2, 3)]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def plan_of(tmp_path, **plan):
    hints = Hints(**{name: plan.pop(name) for name in ("density", "sigma", "unterminated") if name in plan})
    return plan_import(tmp_path / "theirs", ImportPlan(input=tmp_path / "in", seed=1, hints=hints, **plan))


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


def large(run):
    return np.where(run.types == 2, 0.7, 0.5)


FILES = {
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
        {"shift": SIDE / 2},
    ),
    "units lj": ("traj.atom", lambda run: dump(run, head="ITEM: UNITS\nlj\n"), {}),
    "steps as numbers with a fraction": ("traj.atom", lambda run: dump(run).replace("\n5000\n", "\n5000.0\n"), {}),
    "2D positions": (
        "traj.xyz",
        lambda run: xyz(run, "{lattice} Properties=species:S:1:pos:R:2 Timestep={step}", "{kind} {x} {y}"),
        {"shift": SIDE / 2},
    ),
    "atooms": (
        "traj.xyz",
        lambda run: xyz(run, "step:{step} columns:species,pos cell:{side},{side}", "{kind} {x} {y}"),
        {"shift": SIDE / 2},
    ),
    "atooms, old": (
        "traj.xyz",
        lambda run: xyz(run, "step:{step} columns:id,pos,vel dt:0.1 cell:{side},{side}", "{kind} {x} {y} 3 4"),
        {"shift": SIDE / 2},
    ),
    "id first": (
        "traj.extxyz",
        lambda run: xyz(
            run, "{lattice} Properties=id:I:1:species:S:1:pos:R:3 Timestep={step}", "{id} {kind} {x} {y} 0"
        ),
        {"shift": SIDE / 2},
    ),
    "velocities first": (
        "traj.xyz",
        lambda run: xyz(
            run, '{lattice} Properties=species:S:1:velo:R:3:pos:R:3 pbc="T T F" step={step}', "{kind} 1 2 3 {x} {y} 0"
        ),
        {"shift": SIDE / 2},
    ),
    "long names": (
        "traj.xyz",
        lambda run: xyz(run, "{lattice} Timestep={step}", names=("large_particles_of_A", "large_particles_of_B")),
        {"shift": SIDE / 2},
    ),
    "step with an exponent": (
        "traj.xyz",
        lambda run: xyz(run, "{lattice} Timestep={step}").replace("Timestep=10000", "Timestep=1e+04"),
        {"shift": SIDE / 2},
    ),
    "time": ("conf.lst", lambda run: xyz(run, "{lattice} Time={step}"), {"shift": SIDE / 2}),
    "no box": (
        "traj.xyz",
        lambda run: xyz(run, " Atoms. Timestep: {step}", names="12"),
        {"shift": SIDE / 2, "density": 1.2},
    ),
}


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
        r"\(frame 1, line 14\) cannot be read \(there are 6 columns, and 5 are expected",
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
        r"\(frame 1, line 3\) cannot be read \(there are 5 columns, and 4 are expected",
    ),
    "a time that is no step": (
        lambda run: xyz(run, "{lattice} Time=0.5").replace("Time=0.5", "Time=0"),
        "has a single frame|has time step 0 a second time",
    ),
    "velocities as positions": (
        lambda run: dump(run, columns="id type x y", more={"x": np.full(COUNT, 0.01), "y": np.arange(COUNT) * 1e-3}),
        r"has nearest neighbours 0.001 apart .*: check which columns .*sigma=NUMBER",
    ),
    "another unit of length": (
        lambda run: dump(run, more={"x": run.positions[0][:, 0] * 3, "y": run.positions[0][:, 1] * 3}).replace(
            repr(SIDE), repr(SIDE * 3)
        ),
        r"has nearest neighbours 2\.\d+ apart",
    ),
    "name without end": (
        lambda run: xyz(run, "{lattice} Timestep={step}", names=("A" * 101, "B")),
        "has a particle type of more than 100 letters",
    ),
}


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


NAMES = {
    "nested": ("seed{n}/prod/traj.lammpstrj", {}),
    "flat": ("sim-{n:05d}.dump", {}),
    "a number that is the same in all": ("N36_run{n}.dump", {}),
    "told by a word": ("T{n}5_seed{n}/traj.dump", {"number": "seed"}),
    "told by two numbers": ("batch{b}/sim{n}.dump", {"number": r"batch(\d+)/sim(\d+)"}),
    "told by an expression": ("2024-0{n}/cooling_{n}b.dump", {"number": r"_(\d+)b"}),
}


@pytest.mark.parametrize("kind", NAMES)
def test_simulations_are_found(tmp_path, pool, kind):
    name, plan = NAMES[kind]
    for number, run in enumerate(RUNS, start=1):
        write(tmp_path / "in" / name.format(n=number, b=1 + number // 3), dump(run))
    assert_imported(tmp_path, pool, **plan)


@pytest.mark.parametrize(
    ("name", "plan"),
    [
        ("{n}/dump.{step}.lammpstrj", {}),
        ("run{n}.{step}", {}),
        ("dump.{step}.run{n}.txt", {}),
        ("run{n}/part{k}.dump", {}),
        ("run{n}/frames/frame_{k:04d}.txt", {}),
        ("run{n}_part{k}.dump", {"number": "run"}),
    ],
)
def test_frames_in_files_of_their_own_are_one_trajectory(tmp_path, pool, name, plan):
    for number, run in enumerate(RUNS, start=1):
        for frame, step in enumerate(run.steps):
            write(tmp_path / "in" / name.format(n=number, step=step, k=9 - frame), dump(run, [frame]))
    assert_imported(tmp_path, pool, **plan)


def test_one_simulation_in_files_of_frames_is_too_few(tmp_path):
    for frame, step in enumerate(RUNS[0].steps):
        write(tmp_path / "in" / f"dump.{step}.lammpstrj", dump(RUNS[0], [frame]))
    with pytest.raises(UserError, match=r"has 1 simulation \(dump\.0\.lammpstrj and 2 more\), and each of the splits"):
        plan_of(tmp_path)
    with pytest.raises(UserError, match="one file: pass the folder"):
        plan_import(tmp_path / "theirs", ImportPlan(input=tmp_path / "in" / "dump.0.lammpstrj", seed=1))


def test_equilibration_beside_production(tmp_path, pool):
    for number, run in enumerate(RUNS, start=1):
        write(tmp_path / "in" / f"run{number}" / "warmup.lammpstrj", dump(run, [0]))
        write(tmp_path / "in" / f"run{number}" / "prod.lammpstrj", dump(run))
    with pytest.raises(
        UserError, match=r"are both simulation 1, .* such as files=prod\.lammpstrj, files=warmup\.lammp"
    ):
        plan_of(tmp_path)
    assert_imported(tmp_path, pool, files="prod*")


def test_two_numbers_are_not_guessed(tmp_path):
    for number in (1, 2, 3):
        write(tmp_path / "in" / f"run{number}_part{number + 1}.dump", dump(RUNS[0]))
        write(tmp_path / "in" / f"run{number}_part{number + 2}.dump", dump(RUNS[0]))
    with pytest.raises(UserError, match=r"has 2 numbers that differ .* number=run if it is 1, number=part if it is 2"):
        plan_of(tmp_path)
    with pytest.raises(UserError, match=r"has no number in its name where 'seed' says"):
        plan_of(tmp_path, number="seed")
    with pytest.raises(UserError, match=r"no file that matches files='prod\*' .it has 6 files, such as run1_part2"):
        plan_of(tmp_path, files="prod*")


def test_a_folder_of_other_files_says_what_is_there(tmp_path):
    for name in ("notes.txt", "log.lammps", "in.melt"):
        write(tmp_path / "in" / "1" / name, "LAMMPS (2 Aug 2023)\n")
    with pytest.raises(
        UserError, match=r"has no trajectories \(it has 3 files, such as 1/in\.melt, .* LAMMPS text dump"
    ):
        plan_of(tmp_path)


def planned(tmp_path, steps, **plan):
    for number in (1, 2, 3):
        write(tmp_path / "in" / f"{number}.dump", dump(Run(number, steps)))
    return plan_of(tmp_path, **plan)


def test_the_start_of_the_cooling_is_found_or_asked_for(tmp_path):
    found = planned(tmp_path, (10_000, 15_000, 20_000))
    assert (found.ensemble.origin.first_step, found.ensemble.protocol.cooling_steps) == (10_000, 10_000)
    assert found.ensemble.protocol.snapshots == (0, 100, 200)
    assert any("first_step is 10000, as found" in remark for remark in found.remarks)
    with pytest.raises(UserError, match=r"begins at time step 50, .*: pass first_step=50 or first_step=0"):
        planned(tmp_path, (50, 100, 150, 200))
    assert planned(tmp_path, (50, 100, 150, 200), first_step=0).ensemble.protocol.snapshots == (50, 100, 150, 200)


def test_frames_belong_to_the_nearest_index_where_the_steps_cannot_be_divided(tmp_path, pool):
    runs = [Run(seed, tuple(range(0, 100, 11))) for seed in (1, 2, 3)]
    ensemble = planned(tmp_path, runs[0].steps).ensemble
    assert ensemble.protocol.snapshots == (0, 22, 44, 67, 89, 111, 133, 156, 178, 200)
    assert_imported(tmp_path, pool, runs=runs)
    many = planned(tmp_path, tuple(range(100)))
    assert many.ensemble.protocol.snapshots[-3:] == (196, 198, 200)
    more = planned(tmp_path, tuple(range(402)))
    assert more.ensemble.protocol.snapshots == tuple(range(201))
    assert all(abs(200 * step / 401 - index) <= 0.25 for step, index in more.tasks[0].indices.items())


def test_what_looks_odd_is_told(tmp_path):
    run = RUNS[0]
    for number in (1, 2, 3):
        corner = {"x": run.positions[0][:, 0] / 2, "y": run.positions[0][:, 1] / 2}
        write(tmp_path / "in" / f"{number}.dump", dump(run, more=corner))
    assert any("has nearest neighbours 0.4" in remark for remark in plan_of(tmp_path).remarks)
    assert not any("nearest" in remark for remark in planned(tmp_path, run.steps).remarks)
    text = dump(run).replace(f"0 {SIDE!r}", "0 8.5")
    write(tmp_path / "in" / "1.dump", text)
    assert any("has an empty strip" in remark for remark in plan_of(tmp_path).remarks)


SERIES = (0.05, 0.4, 1.95)
"""Temperatures; the nearest of the protocol's are at the indices 5, 164 and 200."""


def write_series(folder, name):
    for number, run in enumerate(RUNS, start=1):
        for frame, temperature in enumerate(SERIES):
            # The last frame is the one that counts.
            other = Run(run.seed + 100, (7, 77))
            text = dump(other) + dump(run, [frame]).replace(f"\n{run.steps[frame]}\n", "\n777\n", 1)
            write(folder / name.format(T=temperature, n=number), text)


@pytest.mark.parametrize("name", ["T{T:.2f}/seed{n}/traj.dump", "seed{n}_T={T}.lammpstrj", "T{T:.2f}_{n}.txt"])
def test_series_at_constant_temperature(tmp_path, pool, name):
    write_series(tmp_path / "in", name)
    planned = plan_of(tmp_path, temperature="T")
    assert planned.ensemble.protocol.snapshots == (5, 164, 200)
    assert any("Last frames at the temperatures 1.95, 0.401, 0.05" in remark for remark in planned.remarks)
    made = import_ensemble(planned, pool, ignore_progress)
    for simulation, run in zip(made.simulations, RUNS, strict=True):
        for frame, each in zip((2, 1, 0), read_configurations(made.path(simulation)), strict=True):
            assert_same_places(each.positions, run.expected(frame), SIDE)


def test_temperatures_are_not_taken_for_simulations(tmp_path):
    for temperature in (0.35, 0.4, 0.45):
        write(tmp_path / "in" / f"T{temperature:.2f}" / "traj.dump", dump(RUNS[0]))
    with pytest.raises(UserError, match="has a temperature in its name: pass temperature=T for series"):
        plan_of(tmp_path)
    with pytest.raises(UserError, match="has no number of its simulation beside the temperature"):
        plan_of(tmp_path, temperature="T")
    with pytest.raises(UserError, match="has no number behind 'kT' in its path"):
        plan_of(tmp_path, temperature="kT")


def test_a_series_has_the_same_temperatures_in_all_simulations(tmp_path):
    write_series(tmp_path / "in", "T{T:.2f}/seed{n}.dump")
    (tmp_path / "in" / "T0.40" / "seed2.dump").unlink()
    with pytest.raises(UserError, match=r"differ in having T = 0\.401: all need the same temperatures"):
        plan_of(tmp_path, temperature="T")
    write(tmp_path / "in" / "T3.0" / "seed2.dump", dump(RUNS[0]))
    with pytest.raises(UserError, match=r"is at T = 3, and temperatures run from 0\.05 to 2"):
        plan_of(tmp_path, temperature="T")


def test_a_note_with_a_number_is_no_trajectory(tmp_path):
    for number, run in enumerate(RUNS, start=1):
        write(tmp_path / "in" / str(number) / "traj.dump", dump(run))
        write(tmp_path / "in" / str(number) / "seed.txt", f"{run.seed}\n")
    assert len(plan_of(tmp_path).tasks) == 3
