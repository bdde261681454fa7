"""The command lines, one module an entry point of MLproject: parse, build a config, call the package.

Started as `python -m entrypoints.train` in the folder of a clone, they run the code of that clone, whatever else is
installed: its `src` goes to the front of Python's path here.
"""

import os
import sys
from pathlib import Path

SOURCE = str(Path(__file__).resolve().parents[1] / "src")
if sys.path[:1] != [SOURCE]:
    sys.path.insert(0, SOURCE)

# PyTorch's threads spin while they wait for one another at every layer. On a machine that does anything else besides,
# a small network then trains at an eighth of its speed; with a short spin at two thirds, and alone at its full speed
# within the noise (docs/LOG.md). GNU OpenMP, which PyTorch's wheels for Linux bring, reads this when it is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
# A research tool does not report its use to anybody; MLflow's thread for that also changes the environment at any time.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
