"""Benchmarks, run as `python -m benchmarks.bench_draw` in the folder of a clone, whose code they measure."""

import entrypoints  # noqa: F401  the clone's own code, and the environment that its commands run in
