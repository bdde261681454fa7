"""Molecular dynamics of many small systems, compiled by Numba: eight particles at a time in the lanes of a vector."""
