"""LAMMPS, asked what physics demands of it, on a configuration made by hand and on single simulations."""

import sys
import types

import numpy as np
import pytest

from glassliquid.errors import UserError
from glassliquid.physics import potential
from glassliquid.physics.engines import engine_of_this_process
from glassliquid.physics.engines.lammps import Lammps
from glassliquid.physics.protocol import Protocol
from glassliquid.trajectories.trajectory import read_configurations, read_cooling_curve

BRIEF = Protocol(particles=64, equilibration_steps=200, cooling_steps=400, snapshots=(0, 100, 200))


@pytest.mark.parametrize("place", [0, 7, 19])
def test_another_process_gives_the_same_bits(ensemble, place):
    """The ensemble was made by worker processes, each of which had run other simulations before."""
    simulation = ensemble.simulations[place]
    cooling = engine_of_this_process(ensemble.engine).cool(ensemble.protocol, simulation.seed)
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


def fake_lammps(error):
    def start(**options):
        raise error

    module = types.ModuleType("lammps")
    module.lammps = start
    return module


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (None, r"LAMMPS is not installed \(.*\): install the packages in requirements\.lock"),
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
        Lammps()


def test_an_error_of_lammps_becomes_one_sentence(engine, monkeypatch):
    monkeypatch.setattr("glassliquid.physics.engines.lammps.TIME_STEP", -1.0)
    with pytest.raises(UserError, match=r"LAMMPS stopped: ERROR[^\n]+; the configuration is not physical"):
        engine.cool(BRIEF, seed=1)
    monkeypatch.undo()
    # It is usable afterwards.
    assert engine.cool(BRIEF, seed=1).potential_energy.shape == (201,)
