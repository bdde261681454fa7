"""The physics: protocol, LAMMPS engine, ensembles of simulations and their trajectory files."""
