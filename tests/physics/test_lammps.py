"""LAMMPS, asked what physics demands of it, on a configuration made by hand and on single simulations."""

import sys
import types
from dataclasses import replace

import numpy as np
import pytest

from glassliquid.errors import UserError
from glassliquid.physics import potential
from glassliquid.physics.engines.lammps import Engine
from glassliquid.physics.protocol import Protocol
from glassliquid.trajectories.trajectory import particle_types, read_configurations, read_cooling_curve
from tests.physics.configurations import LENGTH, POSITIONS, TYPES

BRIEF = Protocol(particles=64, equilibration_steps=200, cooling_steps=400, snapshots=(0, 100, 200))


@pytest.fixture(scope="module")
def liquid(engine):
    """Positions, types and box of a liquid at T = 1.025."""
    protocol = replace(BRIEF, particles=100, equilibration_steps=1_000, cooling_steps=2_000)
    cooling = engine.cool(protocol, seed=3)
    return cooling.positions[1], particle_types(100), potential.box_length(100)


def same_bits(one, other):
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("positions", "temperature", "potential_energy", "pressure")
    )


def test_corner_configuration_agrees_with_the_direct_sum(engine):
    energy, forces = engine.energy_and_forces(POSITIONS, TYPES, LENGTH)
    expected_energy, expected_forces = potential.energy_and_forces(POSITIONS, TYPES, LENGTH)
    # Both are double precision and differ only in the order of sums.
    assert energy == pytest.approx(expected_energy, rel=1e-12)
    assert forces == pytest.approx(expected_forces, rel=1e-11, abs=1e-11)


@pytest.mark.parametrize("pair", list(potential.PAIRS), ids=["AA", "AB", "BB"])
@pytest.mark.parametrize("factor", [1.0, 2 ** (1 / 6), 2.499, 2.501])
def test_an_isolated_pair_has_the_energy_of_the_formula(engine, pair, factor):
    """Also just inside and outside the cutoff, where nothing may be shifted away."""
    epsilon, sigma = potential.PAIRS[pair].epsilon, potential.PAIRS[pair].sigma
    positions = np.array([[4.9, -4.9], [4.9 - factor * sigma, -4.9]])
    energy, _ = engine.energy_and_forces(positions, np.array(pair), 10.0)
    expected = 4 * epsilon * (factor**-12 - factor**-6) if factor < 2.5 else 0.0
    # Rounding of coordinates, times the slope at sigma, 24 epsilon / sigma.
    assert 2 * energy == pytest.approx(expected, abs=1e-13 * 1e3)


def test_forces_are_minus_the_gradient_of_its_own_energy(engine):
    _, forces = engine.energy_and_forces(POSITIONS, TYPES, LENGTH)
    h = 1e-5
    gradient = np.empty_like(POSITIONS)
    for place in np.ndindex(POSITIONS.shape):
        energies = []
        for sign in (1, -1):
            moved = POSITIONS.copy()
            moved[place] += sign * h
            energies.append(engine.energy_and_forces(moved, TYPES, LENGTH)[0] * len(POSITIONS))
        gradient[place] = (energies[0] - energies[1]) / (2 * h)
    # Central differences: h^2 V'''/6 with V''' up to 1e5, and rounding 1e-15 / h.
    assert forces == pytest.approx(-gradient, abs=1e-5)


def test_forces_of_a_liquid_sum_to_zero(engine, liquid):
    _, forces = engine.energy_and_forces(*liquid)
    assert np.abs(forces.sum(axis=0)).max() < 1e-13 * np.abs(forces).sum()  # rounding of the sum


def test_without_thermostat_the_energy_is_conserved(engine, liquid):
    """At T = 1 over 5,000 steps."""
    energies = engine.total_energies(*liquid, temperature=1.0, marks=50)
    # Velocity Verlet keeps a shadow energy that differs from the true one by about (omega dt)^2 / 8 of the energy in
    # motion: the AB well's V'' = 57 epsilon / sigma^2 = 134 on half the mass gives omega dt = 0.08, so 1e-3; and each pair
    # that crosses the cutoff inside a step, where the force jumps by 0.04, adds noise. Kinetic energy alone
    # fluctuates by T / N^(1/2) = 0.1, ten times the limit.
    assert np.ptp(energies) < 0.01
    drift = energies[-10:].mean() - energies[:10].mean()
    assert abs(drift) < 0.004


