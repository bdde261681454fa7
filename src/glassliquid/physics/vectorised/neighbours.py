"""Neighbour lists of clusters: eight consecutive particles of a snaking order against single neighbours."""

import math

import numpy as np

from glassliquid.physics.vectorised.compiler import compiled, inlined
from glassliquid.physics.vectorised.lanes import (
    LANES,
    is_greater,
    lanes_set,
    larger,
    load,
    lowest_bit,
    magnitude,
    multiply,
    multiply_add,
    splat,
    subtract,
    subtract_whole,
    to_singles,
)

COLUMN_WIDTH = 2.6
"""Of the columns through which the order snakes [sigma_AA]: eight particles fill a square of this side."""
HALF = np.int64(1 << 31)


@inlined
def _column(x, columns):
    return ((np.int64(x) + HALF) * columns) >> 32


@compiled
def sort_particles(system, columns, rows, starts):
    """Put particles into the order of their columns, up one and down the next; `starts` gets each column's first particle."""
    n = system.particles
    scratch, whole_scratch = np.empty(n, dtype=np.float32), np.empty(n, dtype=np.int32)
    counts = np.zeros(columns * rows + 1, dtype=np.int32)
    keys = np.empty(n, dtype=np.int32)
    for i in range(n):
        column = _column(system.x[i], columns)
        row = _column(system.y[i], rows)
        key = column * rows + (row if column % 2 == 0 else rows - 1 - row)
        keys[i] = key
        counts[key + 1] += 1
    for k in range(columns * rows):
        counts[k + 1] += counts[k]
    for column in range(columns + 1):
        starts[column] = counts[column * rows]
    order = np.empty(n, dtype=np.int32)
    for i in range(n):
        order[counts[keys[i]]] = i
        counts[keys[i]] += 1
    for values in (system.x, system.y, system.number):
        _reorder(values, order, whole_scratch)
    for values in (system.vx, system.vy):
        _reorder(values, order, scratch)
    for i in range(n):
        whole_scratch[i] = system.species[order[i]]
    for i in range(n):
        species = np.int8(whole_scratch[i])
        system.species[i] = species
        for other in range(2):
            system.ratio[other, i] = system.table[0, species, other]
            system.strength[other, i] = system.table[1, species, other]
            system.depth[other, i] = system.table[2, species, other]
    for i in range(len(system.x)):
        here = min(i, n - 1)
        system.x[i], system.y[i] = system.x[here], system.y[here]
        system.listed_x[i], system.listed_y[i] = system.x[here], system.y[here]


@compiled
def _reorder(values, order, scratch):
    for i in range(len(order)):
        scratch[i] = values[order[i]]
    for i in range(len(order)):
        values[i] = scratch[i]


