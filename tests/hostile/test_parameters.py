"""Every parameter of every entry point: hostile texts through the real commands, in this process and in their own.

Most of the inputs go as far as the job: options are parsed, the settings made and checked, and the workflow's own `run` is
stood in for by one that only looks at what it is given, because most texts are allowed labels and each would be a training run.
A second property lets everything run, on a dataset that is small or missing.
"""

import contextlib
import importlib
import math
import os
import shlex
import signal
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from mlflow.projects._project_spec import load_project

from entrypoints import shell
from glassliquid.datasets.description import Dataset
from glassliquid.errors import UserError
from tests.hostile.budget import inputs
from tests.hostile.guard import Sandbox
from tests.hostile.mutate import CHARACTERS, TEXTS, WORDS, numbers

PROJECT = Path(__file__).resolve().parents[2]
ENTRY_POINTS: dict[str, Any] = yaml.safe_load((PROJECT / "MLproject").read_text())["entry_points"]
WORKFLOWS = {name: f"glassliquid.commands.{name}" for name in ENTRY_POINTS}
MOST_MIB = 128

argument = st.one_of(
    st.sampled_from(TEXTS), st.sampled_from(WORDS), numbers.map(str), st.text(CHARACTERS, max_size=30)
).filter(lambda text: "\0" not in text and len(text) < 100_000)
"""A zero ends an argument, so none ever reaches a command."""


