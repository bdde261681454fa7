"""Physical fields of particles, against the reference energy, lattices, and the symmetries of the box."""

import numpy as np
import pytest

from glassliquid.errors import UserError
from glassliquid.physics.fields import FIELDS, INHERENT, SNAPSHOT, distances_moved, particle_fields
from glassliquid.physics.potential import energy_and_forces
from tests.physics.test_structure import hexagonal, random

PLACES = {field.column: place for place, field in enumerate(FIELDS)}


def test_a_particle_has_half_of_the_energy_that_the_system_loses_without_it():
    positions, types, length = random(144)
    found = particle_fields(positions, positions, types, length)[:, PLACES["energy"]]
    whole, _ = energy_and_forces(positions, types, length)
    assert found.sum() / 144 == pytest.approx(whole, rel=1e-12)
    for particle in (0, 70, 143):
        others = np.arange(144) != particle
        without, _ = energy_and_forces(positions[others], types[others], length)
        assert found[particle] == pytest.approx((144 * whole - 143 * without) / 2, rel=1e-9)


def test_a_perfect_lattice_has_the_same_fields_everywhere_in_both_states():
    positions, length = hexagonal(12)
    found = particle_fields(positions, positions, np.zeros(len(positions), dtype=int), length)
    np.testing.assert_allclose(found, found[:1].repeat(len(found), axis=0), rtol=1e-9, atol=1e-9)
    for field, place in zip(FIELDS, PLACES.values(), strict=True):
        if field.state == SNAPSHOT:
            assert found[0, place] == pytest.approx(found[0, PLACES[f"inherent_{field.column}"]], rel=1e-12)
    assert found[0, PLACES["coordination"]] == 6
    assert found[0, PLACES["area"]] == pytest.approx(144 / 168, rel=1e-5)
    assert found[0, PLACES["moved"]] == 0


def test_each_state_has_its_own_fields():
    positions, types, length = random(144)
    minimum = positions + np.random.default_rng(1).uniform(-0.05, 0.05, positions.shape)
    there, back = particle_fields(positions, minimum, types, length), particle_fields(minimum, positions, types, length)
    of_state = [[place for place, field in enumerate(FIELDS) if field.state == state] for state in (SNAPSHOT, INHERENT)]
    np.testing.assert_array_equal(there[:, of_state[0]], back[:, of_state[1]])
    np.testing.assert_array_equal(there[:, of_state[1]], back[:, of_state[0]])
    assert not np.allclose(there[:, PLACES["psi6"]], there[:, PLACES["inherent_psi6"]])
    expected = np.linalg.norm(minimum - positions, axis=1)
    np.testing.assert_allclose(there[:, PLACES["moved"]], expected, atol=1e-12)


def test_a_particle_that_went_through_the_boundary_has_moved_the_shorter_way():
    before, after = np.array([[4.9, -4.8], [0.0, 0.0]]), np.array([[-4.9, 4.9], [0.3, -0.4]])
    np.testing.assert_allclose(distances_moved(before, after, 10.0), [np.hypot(0.2, 0.3), 0.5], atol=1e-12)


def test_symmetries_of_the_box_and_new_numbers_change_no_field():
    positions, types, length = random(144)
    minimum = positions + np.random.default_rng(1).uniform(-0.05, 0.05, positions.shape)
    before = particle_fields(positions, minimum, types, length)
    order = np.random.default_rng(2).permutation(144)

    def changed(places: np.ndarray) -> np.ndarray:
        """Turned by a right angle, mirrored, shifted through the boundary, renumbered."""
        moved = places[:, ::-1] * [-1, 1] * [1, -1] + [0.3 * length, 0.7 * length]
        return ((moved + length / 2) % length - length / 2)[order]

    after = particle_fields(changed(positions), changed(minimum), types[order], length)
    np.testing.assert_allclose(after, before[order], rtol=1e-9, atol=1e-9)


def test_a_box_in_which_a_particle_would_meet_itself_is_refused():
    with pytest.raises(UserError, match=r"The box is 5 wide, but energies and neighbours .* if it is 6 wide or more"):
        particle_fields(np.zeros((3, 2)), np.zeros((3, 2)), np.zeros(3, dtype=int), 5.0)
