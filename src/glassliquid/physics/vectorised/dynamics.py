"""Velocity Verlet with the stochastic velocity rescaling thermostat, from mark to mark in one compiled call."""

import math
from typing import NamedTuple

import numpy as np

from glassliquid.physics.vectorised.compiler import compiled, inlined
from glassliquid.physics.vectorised.forces import compute_forces, measure, sum_lanes
from glassliquid.physics.vectorised.lanes import (
    LANES,
    add,
    add_whole,
    lane,
    larger,
    load,
    multiply,
    multiply_add,
    splat,
    store,
    subtract_whole,
    to_singles,
    to_whole,
)
from glassliquid.physics.vectorised.neighbours import COLUMN_WIDTH, bound_clusters, list_neighbours, sort_particles
from glassliquid.physics.vectorised.randomness import gamma, normal
from glassliquid.physics.vectorised.state import GRID, MOST_NEIGHBOURS

LONGEST_STEP = 0.1
"""Of the box side: a particle that goes farther in one step, or whose velocity is not finite, shows that the system has exploded."""
MARGIN = 0.999
"""Of half the skin: what rounding may add to a displacement."""


class Ramp(NamedTuple):
    """The set temperature, linear in time from `hot` to `cold`."""

    hot: float
    cold: float
    relaxation: float
    """exp(-dt / tau) of the thermostat; 1 is none."""


@compiled
def thermostat_factor(generator, kinetic, wanted, freedom, relaxation):
    """By what the velocities are multiplied: Bussi, Donadio and Parrinello, J. Chem. Phys. 126, 014101 (2007), equation A7.

    alpha^2 = c + (1 - c) (K_set / (n K)) (R^2 + S) + 2 R sqrt(c (1 - c) K_set / (n K)), with c = exp(-dt / tau), R normal and S a
    sum of the squares of n - 1 normal variates.
    """
    share = (1.0 - relaxation) * wanted / (freedom * kinetic)
    first = normal(generator)
    others = 2.0 * gamma(generator, 0.5 * (freedom - 1))
    square = relaxation + share * (first * first + others) + 2.0 * first * math.sqrt(relaxation * share)
    return math.sqrt(max(square, 0.0))


