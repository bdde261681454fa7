"""What further programs write, and what people do to files: read as what it is, or refused or told in a sentence."""

import re

import numpy as np
import pytest

from glassliquid.ensembles.copies import END
from glassliquid.ensembles.importing import import_ensemble
from glassliquid.errors import UserError
from tests.conftest import ignore_progress
from tests.ensembles.cases import SIDE, Run, dump, xyz
from tests.ensembles.peoples_files import CENTRED, RUNS, assert_imported, plan_of, planned, write

READ = {
    "quippy: species and atomic number": (
        lambda run: xyz(run, "{lattice} Properties=species:S:1:pos:R:3:Z:I:1 step={step}", row="{kind} {x} {y} 0 18"),
        CENTRED,
    ),
    "CP2K: a step beside a time with a fraction": (
        lambda run: xyz(run, "{lattice} i = {step}, time = {step}.5"),
        CENTRED,
    ),
    "atooms, older: x, y, z": (
        lambda run: xyz(run, "metafmt:space,comma columns:id,x,y,z step:{step} cell:{side},{side},1.0"),
        CENTRED,
    ),
    "columns of their own for x and y": (
        lambda run: xyz(run, "{lattice} Properties=y:R:1:species:S:1:x:R:1 step={step}", row="{y} {kind} {x}"),
        CENTRED,
    ),
    "pbc in brackets": (lambda run: xyz(run, "{lattice} pbc=[T, T, F] step={step}"), CENTRED),
    "a lattice in brackets": (
        lambda run: xyz(run, "Lattice=[[{side}, 0, 0], [0, {side}, 0], [0, 0, 1]] step={step}"),
        CENTRED,
    ),
    "a lattice in braces": (lambda run: xyz(run, "Lattice={{{side} 0 0 0 {side} 0 0 0 1}} step={step}"), CENTRED),
    "xyz, blank lines first": (lambda run: "\n\n" + xyz(run, "{lattice} step={step}"), CENTRED),
    "xyz, a mark of the editor first": (lambda run: "\ufeff" + xyz(run, "{lattice} step={step}"), CENTRED),
    "dump, blank lines first": (lambda run: "\n \n" + dump(run), {}),
    "dump, a mark of the editor first": (lambda run: "\ufeff" + dump(run).replace("\n", "\r\n"), {}),
}


@pytest.mark.parametrize("kind", READ)
def test_files_of_further_programs_are_read(tmp_path, pool, kind):
    text, plan = READ[kind]
    for number, run in enumerate(RUNS, start=1):
        write(tmp_path / "in" / f"{number}.txt", text(run))
    assert_imported(tmp_path, pool, **plan)


@pytest.mark.parametrize("flags", ["TFT", "F T T", "[True, False, True]", "0 1 1"])
def test_a_box_that_is_not_periodic_in_x_and_y_is_refused(tmp_path, flags):
    for number, run in enumerate(RUNS, start=1):
        write(tmp_path / "in" / f"{number}.xyz", xyz(run, f'{{lattice}} pbc="{flags}" step={{step}}'))
    with pytest.raises(UserError, match="has a box that is not periodic"):
        plan_of(tmp_path)


ODD = {
    "a box that is a fifth too large": (
        lambda run: dump(run).replace(f"0 {SIDE!r}", "0 6.7"),
        r"has an empty strip 1\.\d+ wide in a box of side 6\.7",
    ),
    "another column for x": (
        lambda run: dump(run, more={"x": np.arange(36)}),
        r"has positions that extend over 35 in a box of side 5\.477 and were wrapped into it: check which columns",
    ),
}


@pytest.mark.parametrize("kind", ODD)
def test_what_looks_odd_in_a_first_frame_is_told(tmp_path, kind):
    text, message = ODD[kind]
    for number, run in enumerate(RUNS, start=1):
        write(tmp_path / "in" / f"{number}.dump", text(run))
    assert re.search(message, "\n".join(plan_of(tmp_path).remarks))


def test_unwrapped_columns_may_run_out_of_the_box(tmp_path):
    for number, run in enumerate(RUNS, start=1):
        turned = {"xu": run.positions[0][:, 0] + 4 * SIDE, "yu": run.positions[0][:, 1] - SIDE * (np.arange(36) % 3)}
        write(tmp_path / "in" / f"{number}.dump", dump(run, columns="id type xu yu", more=turned))
    assert not any("check" in remark for remark in plan_of(tmp_path).remarks)


