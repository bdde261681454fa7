"""What physics and the interface demand of every engine that can run here: a new one is tested by being registered."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from glassliquid.physics import potential
from glassliquid.physics.engine import MINIMUM_FORCE, Cooling, Engine
from glassliquid.physics.engines import ENGINES, engine_of_this_process
from glassliquid.physics.protocol import Protocol
from glassliquid.trajectories.trajectory import particle_types
from tests.conftest import ROOT
from tests.physics.configurations import LENGTH, POSITIONS, TYPES

BRIEF = Protocol(particles=64, equilibration_steps=200, cooling_steps=400, snapshots=(0, 100, 200))
ARRAYS = ("positions", "temperature", "potential_energy", "pressure")


@pytest.fixture(scope="module", params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> Engine:
    if obstacle := ENGINES.get(request.param).obstacle():
        pytest.skip(obstacle)
    return engine_of_this_process(request.param)


@pytest.fixture(scope="module")
def epsilon(engine: Engine) -> float:
    """Relative rounding of the engine's numbers."""
    return float(np.finfo(engine.precision).eps)


@pytest.fixture(scope="module")
def liquid(engine: Engine) -> tuple[np.ndarray, np.ndarray, float]:
    """Positions, types and box of a liquid at T = 1.025."""
    protocol = replace(BRIEF, particles=100, equilibration_steps=1_000, cooling_steps=2_000)
    cooling = engine.cool(protocol, seed=3)
    return cooling.positions[1], particle_types(100), potential.box_length(100)


def same_bits(one: Cooling, other: Cooling) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ARRAYS)


def test_it_says_what_it_is(engine: Engine):
    assert ENGINES.get(engine.name) is type(engine)
    assert engine.version
    assert " " not in engine.version
    assert engine.speed > 0


def test_corner_configuration_agrees_with_the_direct_sum(engine: Engine, epsilon: float):
    energy, forces = engine.energy_and_forces(POSITIONS, TYPES, LENGTH)
    expected_energy, expected_forces = potential.energy_and_forces(POSITIONS, TYPES, LENGTH)
    # A coordinate's rounding is up to 4 epsilon, and a force of a pair goes as its 13th power at distances down to 0.9.
    assert energy == pytest.approx(expected_energy, rel=4_500 * epsilon)
    assert forces == pytest.approx(expected_forces, rel=45_000 * epsilon, abs=45_000 * epsilon)


@pytest.mark.parametrize("pair", list(potential.PAIRS), ids=["AA", "AB", "BB"])
@pytest.mark.parametrize("factor", [1.0, 2 ** (1 / 6), 2.499, 2.501])
def test_an_isolated_pair_has_the_energy_of_the_formula(
    engine: Engine, epsilon: float, pair: tuple[int, int], factor: float
):
    """Truncated and unshifted: also just inside and outside the cutoff, where nothing may be shifted away."""
    depth, sigma = potential.PAIRS[pair].epsilon, potential.PAIRS[pair].sigma
    positions = np.array([[4.9, -4.9], [4.9 - factor * sigma, -4.9]])
    energy, _ = engine.energy_and_forces(positions, np.array(pair), 10.0)
    expected = 4 * depth * (factor**-12 - factor**-6) if factor < 2.5 else 0.0
    # Rounding of coordinates, 4 epsilon, times the slope at sigma, 24 epsilon / sigma. A shift would be 0.0163 of the depth.
    assert 2 * energy == pytest.approx(expected, abs=450 * epsilon)


def test_forces_are_minus_the_gradient_of_its_own_energy(engine: Engine, epsilon: float):
    _, forces = engine.energy_and_forces(POSITIONS, TYPES, LENGTH)
    # The best step of a central difference; 1e-5 in double precision.
    h = 1.65 * epsilon ** (1 / 3)
    gradient = np.empty_like(POSITIONS)
    for place in np.ndindex(POSITIONS.shape):
        energies = []
        for sign in (1, -1):
            moved = POSITIONS.copy()
            moved[place] += sign * h
            energies.append(engine.energy_and_forces(moved, TYPES, LENGTH)[0] * len(POSITIONS))
        gradient[place] = (energies[0] - energies[1]) / (2 * h)
    # h^2 V'''/6 with V''' up to 1e5 where two particles overlap, and rounding epsilon / h: 1e-5 in double precision.
    assert forces == pytest.approx(-gradient, abs=1e5 * h**2)