def test_same_seed_same_bits_whatever_ran_before(engine, liquid):
    first = engine.cool(BRIEF, seed=11)
    engine.minimise(*liquid)
    engine.cool(replace(BRIEF, particles=81), seed=12)
    assert same_bits(first, engine.cool(BRIEF, seed=11))


def test_other_seed_other_bits(engine):
    one, other = engine.cool(BRIEF, seed=11), engine.cool(BRIEF, seed=12)
    for name in ("positions", "temperature", "potential_energy", "pressure"):
        assert not np.any(getattr(one, name) == getattr(other, name)), name


@pytest.mark.parametrize("place", [0, 7, 19])
def test_another_process_gives_the_same_bits(engine, ensemble, place):
    """The ensemble was made by worker processes, each of which had run other simulations before."""
    simulation = ensemble.simulations[place]
    cooling = engine.cool(ensemble.protocol, simulation.seed)
    curve = read_cooling_curve(ensemble.path(simulation))
    for name in ("temperature", "potential_energy", "pressure"):
        assert np.array_equal(getattr(cooling, name), getattr(curve, name)), name
    stored = np.array([each.positions for each in read_configurations(ensemble.path(simulation))])
    # Files hold single precision: half a unit in the last place at 4.6, the half box.
    assert np.abs(stored - cooling.positions).max() <= np.spacing(np.float32(4.6)) / 2


def test_density_composition_and_box_are_as_asked(ensemble):
    for found in read_configurations(ensemble.path(ensemble.simulations[0])):
        assert found.positions.shape == (100, 2)
        assert np.bincount(found.types).tolist() == [65, 35]
        assert 100 / found.length**2 == pytest.approx(1.2, rel=1e-6)  # the file holds single precision
        assert np.abs(found.positions).max() <= np.float32(found.length / 2)


def test_stored_energies_are_those_of_the_stored_positions(ensemble):
    for found in read_configurations(ensemble.path(ensemble.simulations[0])):
        energy, _ = potential.energy_and_forces(found.positions.astype(float), found.types, found.length)
        # Positions are rounded to 2e-7; forces on a hot particle reach 100, with random signs over 100 particles.
        # A pair that rounding carries over the cutoff changes the sum by at most 0.0163 * 1.5 / 100 = 2.5e-4.
        assert energy == pytest.approx(found.log["potential_energy"], abs=3e-4)


def test_no_two_particles_overlap(ensemble):
    """A minimised start leaves no pair where the potential exceeds 1,000: r > 0.55 sigma of the smallest pair."""
    for simulation in ensemble.simulations:
        hot = read_configurations(ensemble.path(simulation), [0])[0]
        first, second = np.triu_indices(len(hot.positions), k=1)
        separation = hot.positions[first] - hot.positions[second]
        separation -= hot.length * np.round(separation / hot.length)
        assert np.hypot(*separation.T).min() > 0.55 * 0.8


def test_the_pressure_is_minus_the_derivative_of_the_energy_with_the_area(engine):
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
        # Rounding: energies of 200 with 1e-13 relative error over an area difference of 2e-5.
        assert cooling.pressure[index] == pytest.approx(ideal + virial, abs=1e-5)


def fake_lammps(error):
    def start(**options):
        raise error

    module = types.ModuleType("lammps")
    module.lammps = start
    return module


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (None, r"LAMMPS is not installed \(.*\): install the packages of requirements\.lock"),
        (
            fake_lammps(OSError("libmpi.so.12: cannot open shared object file")),
            r"a library is missing \(libmpi\.so\.12: .*\): install mpich from requirements\.lock",
        ),
    ],
    ids=["no lammps", "no libmpi"],
)
def test_missing_programs_are_named_with_the_remedy(monkeypatch, module, message):
    monkeypatch.setitem(sys.modules, "lammps", module)
    with pytest.raises(UserError, match=message):
        Engine()


def test_an_error_of_lammps_becomes_one_sentence(engine, monkeypatch):
    monkeypatch.setattr("glassliquid.physics.engines.lammps.TIME_STEP", -1.0)
    with pytest.raises(UserError, match=r"LAMMPS stopped: ERROR[^\n]+; the configuration is not physical"):
        engine.cool(BRIEF, seed=1)
    monkeypatch.undo()
    # It is usable afterwards.
    assert engine.cool(BRIEF, seed=1).potential_energy.shape == (201,)
