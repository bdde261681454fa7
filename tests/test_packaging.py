"""What an installed package carries, and what the project says about its licence."""

import importlib
import importlib.resources
import tomllib
from pathlib import Path

import yaml

import glassliquid

ROOT = Path(__file__).parents[1]


def test_the_package_says_that_it_is_typed():
    assert (importlib.resources.files("glassliquid") / "py.typed").is_file()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "py.typed" in project["tool"]["setuptools"]["package-data"]["*"]


def test_every_place_names_the_same_licence_and_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert project["license"] == citation["license"] == "MIT"
    assert project["version"] == citation["version"] == glassliquid.__version__
    heading = f"## {project['version']} ({citation['date-released']}, tag `v{project['version']}`)\n"
    assert heading in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License\n\nCopyright (c) 2026 glassliquid")
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()


def test_the_console_command_is_a_function_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, function = project["scripts"]["glassliquid"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))
