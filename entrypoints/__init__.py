"""The command lines, one module an entry point of MLproject: parse, build a config, call the package.

Started as `python -m entrypoints.train` in the folder of a clone, they run the code of that clone, whatever else is
installed: its `src` goes to the front of Python's path here.
"""

import sys
from pathlib import Path

SOURCE = str(Path(__file__).resolve().parents[1] / "src")
if sys.path[:1] != [SOURCE]:
    sys.path.insert(0, SOURCE)
