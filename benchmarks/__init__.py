"""Benchmarks, run as `python -m benchmarks.bench_draw` in the folder of a clone, whose code they measure."""

import sys
from pathlib import Path

SOURCE = str(Path(__file__).resolve().parents[1] / "src")
if sys.path[:1] != [SOURCE]:
    sys.path.insert(0, SOURCE)
