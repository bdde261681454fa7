"""The entry points, one module each."""
