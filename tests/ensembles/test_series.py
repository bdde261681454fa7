"""Series at constant temperature: which file is at which temperature, and of which simulation."""

import pytest

from glassliquid.ensembles.importing import import_ensemble
from glassliquid.errors import UserError
from glassliquid.trajectories.trajectory import read_configurations
from tests.conftest import ignore_progress
from tests.ensembles.cases import SIDE, Run, dump
from tests.ensembles.peoples_files import RUNS, plan_of, write
from tests.trajectories.foreign import assert_same_places

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
    with pytest.raises(UserError, match="has no simulation number beside the temperature"):
        plan_of(tmp_path, temperature="T")
    with pytest.raises(UserError, match="has no number after 'kT' in its path"):
        plan_of(tmp_path, temperature="kT")


def test_a_series_has_the_same_temperatures_in_all_simulations(tmp_path):
    write_series(tmp_path / "in", "T{T:.2f}/seed{n}.dump")
    (tmp_path / "in" / "T0.40" / "seed2.dump").unlink()
    with pytest.raises(UserError, match=r"has T = 0\.401: all need the same temperatures"):
        plan_of(tmp_path, temperature="T")
    write(tmp_path / "in" / "T3.0" / "seed2.dump", dump(RUNS[0]))
    with pytest.raises(UserError, match=r"is at T = 3, but temperatures run from 0\.05 to 2"):
        plan_of(tmp_path, temperature="T")


TABLES = {
    "folders": ("{state}/seed{n}.dump", "state,T\nhot,1.95\nwarm,0.4\ncold,0.05\n"),
    "without a head, by blanks, with a note": (
        "{state}/seed{n}.dump",
        "# made by hand\nhot 1.95\n\nwarm/ 4e-1\n./cold 0.05\n",
    ),
    "patterns": ("run{n}/{state}_conf.dump", "file;temperature\n*/hot_*;1.95\n*/warm_*;0.4\n*/cold_*;0.05\n"),
    "files and simulations": (
        "conf_{state}_{letter}.dump",
        "seed,temp,path\n"
        + "".join(
            f"{n},{T},conf_{state}_{letter}.dump\n"
            for n, letter in enumerate("abc", start=1)
            for state, T in zip(("cold", "warm", "hot"), SERIES, strict=True)
        ),
    ),
}


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("place", ["in/temperatures.csv", "elsewhere.txt"])
def test_a_table_tells_the_temperatures(tmp_path, pool, kind, place):
    name, table = TABLES[kind]
    write(tmp_path / place, table.replace("state,T", "folder,T"))
    for number, run in enumerate(RUNS, start=1):
        for frame, state in enumerate(("cold", "warm", "hot")):
            path = tmp_path / "in" / name.format(state=state, n=number, letter=" abc"[number])
            write(path, dump(run, [frame]))
    told = "temperatures.csv" if place.startswith("in/") else str(tmp_path / place)
    planned = plan_of(tmp_path, temperature=told)
    assert planned.ensemble.protocol.snapshots == (5, 164, 200)
    made = import_ensemble(planned, pool, ignore_progress)
    for simulation, run in zip(made.simulations, RUNS, strict=True):
        for frame, each in zip((2, 1, 0), read_configurations(made.path(simulation)), strict=True):
            assert_same_places(each.positions, run.expected(frame), SIDE)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("a,0.4\n", r"b/1\.dump is in no row of .*table\.csv: give each file or its folder one row"),
        ("a,0.4\nb,1\nb/1.dump,2\n", r"b/1\.dump is in several rows of .*table\.csv \(b, b/1\.dump\)"),
        ("a,0.4\nb,1\nc,1\n", r"table\.csv has 'c', but no trajectory under .* has that name: correct the table"),
        (
            "a,0.4\nb,hot\n",
            r"table\.csv, line 2: 'b,hot' does not have a file or folder, its temperature and optionally",
        ),
        ("a,0.4\nb\n", r"table\.csv, line 2: 'b' does not have a file"),
        ("a,0.4\nb,0.4,first\n", r"line 2: 'b,0\.4,first' does not have a file"),
        ("a,0.4\nb,0.4,1,2\n", r"line 2: .* does not have a file"),
        ("\n# nothing\n", r"table\.csv has no rows"),
        ("a,0.4\nb,7\n", r"b/1\.dump is at T = 7, but temperatures run from 0\.05 to 2"),
        (None, r"no such table: check the path"),
    ],
)
def test_a_table_that_does_not_fit_is_one_sentence(tmp_path, table, message):
    for name in ("a/1.dump", "b/1.dump"):
        write(tmp_path / "in" / name, dump(RUNS[0]))
    if table is not None:
        write(tmp_path / "in" / "table.csv", table)
    with pytest.raises(UserError, match=message):
        plan_of(tmp_path, temperature="table.csv")