@compiled
def bound_clusters(system, boxes_x, boxes_y, halves_x, halves_y):
    """The bounding box of every cluster: centre (on the grid) and half sides."""
    for cluster in range(len(system.x) // LANES):
        boxes_x[cluster], halves_x[cluster] = _bounds(system.x, cluster * LANES)
        boxes_y[cluster], halves_y[cluster] = _bounds(system.y, cluster * LANES)


@inlined
def _bounds(whole, first):
    low = np.int32(0)
    high = np.int32(0)
    for i in range(first, first + LANES):
        offset = np.int32(whole[i] - whole[first])
        low = min(low, offset)
        high = max(high, offset)
    side = np.int64(high) - np.int64(low)
    centre = np.int32(np.int64(whole[first]) + np.int64(low) + side // 2)
    return centre, np.float32(side // 2 + 1)


@compiled
def list_neighbours(system, reach, columns, starts, boxes, halves, lists, counts):
    """Fill the lists of every cluster with the particles that are within reach of one of its eight.

    Args:
        system: sorted particles.
        reach: squared distance of a pair that is listed, by species of particle and neighbour [grid^2], shape (2, 2).
        columns: how many columns the order has.
        starts: first particle of each column, shape (columns + 1,).
        boxes: centres of the clusters, shape (2, clusters padded to a multiple of 8 and 8 more).
        halves: their half sides, the same shape; what is no cluster has minus infinity.
        lists: gets places of neighbours, shape (2, clusters, room): species of the neighbour, cluster, neighbour.
        counts: gets how many there are, and how many of them, the first, belong to the cluster itself, shape (2, 2, clusters).

    Returns:
        The most neighbours that a cluster has of one species; above `room` the lists are not whole.
    """
    clusters, room = len(system.x) // LANES, lists.shape[2]
    farthest = np.float32(0)
    for species in range(2):
        for other in range(2):
            farthest = max(farthest, np.float32(math.sqrt(reach[species, other])))
    own_reach = np.empty((2, LANES), dtype=np.float32)
    filled = np.empty(2, dtype=np.int64)
    most = 0
    zero = splat(np.float32(0))
    wide = np.int64(farthest) + 1
    for cluster in range(clusters):
        first = cluster * LANES
        _begin_lists(system, reach, own_reach, lists, filled, cluster)
        counts[1, 0, cluster], counts[1, 1, cluster] = filled[0], filled[1]
        x, y = load(system.x, first), load(system.y, first)
        box_x, box_y = splat(boxes[0, cluster]), splat(boxes[1, cluster])
        half_x, half_y = splat(halves[0, cluster]), splat(halves[1, cluster])
        limit = splat(farthest * farthest)
        begin, end, begin_too, end_too = _near_clusters(
            boxes[0, cluster], np.int64(halves[0, cluster]) + wide, columns, starts, clusters
        )
        for part in range(2):
            low, high = (begin, end) if part == 0 else (begin_too, end_too)
            for group in range(low - low % LANES, high, LANES):
                gap_x = magnitude(to_singles(subtract_whole(load(boxes[0], group), box_x)))
                gap_y = magnitude(to_singles(subtract_whole(load(boxes[1], group), box_y)))
                gap_x = larger(subtract(subtract(gap_x, load(halves[0], group)), half_x), zero)
                gap_y = larger(subtract(subtract(gap_y, load(halves[1], group)), half_y), zero)
                near = lanes_set(is_greater(limit, multiply_add(gap_x, gap_x, multiply(gap_y, gap_y))))
                while near:
                    bit = lowest_bit(near)
                    near &= near - 1
                    other = group + bit
                    if other == cluster or other < low or other >= high:
                        continue
                    for j in range(other * LANES, min(other * LANES + LANES, system.particles)):
                        species = system.species[j]
                        dx = to_singles(subtract_whole(x, splat(system.x[j])))
                        dy = to_singles(subtract_whole(y, splat(system.y[j])))
                        r2 = multiply_add(dx, dx, multiply(dy, dy))
                        if lanes_set(is_greater(load(own_reach[species], 0), r2)):
                            at = filled[species]
                            if at < room:
                                lists[species, cluster, at] = j
                            filled[species] = at + 1
        counts[0, 0, cluster], counts[0, 1, cluster] = filled[0], filled[1]
        for species in range(2):
            most = max(most, filled[species])
    return most


@compiled
def _begin_lists(system, reach, own_reach, lists, filled, cluster):
    """Put a cluster's own particles onto its lists, and note how far each of them reaches."""
    first = cluster * LANES
    filled[0] = filled[1] = 0
    for i in range(LANES):
        species = system.species[first + i]
        own_reach[0, i], own_reach[1, i] = reach[species, 0], reach[species, 1]
        if first + i < system.particles:
            lists[species, cluster, filled[species]] = first + i
            filled[species] += 1


@inlined
def _near_clusters(centre, distance, columns, starts, clusters):
    """Up to two ranges of clusters that hold all particles of the columns within a distance of a place."""
    if 2 * distance >= (np.int64(1) << 32) - ((np.int64(1) << 32) // columns) * 2:
        return 0, clusters, 0, 0
    low, high = _column(np.int32(centre - distance), columns), _column(np.int32(centre + distance), columns)
    begin, end = starts[low] // LANES, (starts[high + 1] + LANES - 1) // LANES
    if low <= high:
        return begin, end, 0, 0
    if end > begin:
        return 0, clusters, 0, 0
    return 0, end, begin, clusters
