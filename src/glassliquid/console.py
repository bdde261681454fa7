"""The console command `glassliquid`: that of the clone from which the package is installed."""

import importlib
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Run the command line; its options and their checks are those of the entry points, which lie beside the package."""
    if not (PROJECT / "MLproject").is_file():
        sys.exit(
            f"Error: The project of {PROJECT.name} is not where its package is: install it from a clone with pip install -e CLONE."
        )
    sys.path.insert(0, str(PROJECT))
    importlib.import_module("entrypoints.console").run()
