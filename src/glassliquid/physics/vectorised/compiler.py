"""Compiling, and where compiled code is kept: in the environment, never in a clone; one folder for each state of these sources.

Numba looks at the file of a function to decide whether its compiled code is still good, and not at the files of what it calls.
So the folder's name is a digest of all of them.
"""

import hashlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numba
import numpy as np

OWN_CACHE = "NUMBA_CACHE_DIR"
"""Numba's own variable; a folder that is named there is used."""


def _sources_digest() -> str:
    digest = hashlib.sha256(f"{numba.__version__} {np.__version__}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _cache_folder() -> Path | None:
    """The first place that can be written to; compiled code is loaded as it is, so only our own folders count."""
    named = os.environ.get(OWN_CACHE)
    places = [Path(named)] if named else [Path(sys.prefix) / "var" / "cache", Path.home() / ".cache"]
    for place in places:
        folder = place / "glassliquid" / f"engine-{_sources_digest()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError:
            continue
        return folder
    return None


CACHE_FOLDER = _cache_folder()
"""Where compiled code is kept; None if no folder can be written to, and every process compiles for itself."""
if CACHE_FOLDER is not None:
    setattr(numba.config, "CACHE_DIR", str(CACHE_FOLDER))  # noqa: B010 - a module whose names are made as it is read

compiled: Any = numba.njit(cache=CACHE_FOLDER is not None)
"""Decorates a function that is compiled when it is first called."""
inlined: Any = numba.njit(inline="always")
"""Decorates a function that becomes part of those that call it."""


def is_compiled() -> bool:
    """Whether an earlier process has compiled this state of the sources."""
    return CACHE_FOLDER is not None and any(CACHE_FOLDER.rglob("*.nbc"))