def test_forces_of_a_liquid_sum_to_zero(engine: Engine, epsilon: float, liquid):
    _, forces = engine.energy_and_forces(*liquid)
    assert np.abs(forces.sum(axis=0)).max() < 450 * epsilon * np.abs(forces).sum()  # rounding of the sum


def test_without_thermostat_the_energy_is_conserved(engine: Engine, liquid):
    """At T = 1 over 5,000 steps."""
    held = engine.hold(*liquid, temperature=1.0, marks=50, steps_per_mark=100, thermostat=False)
    # Two degrees of freedom a particle, but for the momentum's two.
    energies = held.temperature * (1 - 1 / len(held.positions[0])) + held.potential_energy
    assert energies.shape == (51,)
    # Velocity Verlet keeps a shadow energy that differs from the true one by about (omega dt)^2 / 8 of the energy in
    # motion: the AB well's V'' = 57 epsilon / sigma^2 = 134 on half the mass gives omega dt = 0.08, so 1e-3; and each pair
    # that crosses the cutoff inside a step, where the force jumps by 0.04, adds noise. Kinetic energy alone
    # fluctuates by T / N^(1/2) = 0.1, ten times the limit.
    assert np.ptp(energies) < 0.01
    drift = energies[-10:].mean() - energies[:10].mean()
    assert abs(drift) < 0.004


def test_a_cooling_has_every_stored_snapshot_and_every_index(engine: Engine):
    cooling = engine.cool(BRIEF, seed=11)
    assert cooling.positions.shape == (3, 64, 2)
    for name in ARRAYS[1:]:
        assert getattr(cooling, name).shape == (201,), name
        assert np.isfinite(getattr(cooling, name)).all(), name
    half = potential.box_length(64) / 2
    assert cooling.positions.min() >= -half
    assert cooling.positions.max() < half
    # From T = 2.0 to 0.05; a canonical system of 64 particles fluctuates by 1 / 63^(1/2).
    assert cooling.temperature[:20].mean() == pytest.approx(2.0, rel=0.25)
    assert cooling.temperature[-1] < 1.0
    assert cooling.potential_energy[-1] < cooling.potential_energy[0] - 0.5


def test_recorded_energies_are_truncated_and_unshifted(engine: Engine, epsilon: float):
    """At every stored snapshot they are those of the positions."""
    cooling = engine.cool(BRIEF, seed=11)
    for positions, index in zip(cooling.positions, BRIEF.snapshots, strict=True):
        energy, _ = potential.energy_and_forces(positions, particle_types(64), potential.box_length(64))
        # Rounding of positions times forces up to 100; a pair carried over the cutoff would add 0.0163 * 1.5 / 64 = 4e-4.
        tolerance = 1e-9 if engine.precision is np.float64 else 5e-4
        assert cooling.potential_energy[index] == pytest.approx(energy, abs=tolerance)


def test_same_seed_same_bits_whatever_ran_before(engine: Engine, liquid):
    first = engine.cool(BRIEF, seed=11)
    engine.minimise(*liquid)
    engine.cool(replace(BRIEF, particles=81), seed=12)
    assert same_bits(first, engine.cool(BRIEF, seed=11))


def test_other_seed_other_bits(engine: Engine):
    one, other = engine.cool(BRIEF, seed=11), engine.cool(BRIEF, seed=12)
    for name in ARRAYS:
        assert not np.any(getattr(one, name) == getattr(other, name)), name


def test_the_pressure_is_minus_the_derivative_of_the_energy_with_the_area(engine: Engine):
    """P = rho T (N - 1) / N - dU / d(area), the system stretched with its box."""
    cooling = engine.cool(BRIEF, seed=5)
    particles, length = BRIEF.particles, potential.box_length(BRIEF.particles)
    for positions, index in zip(cooling.positions, BRIEF.snapshots, strict=True):
        energies = {}
        for stretch in (1 - 1e-7, 1 + 1e-7):
            energy, _ = potential.energy_and_forces(positions * stretch, particle_types(particles), length * stretch)
            energies[stretch] = particles * energy
        low, high = sorted(energies)
        ideal = potential.DENSITY * cooling.temperature[index] * (1 - 1 / particles)
        virial = -(energies[high] - energies[low]) / (length**2 * (high**2 - low**2))
        # Rounding: energies of 200 with 1e-13 relative error over an area difference of 2e-5; in single precision the
        # positions that are stored differ from those that the engine had by 2e-7, times a stiffness of 1e4 and more.
        tolerance = 1e-5 if engine.precision is np.float64 else 1e-2
        assert cooling.pressure[index] == pytest.approx(ideal + virial, abs=tolerance)


