"""Forces of the truncated Lennard-Jones mixture on clusters of eight particles, and energy and virial at the marks.

With t = (sigma / r)^2 and s = t^3, force / distance is (24 epsilon / sigma^2) t s (2 s - 1), the pair's energy 4 epsilon (s^2 - s)
and its virial 24 epsilon s (2 s - 1). Every pair is computed from both of its ends: that is cheaper than scattering the reaction.
"""

import numpy as np

from glassliquid.physics.vectorised.compiler import compiled, inlined
from glassliquid.physics.vectorised.lanes import (
    LANES,
    add,
    both,
    divide,
    is_greater,
    lane,
    load,
    multiply,
    multiply_add,
    splat,
    store,
    subtract,
    subtract_whole,
    to_singles,
    where,
)
from glassliquid.physics.vectorised.state import SMALLEST_RATIO


@inlined
def separation(x, y, other_x, other_y):
    """From one neighbour to eight particles: differences and squared distance."""
    dx = to_singles(subtract_whole(x, splat(other_x)))
    dy = to_singles(subtract_whole(y, splat(other_y)))
    return dx, dy, multiply_add(dx, dx, multiply(dy, dy))


@inlined
def powers(ratio, r2):
    """T = (sigma / r)^2, s = t^3 and s (2 s - 1)."""
    t = divide(ratio, r2)
    s = multiply(multiply(t, t), t)
    return t, s, multiply_add(add(s, s), s, subtract(splat(np.float32(0)), s))


@inlined
def forces_of_list(x, y, ratio, list_x, list_y, places, own, count):
    """Sums of t s (2 s - 1) times the differences over one list; the first `own` neighbours may be the particles themselves."""
    sum_x = splat(np.float32(0))
    sum_y = splat(np.float32(0))
    zero = splat(np.float32(0))
    edge = splat(SMALLEST_RATIO)
    for k in range(own):
        j = places[k]
        dx, dy, r2 = separation(x, y, list_x[j], list_y[j])
        t, _, push = powers(ratio, r2)
        inside = both(is_greater(t, edge), is_greater(r2, zero))
        push = where(inside, multiply(t, push), zero)
        sum_x, sum_y = multiply_add(push, dx, sum_x), multiply_add(push, dy, sum_y)
    for k in range(own, count):
        j = places[k]
        dx, dy, r2 = separation(x, y, list_x[j], list_y[j])
        t, _, push = powers(ratio, r2)
        push = where(is_greater(t, edge), multiply(t, push), zero)
        sum_x, sum_y = multiply_add(push, dx, sum_x), multiply_add(push, dy, sum_y)
    return sum_x, sum_y


@compiled
def compute_forces(system, lists, counts):
    """Forces on all particles, into the system."""
    for cluster in range(len(system.x) // LANES):
        first = cluster * LANES
        x, y = load(system.x, first), load(system.y, first)
        ax, ay = forces_of_list(
            x,
            y,
            load(system.ratio[0], first),
            system.x,
            system.y,
            lists[0, cluster],
            counts[1, 0, cluster],
            counts[0, 0, cluster],
        )
        bx, by = forces_of_list(
            x,
            y,
            load(system.ratio[1], first),
            system.x,
            system.y,
            lists[1, cluster],
            counts[1, 1, cluster],
            counts[0, 1, cluster],
        )
        strength_a, strength_b = load(system.strength[0], first), load(system.strength[1], first)
        store(system.fx, first, multiply_add(strength_a, ax, multiply(strength_b, bx)))
        store(system.fy, first, multiply_add(strength_a, ay, multiply(strength_b, by)))


@compiled
def measure(system, lists, counts, shift):
    """Potential energy and virial (sum of r . f over pairs) of the system.

    Args:
        system: positions that the lists are good for.
        lists: neighbours of every cluster.
        counts: how many there are.
        shift: s^2 - s at the cutoff for the shifted potential, 0 for the truncated one.
    """
    energy, virial = 0.0, 0.0
    edge = splat(SMALLEST_RATIO)
    zero = splat(np.float32(0))
    below = splat(np.float32(-shift))
    for cluster in range(len(system.x) // LANES):
        first = cluster * LANES
        x, y = load(system.x, first), load(system.y, first)
        for species in range(2):
            ratio = load(system.ratio[species], first)
            energies, virials = zero, zero
            for k in range(counts[0, species, cluster]):
                j = lists[species, cluster, k]
                _, _, r2 = separation(x, y, system.x[j], system.y[j])
                t, s, twice = powers(ratio, r2)
                inside = both(is_greater(t, edge), is_greater(r2, zero))
                energies = add(energies, where(inside, add(multiply_add(s, s, subtract(zero, s)), below), zero))
                virials = add(virials, where(inside, twice, zero))
            depth = load(system.depth[species], first)
            energy += sum_lanes(multiply(depth, energies))
            virial += 6.0 * sum_lanes(multiply(depth, virials))
    # Every pair was met from both of its ends.
    return energy / 2, virial / 2


@inlined
def sum_lanes(vector):
    """The sum over the lanes, in double precision."""
    total = 0.0
    for i in range(LANES):
        total += np.float64(lane(vector, i))
    return total
