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
# a small network then trains at an eighth of its speed; asleep they lose little. Read when PyTorch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# A research tool does not report its use to anybody; MLflow's thread for that also changes the environment at any time.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