def test_minimising_ends_where_no_force_acts(engine: Engine, liquid):
    positions, types, length = liquid
    before, _ = potential.energy_and_forces(positions, types, length)
    minimum, energy = engine.minimise(positions, types, length)
    expected, forces = potential.energy_and_forces(minimum, types, length)
    assert minimum.shape == positions.shape
    assert np.abs(minimum).max() <= length / 2
    assert energy < before
    # Always in double precision: inherent structures are compared over years and programs.
    assert energy == pytest.approx(expected, rel=1e-12)
    # And the rounding of the cancelling sum of forces.
    assert np.linalg.norm(forces) < 2 * MINIMUM_FORCE


TOY = '''
import numpy as np

from glassliquid.physics import potential
from glassliquid.physics.engine import Cooling, Engine
from glassliquid.physics.engines import ENGINES
from glassliquid.physics.protocol import INTERVALS


@ENGINES.register("toy")
class Toy(Engine):
    """Particles at random places, that never move."""

    name, packages, speed, version = "toy", (), 1000.0, "1"

    def cool(self, protocol, seed):
        length = potential.box_length(protocol.particles)
        places = np.random.default_rng(seed).uniform(-length / 2, length / 2, (protocol.particles, 2))
        flat = np.zeros(INTERVALS + 1)
        return Cooling(np.array([places] * len(protocol.snapshots)), flat, flat, flat)

    def minimise(self, positions, types, length):
        return np.array(positions, dtype=float), -4.0

    energy_and_forces = staticmethod(potential.energy_and_forces)

    def hold(self, positions, types, length, temperature, marks, steps_per_mark, thermostat=True):
        flat = np.zeros(marks + 1)
        return Cooling(np.array([positions] * (marks + 1)), flat, flat, flat)
'''

MAKE = """
import sys
from pathlib import Path

import glassliquid.physics.engines

glassliquid.physics.engines.__path__.append(sys.argv[1])

from glassliquid.datasets.config import MakeDataConfig
from glassliquid.datasets.make import make_data

if __name__ == "__main__":
    config = MakeDataConfig(
        name="tiny", ensemble="tiny", particles=32, cooling_steps=200, simulations=4, image_size=16, inherent=True,
        workers=1, data_dir=Path(sys.argv[2]), engine=sys.argv[3],
    )
    print(make_data(config).dataset.digest)
"""


@pytest.fixture
def toy_data(tmp_path: Path) -> Iterator[Path]:
    """A data_dir with an ensemble and a dataset by an engine that is one file, added to the package's path."""
    (tmp_path / "engines").mkdir()
    (tmp_path / "engines" / "toy.py").write_text(TOY)
    # A file, as worker processes import the main module again and so know the toy as well.
    (tmp_path / "make.py").write_text(MAKE)
    made = make_with_the_toy_there(tmp_path, "auto")
    assert made.returncode == 0, made.stderr
    yield tmp_path


def make_with_the_toy_there(folder: Path, engine: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, folder / "make.py", folder / "engines", folder / "data", engine],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_new_engine_is_one_file(toy_data: Path):
    folder = toy_data / "data" / "ensembles" / "tiny"
    described = json.loads((folder / "ensemble.json").read_text())
    assert described["engine"] == "toy"  # auto took the fastest
    assert described["versions"]["toy"] == "1"
    assert json.loads((folder / "inherent" / "inherent.json").read_text())["engine"] == "toy"
    # Nothing moved, so all snapshots of a simulation are the same.
    images = {path.name: path.read_bytes() for path in (toy_data / "data" / "datasets" / "tiny").rglob("glass/*.png")}
    assert len(images) == 4
    for path in (toy_data / "data" / "datasets" / "tiny").rglob("liquid/*.png"):
        assert path.read_bytes() == images[path.name]


def test_an_ensemble_never_mixes_engines(toy_data: Path):
    before = (toy_data / "data" / "ensembles" / "tiny" / "ensemble.json").read_bytes()
    (toy_data / "data" / "ensembles" / "tiny" / "sim-00002.gsd").unlink()
    refused = make_with_the_toy_there(toy_data, "lammps")
    assert refused.returncode != 0
    assert "The ensemble 'tiny' was made differently (engine is toy there and lammps here)" in refused.stderr
    assert (toy_data / "data" / "ensembles" / "tiny" / "ensemble.json").read_bytes() == before
    assert make_with_the_toy_there(toy_data, "auto").returncode == 0
    assert (toy_data / "data" / "ensembles" / "tiny" / "sim-00002.gsd").exists()