@compiled
def build_lists(system, cutoffs, skin):
    """Sort the particles and list their neighbours, with as much room as that takes.

    Returns:
        lists and counts as `list_neighbours` fills them.
    """
    columns = max(1, round(system.length / COLUMN_WIDTH))
    rows = max(1, -(-system.particles // columns))
    starts = np.empty(columns + 1, dtype=np.int64)
    sort_particles(system, columns, rows, starts)
    clusters = len(system.x) // LANES
    padded = (-(-clusters // LANES) + 1) * LANES
    boxes = np.zeros((2, padded), dtype=np.int32)
    halves = np.empty((2, padded), dtype=np.float32)
    for cluster in range(padded):
        halves[0, cluster] = halves[1, cluster] = -np.inf
    bound_clusters(system, boxes[0], boxes[1], halves[0], halves[1])
    reach = np.empty((2, 2), dtype=np.float32)
    for a in range(2):
        for b in range(2):
            reach[a, b] = ((cutoffs[a, b] + skin) * GRID / system.length) ** 2
    room = MOST_NEIGHBOURS
    counts = np.empty((2, 2, clusters), dtype=np.int64)
    while True:
        lists = np.empty((2, clusters, room), dtype=np.int32)
        most = list_neighbours(system, reach, columns, starts, boxes, halves, lists, counts)
        if most <= room:
            return lists, counts
        room = most + LANES


@compiled
def kick_and_drift(system, factor, kick, drift):
    """V = factor v + kick f, x = x + drift v; returns the squares of the largest displacement since the lists, and of the last step."""
    kicks, factors, drifts = splat(np.float32(kick)), splat(np.float32(factor)), splat(np.float32(drift))
    farthest = splat(np.float32(0))
    longest = splat(np.float32(0))
    for first in range(0, len(system.x), LANES):
        vx = multiply_add(factors, load(system.vx, first), multiply(kicks, load(system.fx, first)))
        vy = multiply_add(factors, load(system.vy, first), multiply(kicks, load(system.fy, first)))
        store(system.vx, first, vx)
        store(system.vy, first, vy)
        step_x, step_y = multiply(drifts, vx), multiply(drifts, vy)
        x = add_whole(load(system.x, first), to_whole(step_x))
        y = add_whole(load(system.y, first), to_whole(step_y))
        store(system.x, first, x)
        store(system.y, first, y)
        dx = to_singles(subtract_whole(x, load(system.listed_x, first)))
        dy = to_singles(subtract_whole(y, load(system.listed_y, first)))
        farthest = larger(multiply_add(dx, dx, multiply(dy, dy)), farthest)
        longest = larger(multiply_add(step_x, step_x, multiply(step_y, step_y)), longest)
    return largest_lane(farthest), largest_lane(longest)


@inlined
def largest_lane(vector):
    """The largest number of the lanes."""
    most = lane(vector, 0)
    for i in range(1, LANES):
        most = max(most, lane(vector, i))
    return np.float64(most)


@compiled
def kick(system, by):
    """V = v + by f; returns the sum of v^2 of the particles."""
    kicks = splat(np.float32(by))
    squares = splat(np.float32(0))
    whole = system.particles // LANES * LANES
    total = 0.0
    for first in range(0, len(system.x), LANES):
        vx = multiply_add(kicks, load(system.fx, first), load(system.vx, first))
        vy = multiply_add(kicks, load(system.fy, first), load(system.vy, first))
        store(system.vx, first, vx)
        store(system.vy, first, vy)
        if first < whole:
            squares = add(squares, multiply_add(vx, vx, multiply(vy, vy)))
    for i in range(whole, system.particles):
        total += np.float64(system.vx[i]) ** 2 + np.float64(system.vy[i]) ** 2
    return total + sum_lanes(squares)


@compiled
def remove_drift(system):
    """Subtract the mean velocity; returns the sum of v^2."""
    n = system.particles
    mean_x, mean_y = 0.0, 0.0
    for i in range(n):
        mean_x += system.vx[i]
        mean_y += system.vy[i]
    mean_x, mean_y = mean_x / n, mean_y / n
    total = 0.0
    for i in range(n):
        system.vx[i] = np.float32(system.vx[i] - mean_x)
        system.vy[i] = np.float32(system.vy[i] - mean_y)
        total += np.float64(system.vx[i]) ** 2 + np.float64(system.vy[i]) ** 2
    return total


@compiled
def best_skin(temperature):
    """How far lists reach beyond the cutoff [sigma_AA]: measured, from 0.15 in the glass to 0.45 in the hot liquid."""
    return min(0.45, 0.15 + 0.2 * math.sqrt(max(temperature, 0.0)))


@compiled
def advance(system, generator, cutoffs, ramp, time_step, steps, marks, frames, stored, shift):
    """Simulate some steps, noting the thermodynamics at equally spaced marks and the positions at some of them.

    Args:
        system: positions and velocities; changed.
        generator: state of the thermostat's random numbers; changed.
        cutoffs: of the pairs [sigma_AA], shape (2, 2).
        ramp: the set temperature.
        time_step: [tau].
        steps: how many, a multiple of the number of marks less one.
        marks: gets temperature, potential energy per particle and pressure, shape (marks, 3); the first mark is the start.
        frames: gets positions on the grid, shape (stored marks, N, 2).
        stored: marks whose positions are kept, ascending.
        shift: as in `measure`.

    Returns:
        The step at which the system exploded; -1 if it did not.
    """
    unit = system.length / GRID
    half, drift = 0.5 * time_step, time_step / unit
    freedom = 2 * system.particles - 2
    every = max(1, steps // max(1, len(marks) - 1))
    temperature, factor, kept = ramp.hot, 1.0, 0
    skin = best_skin(temperature)
    lists, counts = build_lists(system, cutoffs, skin)
    compute_forces(system, lists, counts)
    for step in range(steps + 1):
        if step > 0:
            farthest, longest = kick_and_drift(system, factor, half, drift)
            if not longest < (LONGEST_STEP * GRID) ** 2:
                return step
            if farthest > (MARGIN * 0.5 * skin / unit) ** 2:
                skin = best_skin(temperature)
                lists, counts = build_lists(system, cutoffs, skin)
            compute_forces(system, lists, counts)
            square = kick(system, half)
            factor = 1.0
            if ramp.relaxation < 1.0:
                temperature = ramp.hot + (ramp.cold - ramp.hot) * step / steps
                factor = thermostat_factor(
                    generator, 0.5 * square, 0.5 * freedom * temperature, freedom, ramp.relaxation
                )
        mark = step // every
        if step % every == 0 and mark < len(marks):
            scale_velocities(system, factor)
            factor = 1.0
            square = remove_drift(system)
            energy, virial = measure(system, lists, counts, shift)
            marks[mark, 0] = square / freedom
            marks[mark, 1] = energy / system.particles
            marks[mark, 2] = 0.5 * (square + virial) / system.length**2
            if kept < len(stored) and stored[kept] == mark:
                for i in range(system.particles):
                    frames[kept, system.number[i], 0] = system.x[i]
                    frames[kept, system.number[i], 1] = system.y[i]
                kept += 1
    scale_velocities(system, factor)
    return -1


@compiled
def scale_velocities(system, factor):
    """V = factor v."""
    for i in range(len(system.x)):
        system.vx[i] = np.float32(system.vx[i] * factor)
        system.vy[i] = np.float32(system.vy[i] * factor)
