"""Where data come from: each module is one source, and its name is what `source` takes."""

from typing import Any

from glassliquid.registry import Registry

SOURCES: Registry[Any] = Registry("source", __name__)
"""Subclasses of `datasets.source.Source`, which take settings that have one of these names."""
