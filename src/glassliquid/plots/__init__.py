"""Figures, as matplotlib objects; pyplot and its global state are not used."""