def surrogates_as_the_system_has_them(text: str) -> str:
    """What of a text can be an argument: bytes that are no UTF-8 arrive as low surrogates, high ones never."""
    return os.fsdecode(os.fsencode(text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")))


@contextlib.contextmanager
def handlers_kept() -> Any:
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def call(name: str, options: dict[str, str], say: list[str]) -> None:
    """Run a command in this process; UserError for its sentence, if that is the whole of what it complains of."""
    arguments = [part for key, value in options.items() for part in (f"--{key.replace('_', '-')}", value)]
    before, sys.argv = sys.argv, [f"entrypoints.{name}", *map(surrogates_as_the_system_has_them, arguments)]
    errors = Path(os.environ["TMPDIR"], "stderr")
    with handlers_kept(), errors.open("w", errors="backslashreplace") as file, contextlib.redirect_stderr(file):
        try:
            with contextlib.redirect_stdout(file):
                shell.run(importlib.import_module(f"entrypoints.{name}").main)
        except SystemExit as ended:
            code = ended.code
        else:
            code = 0
        finally:
            sys.argv = before
    text = errors.read_text()
    sentences = [line.removeprefix("Error: ") for line in text.splitlines() if line.startswith("Error: ")]
    say += sentences
    assert "Traceback" not in text, text
    if code:
        assert code == 2, (code, text)
        assert len(sentences) == 1, text
        raise UserError(sentences[0])


def check_job(job: Any) -> None:
    """What a workflow is given holds no number that is none, and no text that cannot be printed."""
    for field in fields(job):
        value = getattr(job, field.name)
        if is_dataclass(value) and not isinstance(value, type):
            check_job(value)
        elif isinstance(value, float):
            assert not math.isnan(value), field.name
        elif isinstance(value, str | Path):
            text = str(value)
            assert text.isprintable() or "\u202f" in text or not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text)
            text.encode()


@pytest.fixture
def standing_in(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    """In the place of every workflow, one that looks at its job."""
    for module in WORKFLOWS.values():
        monkeypatch.setattr(importlib.import_module(module), "run", lambda job, *_, **__: check_job(job))
    monkeypatch.setenv("TMPDIR", str(sandbox.root / "tmp"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{sandbox.root / 'store' / 'mlflow.db'}")
    monkeypatch.chdir(sandbox.root / "store")


@given(data=st.data())
@inputs(quick=250, long=3500)
def test_every_parameter_as_far_as_the_job(sandbox: Sandbox, standing_in: None, data: st.DataObject):
    name = data.draw(st.sampled_from(sorted(ENTRY_POINTS)))
    known = sorted(ENTRY_POINTS[name]["parameters"])
    chosen = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=3, unique=True))
    options = {"data_dir": "data"} if "data_dir" in known else {}
    options |= {key: data.draw(argument) for key in chosen}
    sandbox.attempt("parameters, as far as the job", lambda: call(name, options, []), MOST_MIB)


TINY = {
    "make_data": {"particles": "32", "cooling_steps": "200", "simulations": "3", "workers": "1", "image_size": "16"},
    "train": {
        "batch_size": "14",
        "iterations": "1",
        "batches_per_iteration": "1",
        "register_as": "none",
        "augment": "false",
    },
    "evaluate": {"model": "missing.pt"},
    "transfer_eval": {"model": "missing.pt"},
    "visualize": {"model": "missing.pt"},
    "report": {"output": "../data/report.html"},
    "sweep": {
        "trials": "1",
        "iterations": "1",
        "batch_sizes": "14",
        "batches_per_iteration": "1",
        "max_hours": "0.0001",
    },
    "export": {"ensemble": "small", "workers": "1"},
    "tidy": {},
}
"""Options with which a command that runs ends soon. `main` starts commands of its own, and is tried as a process."""
LEADS_ELSEWHERE = {"data_dir", "output", "input", "storage", "scheduler", "jobs", "workers", "repeats", "trials"}
"""Where these lead is the user's own choice, or how many processes are started; they are tried as far as the job."""
LENGTHENS = {
    "iterations",
    "batches_per_iteration",
    "max_hours",
    "cooling_steps",
    "simulations",
    "particles",
    "preset",
    "image_size",
}


@pytest.fixture
def tracked(monkeypatch: pytest.MonkeyPatch, placed: Sandbox) -> None:
    address = f"sqlite:///{placed.root / 'store' / 'mlflow.db'}"
    monkeypatch.setenv("TMPDIR", str(placed.root / "tmp"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.chdir(placed.root / "store")
    before = mlflow.get_tracking_uri()
    yield
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(before)


@given(data=st.data())
@inputs(quick=12, long=150)
def test_every_parameter_to_the_end(placed: Sandbox, tracked: None, data: st.DataObject):
    name = data.draw(st.sampled_from(sorted(set(TINY) - {"sweep"})))
    known = sorted(set(ENTRY_POINTS[name]["parameters"]) - LEADS_ELSEWHERE - LENGTHENS)
    options = {**TINY[name], "data_dir": str(placed.data)}
    if known:
        options |= {
            key: data.draw(argument) for key in data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=2))
        }
    placed.attempt("parameters, to the end", lambda: call(name, options, []), 1024, unpickles=True)


@given(data=st.data())
@inputs(quick=150, long=1500)
def test_the_command_that_mlflow_builds(sandbox: Sandbox, data: st.DataObject):
    """Read as a shell reads it, it has every value as it was given, as one word, and nothing besides."""
    name = data.draw(st.sampled_from(sorted(ENTRY_POINTS)))
    parameters = ENTRY_POINTS[name]["parameters"]
    chosen = data.draw(st.lists(st.sampled_from(sorted(parameters)), min_size=1, max_size=4, unique=True))
    values = {key: data.draw(argument) for key in chosen}

    def use() -> None:
        line = load_project(str(PROJECT)).get_entry_point(name).compute_command(values, None)
        found = shlex.split(line)
        expected = ["python", "-m", f"entrypoints.{name}"]
        assert found[:3] == expected
        given_values = dict(zip(found[3::2], found[4::2], strict=True))
        for key, value in values.items():
            assert given_values[f"--{key.replace('_', '-')}"] == value

    sandbox.attempt("command lines of mlflow run", use, MOST_MIB)


HOSTILE = (
    "$(touch {canary}); touch {canary} & `touch {canary}` | touch {canary} > {canary} '\"\n\\ {{x}} %s ${{HOME}} * ~"
)


@pytest.mark.parametrize(
    "name", ["train", pytest.param("make_data", marks=pytest.mark.slow), pytest.param("main", marks=pytest.mark.slow)]
)
def test_a_real_mlflow_run(placed: Sandbox, name: str):
    """All text parameters at once, and then each of the shell's own characters is a letter."""
    hostile = HOSTILE.format(canary=placed.canary)
    texts = [
        key
        for key, value in ENTRY_POINTS[name]["parameters"].items()
        if value["type"] == "string" and key != "data_dir"
    ]
    arguments = [part for key in texts for part in ("-P", f"{key}={hostile}")]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")} | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{placed.root / 'store' / 'mlflow.db'}",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    mlflow_run = [sys.executable, "-m", "mlflow", "run", str(PROJECT), "--env-manager", "local", "-e", name]
    done = subprocess.run(
        [*mlflow_run, *arguments, "-P", f"data_dir={placed.data}"],
        cwd=placed.root / "store", env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    tally = placed.tally("mlflow run, real processes")
    tally.generated += 1
    assert done.returncode == 1, done.stderr
    assert not placed.canary.exists()
    assert done.stderr.count("\nError: ") == 1, done.stderr
    assert "entrypoints" not in done.stderr.partition("Traceback")[2]
    tally.rejected += 1


SAMPLE = [
    ("train", {"version": "\x1b[31m"}),
    ("train", {"dataset": "$(touch canary)"}),
    ("train", {"learning_rate": "1e400"}),
    ("train", {"device": "meta"}),
    ("make_data", {"simulations": "99999999999"}),
    ("make_data", {"particles": "9" * 29}),
    ("make_data", {"cooling_steps": "9" * 5000}),
    ("evaluate", {"model": "runs:/.."}),
    ("report", {"since": "0001-01-01"}),
    ("sweep", {"storage": "sqlite:///data/x.db?timeout=x"}),
]


@pytest.mark.parametrize(
    ("name", "options"), [SAMPLE[0], *(pytest.param(*each, marks=pytest.mark.slow) for each in SAMPLE[1:])]
)
def test_a_process_of_its_own(placed: Sandbox, dataset: Dataset, name: str, options: dict[str, str]):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")} | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{placed.root / 'store' / 'mlflow.db'}",
        "PYTHONPATH": str(PROJECT),
    }
    arguments = [part for key, value in options.items() for part in (f"--{key}", value)]
    done = subprocess.run(
        [sys.executable, "-m", f"entrypoints.{name}", *arguments, "--data-dir", str(placed.data)],
        cwd=placed.root / "store", env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    tally = placed.tally("commands, real processes")
    tally.generated += 1
    assert done.returncode == 2, done.stderr
    assert [line[:7] for line in done.stderr.splitlines()].count("Error: ") == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert not placed.canary.exists()
    assert not (placed.root / "store" / "canary").exists()
    tally.rejected += 1
