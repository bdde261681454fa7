"""Names as people have them: which files are a simulation, and which number is its own."""

import pytest

from glassliquid.errors import UserError
from tests.ensembles.cases import dump, xyz
from tests.ensembles.peoples_files import CENTRED, RUNS, assert_imported, npz, plan_of, write

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
    with pytest.raises(UserError, match=r"has 1 simulation \(dump\.0\.lammpstrj and 2 more\), but each of the splits"):
        plan_of(tmp_path)
    rehearsed = plan_of(tmp_path, is_rehearsal=True)
    assert rehearsed.ensemble.protocol.snapshots == (0, 100, 200)
    assert any("has 1 simulation" in remark for remark in rehearsed.remarks)


def test_one_file_is_rehearsed_and_refused(tmp_path):
    write(tmp_path / "in" / "traj.lammpstrj", dump(RUNS[0]))
    one = {"source": "in/traj.lammpstrj"}
    with pytest.raises(
        UserError, match=r"traj\.lammpstrj has 1 simulation .*: pass the folder that has the files of all simulations"
    ):
        plan_of(tmp_path, **one)
    rehearsed = plan_of(tmp_path, is_rehearsal=True, **one)
    assert rehearsed.ensemble.simulations[0].file == "traj.lammpstrj"
    assert rehearsed.ensemble.protocol.snapshots == (0, 100, 200)
    with pytest.raises(UserError, match="a single file: pass the folder that has the files of all"):
        plan_of(tmp_path, temperature="T", **one)


def test_arrays_and_settings_beside_trajectories_are_passed_over(tmp_path, pool):
    """Only formats that may hold anything: where there is nothing else, they are what is meant."""
    for number, run in enumerate(RUNS, start=1):
        write(tmp_path / "in" / str(number) / "traj.xyz", xyz(run, "{lattice} step={step}"))
        write(tmp_path / "in" / str(number) / "analysis.npz", npz(run))
        write(tmp_path / "in" / str(number) / "settings.yaml", "timestep: 0.005\n")
        write(tmp_path / "in" / str(number) / "traj.xyz~", xyz(RUNS[0], "{lattice} step={step}"))
    write(tmp_path / "in" / "means.npz", npz(RUNS[0]))
    assert_imported(tmp_path, pool, **CENTRED)


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


def test_a_note_with_a_number_is_no_trajectory(tmp_path):
    for number, run in enumerate(RUNS, start=1):
        write(tmp_path / "in" / str(number) / "traj.dump", dump(run))
        write(tmp_path / "in" / str(number) / "seed.txt", f"{run.seed}\n")
    assert len(plan_of(tmp_path).tasks) == 3
