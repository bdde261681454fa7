"""Random numbers in compiled code: xoshiro256**, normal and gamma variates.

Source: Blackman and Vigna, ACM Trans. Math. Softw. 47, 36 (2021), for the generator; Marsaglia's polar method for normal
variates; Marsaglia and Tsang, ACM Trans. Math. Softw. 26, 363 (2000), for gamma variates.
"""

import math

import numpy as np
from numpy.typing import NDArray

from glassliquid.physics.vectorised.compiler import compiled, inlined


def new_generator(seed: int, stream: int) -> NDArray[np.uint64]:
    """The state of a generator, shape (4,); streams of one seed are independent."""
    return np.asarray(np.random.SeedSequence([seed, stream]).generate_state(4, np.uint64), dtype=np.uint64)


@inlined
def _rotate(value, bits):
    return (value << np.uint64(bits)) | (value >> np.uint64(64 - bits))


@compiled
def next_bits(state):
    """The next 64 random bits."""
    result = _rotate(state[1] * np.uint64(5), 7) * np.uint64(9)
    moved = state[1] << np.uint64(17)
    state[2] ^= state[0]
    state[3] ^= state[1]
    state[1] ^= state[2]
    state[0] ^= state[3]
    state[2] ^= moved
    state[3] = _rotate(state[3], 45)
    return result


@compiled
def uniform(state):
    """A number of [0, 1), a multiple of 2^-53."""
    return np.float64(next_bits(state) >> np.uint64(11)) * 2.0**-53


@compiled
def normal(state):
    """A number of the standard normal distribution."""
    while True:
        u, v = 2.0 * uniform(state) - 1.0, 2.0 * uniform(state) - 1.0
        square = u * u + v * v
        if 0.0 < square < 1.0:
            return u * math.sqrt(-2.0 * math.log(square) / square)


@compiled
def gamma(state, shape):
    """A number of the gamma distribution of a shape of 1 or more and scale 1."""
    d = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = normal(state)
        v = (1.0 + c * x) ** 3
        if v > 0.0 and math.log(1.0 - uniform(state)) < 0.5 * x * x + d - d * v + d * math.log(v):
            return d * v
