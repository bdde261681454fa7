"""glassliquid: simulate a two-dimensional glass former, draw it, and train networks to tell glass from liquid."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glassliquid.api import (
        configurations_of,
        cooling_curve,
        draw,
        explain,
        features,
        inherent_structure,
        load_dataset,
        load_ensemble,
        load_model,
        pair_correlation,
        predict,
        read_snapshot,
        runs,
    )

__version__ = "0.2.0"
__all__ = [
    "configurations_of",
    "cooling_curve",
    "draw",
    "explain",
    "features",
    "inherent_structure",
    "load_dataset",
    "load_ensemble",
    "load_model",
    "pair_correlation",
    "predict",
    "read_snapshot",
    "runs",
]


def __getattr__(name: str) -> Any:
    """The functions of `glassliquid.api`, which is imported when the first of them is asked for: commands never need it."""
    if name in __all__:
        return getattr(importlib.import_module("glassliquid.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
