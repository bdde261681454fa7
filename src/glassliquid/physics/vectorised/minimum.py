"""Inherent structures in double precision: limited-memory BFGS on the shifted potential.

Source: Nocedal and Wright, Numerical Optimization, 2nd edition, algorithms 7.4 and 7.5. The step is the quasi-Newton one, shortened so
that no particle goes far in it, and halved until the energy does not rise; what is left to gain near the minimum is below the
rounding of the energy, so that a rise of that size is none.
"""

import math

import numpy as np

from glassliquid.physics.vectorised.compiler import compiled
from glassliquid.physics.vectorised.dynamics import MARGIN, build_lists
from glassliquid.physics.vectorised.forces import sum_lanes
from glassliquid.physics.vectorised.lanes import (
    LANES,
    add,
    both,
    divide,
    is_greater,
    load,
    multiply,
    multiply_add,
    rounded,
    splat,
    store,
    subtract,
    where,
)
from glassliquid.physics.vectorised.state import GRID, SMALLEST_RATIO

MEMORY = 8
"""Steps that the curvature is taken from."""
LONGEST_MOVE = 0.1
"""Of a coordinate in one step [sigma_AA]."""
FIRST_COMPLIANCE = 1e-3
"""Displacement per force in the first step [sigma_AA^2 / epsilon_AA]."""
SKIN = 0.3
"""[sigma_AA]."""
ROUNDING = 1e-13
"""Relative error of an energy that is summed over the particles."""
MOST_HALVINGS = 20