def test_copies_of_a_simulation_are_refused(tmp_path):
    """Of one seed for all runs, or of one file: they would lie in several splits."""
    for number, run in ((1, RUNS[0]), (2, RUNS[1]), (3, RUNS[0]), (4, RUNS[2])):
        write(tmp_path / "in" / f"run{number}.dump", dump(run))
    with pytest.raises(
        UserError, match=r"has identical files for two simulations, run1\.dump and run3\.dump, but simulations must be"
    ):
        plan_of(tmp_path)
    (tmp_path / "in" / "run3.dump").unlink()
    assert len(plan_of(tmp_path).ensemble.simulations) == 3
    (tmp_path / "in" / "run3.dump").symlink_to(tmp_path / "in" / "run2.dump")
    with pytest.raises(UserError, match=r"has identical files for two simulations, run2\.dump and run3\.dump"):
        plan_of(tmp_path)


def test_files_of_equal_size_that_differ_in_one_letter_are_no_copies(tmp_path):
    run = Run(1, tuple(range(0, 100_000, 1_000)))
    text = dump(run, columns="id type x y vx", more={"vx": [5] * 36})
    assert len(text) > 1.5 * END
    for number in (1, 2, 3):
        write(tmp_path / "in" / f"run{number}.dump", text.replace(" 5\n", f" {number}\n", 1))
    assert len(plan_of(tmp_path).ensemble.simulations) == 3


def test_a_simulation_that_runs_on_is_refused(tmp_path, pool):
    """Its frames at the steps of the first would be half of a cooling, and called all of it."""
    runs = [Run(1), Run(2, (0, 5_000, 10_000, 15_000, 20_000)), Run(3)]
    for number, run in enumerate(runs, start=1):
        write(tmp_path / "in" / f"run{number}.dump", dump(run))
    with pytest.raises(
        UserError,
        match=r"run2\.dump runs to time step 20000, where the first simulation ends at 10000: pass cooling_steps",
    ):
        import_ensemble(plan_of(tmp_path), pool, ignore_progress)
    made = import_ensemble(plan_of(tmp_path, cooling_steps=10_000), pool, ignore_progress)
    assert made.protocol.snapshots == (0, 100, 200)


def test_steps_that_run_backwards_are_refused_before_anything_is_imported(tmp_path):
    for number, run in enumerate(RUNS, start=1):
        write(tmp_path / "in" / f"run{number}.dump", dump(Run(run.seed, (10_000, 20_000))) + dump(Run(9, (0, 5_000))))
    with pytest.raises(
        UserError,
        match=r"run1\.dump has time step 0 after 20000, but time steps must increase: if they are separate runs",
    ):
        plan_of(tmp_path)


def test_steps_on_both_sides_of_zero_are_asked_about(tmp_path):
    with pytest.raises(UserError, match=r"runs from time step -5000 past 0, .*: pass first_step=-5000 or first_step=0"):
        planned(tmp_path, (-5_000, 0, 5_000, 10_000))
    found = planned(tmp_path, (-5_000, 0, 5_000, 10_000), first_step=0)
    assert found.ensemble.protocol.snapshots == (0, 100, 200)


WRITTEN = {
    "0.45": "T0.45",
    "0p45": "T0p45",
    "4.5e-1": "T4.5e-1",
    "45e-02": "T45e-02",
    "_0.45": "T_0.45",
    "=0.45": "T=0.45",
}


@pytest.mark.parametrize("written", WRITTEN)
def test_a_temperature_is_read_however_names_write_it(tmp_path, written):
    """T1e-1 was taken for 1."""
    for number in (1, 2, 3):
        write(tmp_path / "in" / WRITTEN[written] / f"seed{number}.dump", dump(Run(number, (0,))))
        write(tmp_path / "in" / "T1.0" / f"seed{number}.dump", dump(Run(number + 3, (0,))))
    assert plan_of(tmp_path, temperature="T").ensemble.protocol.snapshots == (103, 159)


@pytest.mark.parametrize("name", ["T1e-x", "T1x5", "T1b"])
def test_what_is_no_temperature_is_not_taken_for_one(tmp_path, name):
    for number in (1, 2, 3):
        write(tmp_path / "in" / name / f"seed{number}.dump", dump(Run(number, (0,))))
    with pytest.raises(UserError, match=r"has no number after 'T' in its path that is a temperature"):
        plan_of(tmp_path, temperature="T")


def test_temperatures_in_names_are_proposed_as_such(tmp_path):
    for number in (1, 2, 3):
        for written in ("0.45", "1.0"):
            write(tmp_path / "in" / f"T{written}" / f"seed{number}.dump", dump(Run(number, (0,))))
    with pytest.raises(UserError) as ended:
        plan_of(tmp_path)
    assert "number=seed if it is 1" in str(ended.value)
    assert "temperature=T if the files are at constant temperature" in str(ended.value)
    assert "45" not in str(ended.value).split("has 2 numbers")[1].replace("0.45", "")
