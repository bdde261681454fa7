"""The random start of a simulation: particles that do not overlap, relaxed, with velocities of a temperature."""

import math

import numpy as np

from glassliquid.physics.vectorised.compiler import compiled
from glassliquid.physics.vectorised.dynamics import MARGIN, build_lists, remove_drift
from glassliquid.physics.vectorised.forces import compute_forces
from glassliquid.physics.vectorised.randomness import normal, uniform
from glassliquid.physics.vectorised.state import GRID

MOST_TRIES = 10_000
"""For one particle."""
RELAXATION_SKIN = 0.5
"""[sigma_AA]."""
COMPLIANCE = 1e-3
"""Displacement per force [sigma_AA^2 / epsilon_AA]: below 2 / k, the stiffness k of a close pair being about 1,000."""
LONGEST_MOVE = 0.05
"""Of a particle in one step of the relaxation [sigma_AA]."""


@compiled
def place_at_random(generator, particles, length, distance, x, y):
    """Place particles one after the other, at random, none closer than `distance` to one that is there.

    Args:
        generator: random numbers; changed.
        particles: how many.
        length: side of the box [sigma_AA].
        distance: smallest distance [sigma_AA].
        x: gets coordinates in [0, length), shape (particles,).
        y: the same.

    Returns:
        Whether all found a place.
    """
    cells = max(1, int(length / distance))
    # A cell's diagonal may be longer than the distance, so it holds up to four particles.
    room = 4
    members = np.full((cells, cells, room), -1, dtype=np.int32)
    for i in range(particles):
        for _ in range(MOST_TRIES):
            x[i], y[i] = uniform(generator) * length, uniform(generator) * length
            column, row = min(int(x[i] / length * cells), cells - 1), min(int(y[i] / length * cells), cells - 1)
            if _is_free(members, column, row, x, y, i, length, distance):
                for place in range(room):
                    if members[column, row, place] < 0:
                        members[column, row, place] = i
                        break
                break
        else:
            return False
    return True


@compiled
def _is_free(members, column, row, x, y, i, length, distance):
    cells = members.shape[0]
    for across in range(-1, 2):
        for along in range(-1, 2):
            for j in members[(column + across) % cells, (row + along) % cells]:
                if j < 0:
                    break
                dx, dy = x[i] - x[j], y[i] - y[j]
                dx -= length * round(dx / length)
                dy -= length * round(dy / length)
                if dx * dx + dy * dy < distance * distance:
                    return False
    return True


@compiled
def relax(system, cutoffs, steps):
    """Follow the forces downhill for some steps, so that close pairs part; no particle moves far in one."""
    unit = system.length / GRID
    lists, counts = build_lists(system, cutoffs, RELAXATION_SKIN)
    for _ in range(steps):
        compute_forces(system, lists, counts)
        farthest = 0.0
        for i in range(system.particles):
            force = math.hypot(np.float64(system.fx[i]), np.float64(system.fy[i]))
            move = min(COMPLIANCE, LONGEST_MOVE / max(force, 1e-30)) / unit
            system.x[i] += np.int32(round(system.fx[i] * move))
            system.y[i] += np.int32(round(system.fy[i] * move))
            dx = np.float64(np.int32(system.x[i] - system.listed_x[i])) * unit
            dy = np.float64(np.int32(system.y[i] - system.listed_y[i])) * unit
            farthest = max(farthest, dx * dx + dy * dy)
        for i in range(system.particles, len(system.x)):
            system.x[i], system.y[i] = system.x[system.particles - 1], system.y[system.particles - 1]
        if farthest > (MARGIN * 0.5 * RELAXATION_SKIN) ** 2:
            lists, counts = build_lists(system, cutoffs, RELAXATION_SKIN)


@compiled
def draw_velocities(system, generator, temperature):
    """Normal velocities without a mean, scaled to the temperature exactly, in the caller's order of the particles."""
    n = system.particles
    drawn = np.empty((n, 2))
    for i in range(n):
        drawn[i, 0], drawn[i, 1] = normal(generator), normal(generator)
    for i in range(n):
        system.vx[i] = np.float32(drawn[system.number[i], 0])
        system.vy[i] = np.float32(drawn[system.number[i], 1])
    square = remove_drift(system)
    factor = math.sqrt(temperature * (2 * n - 2) / square)
    for i in range(n):
        system.vx[i] = np.float32(system.vx[i] * factor)
        system.vy[i] = np.float32(system.vy[i] * factor)