@compiled
def energy_and_gradient(system, lists, counts, x, y, coefficients, shift, gradient_x, gradient_y):
    """Energy of the system, and its gradient, in double precision.

    Args:
        system: species in their order; its lists.
        lists: neighbours of every cluster.
        counts: how many there are.
        x: coordinates in the system's order [sigma_AA], padded; may lie outside of the box.
        y: the same.
        coefficients: sigma^2, 24 epsilon / sigma^2 and 4 epsilon of every particle with A and B, shape (3, 2, padded).
        shift: s^2 - s at the cutoff for the shifted potential, 0 for the truncated one.
        gradient_x: gets the gradient, the shape of x.
        gradient_y: the same.
    """
    zero, length, inverse = splat(0.0), splat(system.length), splat(1.0 / system.length)
    edge, below = splat(np.float64(SMALLEST_RATIO)), splat(-shift)
    energy = 0.0
    for cluster in range(len(system.x) // LANES):
        first = cluster * LANES
        here_x, here_y = load(x, first), load(y, first)
        force_x, force_y = zero, zero
        for species in range(2):
            ratio = load(coefficients[0, species], first)
            energies, sum_x, sum_y = zero, zero, zero
            for k in range(counts[0, species, cluster]):
                j = lists[species, cluster, k]
                dx, dy = subtract(here_x, splat(x[j])), subtract(here_y, splat(y[j]))
                dx = subtract(dx, multiply(length, rounded(multiply(dx, inverse))))
                dy = subtract(dy, multiply(length, rounded(multiply(dy, inverse))))
                r2 = multiply_add(dx, dx, multiply(dy, dy))
                t = divide(ratio, r2)
                s = multiply(multiply(t, t), t)
                inside = both(is_greater(t, edge), is_greater(r2, zero))
                energies = add(energies, where(inside, add(multiply_add(s, s, subtract(zero, s)), below), zero))
                push = where(inside, multiply(t, multiply_add(add(s, s), s, subtract(zero, s))), zero)
                sum_x, sum_y = multiply_add(push, dx, sum_x), multiply_add(push, dy, sum_y)
            strength = load(coefficients[1, species], first)
            energy += sum_lanes(multiply(load(coefficients[2, species], first), energies))
            force_x, force_y = multiply_add(strength, sum_x, force_x), multiply_add(strength, sum_y, force_y)
        store(gradient_x, first, subtract(zero, force_x))
        store(gradient_y, first, subtract(zero, force_y))
    return energy / 2


@compiled
def dot(a, b):
    """The scalar product, summed in the same order on every machine."""
    total = splat(0.0)
    whole = len(a) // LANES * LANES
    for first in range(0, whole, LANES):
        total = multiply_add(load(a, first), load(b, first), total)
    rest = 0.0
    for i in range(whole, len(a)):
        rest += a[i] * b[i]
    return rest + sum_lanes(total)


@compiled
def list_again(system, cutoffs, table, x, y):
    """Sort the particles for places x, y in the caller's order, and list their neighbours.

    Returns:
        lists and counts, and the coefficients of the particles in their new order, shape (3, 2, padded).
    """
    n = system.particles
    for i in range(len(system.x)):
        place = system.number[i] if i < n else system.number[n - 1]
        for whole, coordinate in ((system.x, x[place]), (system.y, y[place])):
            fraction = coordinate / system.length
            fraction -= math.floor(fraction + 0.5)
            whole[i] = np.int32(min(np.int64(round(fraction * GRID)), np.int64(2**31 - 1)))
    lists, counts = build_lists(system, cutoffs, SKIN)
    # Padding feels nothing: a sigma of zero is inside no cutoff.
    coefficients = np.zeros((3, 2, len(system.x)))
    for i in range(n):
        for which in range(3):
            for species in range(2):
                coefficients[which, species, i] = table[which, system.species[i], species]
    return lists, counts, coefficients


@compiled
def _ordered(system, values, padded):
    """Values of the caller's order in that of the system; padding repeats the last."""
    for i in range(len(padded)):
        padded[i] = values[system.number[min(i, system.particles - 1)]]


@compiled
def _gradient(system, lists, counts, place, coefficients, shift, gradient, spare):
    """Energy and gradient of places in the caller's order, x first, then y, shape (2 N,)."""
    n = system.particles
    _ordered(system, place[:n], spare[0])
    _ordered(system, place[n:], spare[1])
    energy = energy_and_gradient(system, lists, counts, spare[0], spare[1], coefficients, shift, spare[2], spare[3])
    for i in range(n):
        gradient[system.number[i]] = spare[2, i]
        gradient[n + system.number[i]] = spare[3, i]
    return energy


@compiled
def minimise(system, cutoffs, place, table, shift, force, most):
    """Go to the minimum below a configuration.

    Args:
        system: a system of the same particles; changed.
        cutoffs: of the pairs [sigma_AA], shape (2, 2).
        place: coordinates, x of all particles first, then y, shape (2 N,) [sigma_AA]; changed.
        table: sigma^2, 24 epsilon / sigma^2 and 4 epsilon by species, shape (3, 2, 2).
        shift: as in `energy_and_gradient`.
        force: ends when the norm of all forces is below this.
        most: evaluations of the forces.

    Returns:
        How many evaluations it took, and the norm of the forces at the end.
    """
    n = system.particles
    spare = np.empty((4, len(system.x)))
    gradient, moved_gradient, moved = np.empty(2 * n), np.empty(2 * n), np.empty(2 * n)
    steps, changes, products = np.empty((MEMORY, 2 * n)), np.empty((MEMORY, 2 * n)), np.empty(MEMORY)
    remembered, newest = 0, -1
    direction, listed = np.empty(2 * n), np.empty(2 * n)
    copy(place, listed)
    lists, counts, coefficients = list_again(system, cutoffs, table, place[:n], place[n:])
    energy = _gradient(system, lists, counts, place, coefficients, shift, gradient, spare)
    evaluations = 1
    while evaluations < most:
        if math.sqrt(dot(gradient, gradient)) < force:
            break
        _quasi_newton(gradient, steps, changes, products, remembered, newest, direction)
        if dot(direction, gradient) >= 0.0:
            remembered = 0
            _quasi_newton(gradient, steps, changes, products, remembered, newest, direction)
        share = min(1.0, LONGEST_MOVE / longest(direction))
        for _ in range(MOST_HALVINGS):
            for i in range(2 * n):
                moved[i] = place[i] + share * direction[i]
            if _farthest(moved, listed, n) > (MARGIN * 0.5 * SKIN) ** 2:
                lists, counts, coefficients = list_again(system, cutoffs, table, moved[:n], moved[n:])
                copy(moved, listed)
            moved_energy = _gradient(system, lists, counts, moved, coefficients, shift, moved_gradient, spare)
            evaluations += 1
            if moved_energy <= energy + ROUNDING * abs(energy):
                break
            share *= 0.5
        else:
            if remembered == 0:
                break
            remembered = 0
            continue
        newest = (newest + 1) % MEMORY
        for i in range(2 * n):
            steps[newest, i], changes[newest, i] = moved[i] - place[i], moved_gradient[i] - gradient[i]
        products[newest] = dot(steps[newest], changes[newest])
        # Where the curvature is negative nothing is to be learned of the way to a minimum.
        remembered = min(remembered + 1, MEMORY) if products[newest] > 0.0 else 0
        copy(moved, place)
        copy(moved_gradient, gradient)
        energy = moved_energy
    return evaluations, math.sqrt(dot(gradient, gradient))


@compiled
def _quasi_newton(gradient, steps, changes, products, remembered, newest, direction):
    """Fill `direction` with minus the approximate inverse Hessian times the gradient."""
    for i in range(len(gradient)):
        direction[i] = -gradient[i]
    if remembered == 0:
        scale(direction, FIRST_COMPLIANCE)
        return
    weights = np.empty(remembered)
    for back in range(remembered):
        at = (newest - back) % MEMORY
        weights[back] = dot(steps[at], direction) / products[at]
        add_times(direction, -weights[back], changes[at])
    scale(direction, products[newest] / dot(changes[newest], changes[newest]))
    for back in range(remembered - 1, -1, -1):
        at = (newest - back) % MEMORY
        add_times(direction, weights[back] - dot(changes[at], direction) / products[at], steps[at])


@compiled
def copy(a, b):
    """B = a."""
    for i in range(len(a)):
        b[i] = a[i]


@compiled
def add_times(a, factor, b):
    """A = a + factor b."""
    for i in range(len(a)):
        a[i] += factor * b[i]


@compiled
def scale(a, factor):
    """A = factor a."""
    for i in range(len(a)):
        a[i] *= factor


@compiled
def longest(a):
    """The largest magnitude in an array."""
    most = 0.0
    for i in range(len(a)):
        most = max(most, abs(a[i]))
    return most


@compiled
def _farthest(place, listed, n):
    """Square of the largest displacement since the lists were made."""
    most = 0.0
    for i in range(n):
        dx, dy = place[i] - listed[i], place[n + i] - listed[n + i]
        most = max(most, dx * dx + dy * dy)
    return most


@compiled
def energy_of(system, cutoffs, place, table):
    """Truncated energy of places in the caller's order, x first, then y, in double precision."""
    n = system.particles
    lists, counts, coefficients = list_again(system, cutoffs, table, place[:n], place[n:])
    return _gradient(system, lists, counts, place, coefficients, 0.0, np.empty(2 * n), np.empty((4, len(system.x))))
