"""A small configuration made by hand, whose pairs are the corners of the energy's definition."""

import numpy as np

A, B = 0, 1
LENGTH = 8.0

POSITIONS = np.array(
    [
        [3.9, 0.1],  # 0 and 1: an A and a B on two sides of the boundary in x, 0.9 apart through it
        [-3.2, 0.1],
        [0.3, 3.95],  # 2 and 3: two A on two sides of the boundary in y
        [0.4, -2.95],
        [-4.0, -4.0],  # 4: exactly on the corner of the box
        [-3.3, -3.4],  # 5: a B near that corner
        [1.5, -0.5],  # 6 and 7: two B, closer than their minimum, so that they repel
        [1.5, 0.4],
        [-1.5, 1.0],  # 8: far from everything, an A that only its cutoff reaches
    ]
)
TYPES = np.array([A, B, A, A, A, B, B, B, A])
