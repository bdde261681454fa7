"""The engine numba beside LAMMPS: forces, conservation, equilibrium, dynamics, inherent structures; and its compiled code."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.compare_engines import LENGTH, NAMES, PARTICLES, TYPES, dynamics, pair_counts, standard_errors_apart
from glassliquid.errors import UserError
from glassliquid.physics.engine import Engine
from glassliquid.physics.engines import ENGINES, best_engine, engine_of_this_process
from glassliquid.physics.engines.numba import Numba
from glassliquid.physics.potential import DENSITY
from glassliquid.physics.protocol import TIME_STEP, Protocol
from glassliquid.trajectories.trajectory import particle_types
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def engines() -> dict[str, Engine]:
    return {name: engine_of_this_process(name) for name in NAMES}


def coolings(engine: Engine, protocol: Protocol, count: int):
    return [engine.cool(protocol, seed) for seed in range(count)]


def test_forces_of_a_liquid_are_lammps_forces_to_single_precision(engines: dict[str, Engine]) -> None:
    protocol = Protocol(particles=PARTICLES, equilibration_steps=1_000, cooling_steps=400, snapshots=(0, 100, 200))
    for positions in engines["lammps"].cool(protocol, 1).positions:
        energy, forces = engines["numba"].energy_and_forces(positions, TYPES, LENGTH)
        expected_energy, expected = engines["lammps"].energy_and_forces(positions, TYPES, LENGTH)
        error = np.sqrt(((forces - expected) ** 2).sum() / (expected**2).sum())
        # Rounding of 24 terms with 2^-24 each, of which the largest cancel; measured 4e-7.
        assert error < 2e-6
        assert energy == pytest.approx(expected_energy, abs=1e-5)


@pytest.mark.slow
def test_energy_drifts_less_than_the_rounding_allows_over_2000_tau(engines: dict[str, Engine]) -> None:
    protocol = Protocol(particles=PARTICLES, equilibration_steps=2_000, cooling_steps=2_000, snapshots=(100,))
    liquid = engines["numba"].cool(protocol, 3).positions[0]
    marks = 4_000
    held = engines["numba"].hold(liquid, TYPES, LENGTH, 1.0, marks, steps_per_mark=100, thermostat=False)
    energies = held.temperature * (1 - 1 / PARTICLES) + held.potential_energy
    time = np.arange(marks + 1) * 100 * TIME_STEP
    assert time[-1] == pytest.approx(2_000)
    # A straight line through all marks, so that the fluctuation of single ones averages out.
    assert abs(np.polyfit(time, energies, 1)[0]) < 5e-6


@pytest.mark.slow
def test_a_slow_cooling_passes_through_the_same_equilibria(engines: dict[str, Engine]) -> None:
    """T = 1.95 to 1.0 at a rate at which the liquid is in equilibrium: energy, pressure, temperature and structure, 64 systems each."""
    snapshots = (5, 40, 60, 80, 100)
    protocol = Protocol(particles=PARTICLES, equilibration_steps=10_000, cooling_steps=20_000, snapshots=snapshots)
    found = {name: coolings(engine, protocol, 64) for name, engine in engines.items()}
    values = {
        name: np.array(
            [
                np.concatenate(
                    [
                        np.array([c.temperature, c.potential_energy, c.pressure])[:, :105]
                        .reshape(3, 5, 21)
                        .mean(axis=2)
                        .ravel()
                    ]
                    + [pair_counts(positions) for positions in c.positions]
                )
                for c in each
            ]
        )
        for name, each in found.items()
    }
    apart = standard_errors_apart(values["lammps"], values["numba"])
    varied = apart[np.isfinite(apart)]
    assert len(varied) > 100
    # One in twenty comparisons of equal means is beyond two combined standard errors; neighbouring shells and marks are correlated,
    # so a few more may be.
    assert (varied > 2).mean() < 0.1
    assert varied.max() < 4.5


@pytest.mark.slow
def test_particles_move_as_fast(engines: dict[str, Engine]) -> None:
    """Mean squared displacement and Fs(k, t) of a supercooled liquid, 64 systems each."""
    protocol = Protocol(particles=PARTICLES, equilibration_steps=2_000, cooling_steps=10_000, snapshots=(144,))
    starts = [engines["lammps"].cool(protocol, seed).positions[0] for seed in range(128)]
    found = {
        name: np.array([dynamics(engine, start, 1 + seed).values for seed, start in enumerate(starts[first::2])])
        for first, (name, engine) in enumerate(engines.items())
    }
    apart = standard_errors_apart(found["lammps"], found["numba"])
    # Thirty correlated comparisons: as for the equilibria.
    assert (apart > 2).mean() < 0.2
    assert apart.max() < 3.5


@pytest.mark.slow
def test_inherent_structures_of_the_glasses_have_the_same_energy(engines: dict[str, Engine]) -> None:
    protocol = Protocol(particles=100, equilibration_steps=3_000, cooling_steps=10_000, snapshots=(200,))
    types, length = particle_types(100), (100 / DENSITY) ** 0.5
    energies = {
        name: np.array([[engine.minimise(c.positions[0], types, length)[1]] for c in coolings(engine, protocol, 200)])
        for name, engine in engines.items()
    }
    assert (
        standard_errors_apart(energies["lammps"], energies["numba"])[0] < 2.6
    )  # two-sided: one run in a hundred fails by chance


def test_minima_are_those_of_lammps_where_both_start_in_the_same_basin(engines: dict[str, Engine]) -> None:
    """From a glass, a thousandth of a diameter away from its minimum."""
    protocol = Protocol(particles=PARTICLES, equilibration_steps=1_000, cooling_steps=4_000, snapshots=(200,))
    glass = engines["numba"].cool(protocol, 5).positions[0]
    minimum, _ = engines["lammps"].minimise(glass, TYPES, LENGTH)
    moved = minimum + 0.001 * np.random.default_rng(0).standard_normal(minimum.shape)
    found = {name: engine.minimise(moved, TYPES, LENGTH) for name, engine in engines.items()}
    # It may be another one than that next to which they start: a pair at the cutoff makes basins smaller than the step.
    assert found["numba"][1] == pytest.approx(found["lammps"][1], abs=1e-10)


PROGRAM = """
from glassliquid.physics.engines import engine_of_this_process
from glassliquid.physics.protocol import TIME_STEP, Protocol
c = engine_of_this_process("numba").cool(Protocol(particles=64, equilibration_steps=200, cooling_steps=200, snapshots=(200,)), 7)
print(c.positions.sum(), c.potential_energy[-1])
"""


def run_program(cache: Path, program: str = PROGRAM) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
            "NUMBA_CACHE_DIR": str(cache),
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=500,
    )


@pytest.mark.slow
def test_two_processes_that_compile_at_once_do_not_hurt_each_other(tmp_path: Path) -> None:
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "NUMBA_CACHE_DIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    results = [program.communicate(timeout=500) for program in programs]
    assert [program.returncode for program in programs] == [0, 0]
    assert results[0][0] == results[1][0]
    assert "Compiling the engine numba" in results[0][1] + results[1][1]
    again = run_program(tmp_path)
    assert again.stdout == results[0][0]
    assert "Compiling" not in again.stderr
    # Nothing was written into the clone.
    assert not list((ROOT / "src").rglob("*.nbc"))


@pytest.mark.slow
def test_after_preparing_a_simulation_compiles_nothing_more(tmp_path: Path) -> None:
    prepared = run_program(tmp_path, "from glassliquid.physics.engines import prepare; prepare()")
    assert "Compiling the engine numba" in prepared.stderr
    compiled = sorted(tmp_path.rglob("*.nb?"))
    assert "Compiling" not in run_program(tmp_path).stderr
    assert compiled
    assert sorted(tmp_path.rglob("*.nb?")) == compiled


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_cache_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "no cache folder can be written to" in run_program(tmp_path).stderr


def test_a_system_that_explodes_ends_in_a_sentence_that_names_the_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glassliquid.physics.engines.numba.TIME_STEP", 1.0)
    protocol = Protocol(particles=64, equilibration_steps=200, cooling_steps=200, snapshots=(200,))
    with pytest.raises(
        UserError, match=r"The simulation with seed 7 exploded at time step \d+: the configuration is not physical"
    ):
        engine_of_this_process("numba").cool(protocol, 7)


def test_wrong_forces_are_found_when_the_engine_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Numba, "energy_and_forces", lambda *_: (0.0, np.zeros((64, 2))))
    with pytest.raises(UserError, match=r"computes wrong forces on this machine .* pass engine=lammps"):
        Numba()


def test_a_machine_without_numba_takes_the_next_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "glassliquid.physics.vectorised", None)
    engine_of_this_process.cache_clear()
    try:
        assert "Numba is not installed" in str(ENGINES.get("numba").obstacle())
        assert best_engine() == "lammps"
    finally:
        engine_of_this_process.cache_clear()
