"""Where the transition is, on the real command lines."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from glassliquid.ensembles.ensemble import Ensemble, open_ensemble
from glassliquid.ensembles.thermodynamics import MeasuredTransition, measured_transition, record_transition
from glassliquid.errors import UserError
from tests.commands.conftest import PROJECT, Command, history

SETTINGS = {"ensemble": "small", "image_size": 32, "batch_size": 14, "iterations": 2}
GUESSES = [5, 60, 100, 195, 200]
"""All that the shared ensemble stores but for its first snapshot, 0."""


@pytest.fixture
def copy(copied, ensemble: Ensemble, tmp_path: Path) -> Path:
    """A data folder with a copy of the shared ensemble, which a test may change."""
    copied(ensemble.folder)
    return tmp_path


def changed(data_dir: Path, name: str = "small", **values: object) -> None:
    """Change the description of an ensemble."""
    path = data_dir / "ensembles" / name / "ensemble.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"guesses": "5,100,60,195,200"}, "guesses is 5, 100, 60, 195, 200: give each index once, in ascending order."),
        ({"guesses": "60,100,195"}, "guesses is 60, 100, 195, but a maximum between two lower accuracies needs 5"),
        ({"guesses": "60,100,195,200,201"}, "guesses is 201, but snapshot indices run from 0"),
        ({"guesses": "soon"}, "guesses is 'soon': pass auto or stored indices separated by commas in ascending order"),
        ({"ensemble": "a,,b"}, "ensemble is 'a,,b': pass auto, the name of an ensemble, or several"),
        ({"engine": "numba", "ensemble": "small"}, "engine is numba, which is for the demo ensemble"),
        ({"model": "largest"}, "model is 'largest', which is not known"),
        ({"image_size": "3"}, "image_size is 3, but images must be 16 to 2048 pixels wide"),
    ],
)
def test_what_contradicts_itself_is_refused_at_once(
    quick_command: Command, tmp_path: Path, options: dict[str, str], sentence: str
):
    done = quick_command("transition", data_dir=tmp_path, **options)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"guesses": "5,60,100,150,200"},
            "guesses is 150, which the ensemble 'small' does not store (nearest: 60, 100, 195, 200)",
        ),
        ({"guesses": "0,5,60,100,195"}, "guesses begins with 0, before which 'small' stores no snapshot"),
        ({"ensemble": "other"}, "There is no ensemble 'other'"),
        ({"simulations": "3"}, "simulations is 3, but none of the first 3 of 'small' is in its"),
    ],
)
def test_what_the_ensemble_does_not_have_is_refused_in_a_sentence(
    quick_command: Command, data_dir: Path, ensemble: Ensemble, options: dict[str, str], sentence: str
):
    done = quick_command("transition", data_dir=data_dir, **{"ensemble": "small", **options})
    assert done.returncode == 2
    assert sentence in done.stderr


def test_too_few_snapshots(quick_command: Command, copy: Path, ensemble: Ensemble):
    protocol = json.loads((ensemble.folder / "ensemble.json").read_text())["protocol"]
    changed(copy, protocol=protocol | {"snapshots": [5, 100, 200]})
    done = quick_command("transition", ensemble="small", data_dir=copy)
    assert done.returncode == 2
    assert (
        "The ensemble 'small' stores 3 snapshots (5, 100, 200), but at least 6 are needed to look for a transition"
        in done.stderr
    )


def test_several_ensembles_of_different_density(quick_command: Command, copy: Path):
    shutil.copytree(copy / "ensembles" / "small", copy / "ensembles" / "dense")
    origin = {"species": ["1", "2"], "particles_a": 65, "length": 8.0, "first_step": 0}
    changed(copy, "dense", engine=None, origin=origin)
    done = quick_command("transition", ensemble="small,dense", data_dir=copy)
    assert done.returncode == 2
    assert "small has the density 1.2 and dense 1.562: T_g depends on the density" in done.stderr


def test_a_missing_simulation_is_said_to_be_missing(quick_command: Command, copy: Path):
    (copy / "ensembles" / "small" / "sim-00003.gsd").unlink()
    done = quick_command("transition", ensemble="small", data_dir=copy)
    assert done.returncode == 2
    assert "The ensemble 'small' lacks 1 of its 20 simulations" in done.stderr


MEASURED = {"observable": "potential energy", "temperature": 0.7, "low": 0.6, "high": 0.8}


def test_tg_is_kept_beside_its_ensemble_and_is_that_of_no_other(copy: Path):
    small = open_ensemble(copy / "ensembles" / "small")
    assert measured_transition(small) is None
    kept = MeasuredTransition(ensemble_digest=small.digest, **MEASURED)
    record_transition(small, kept)
    assert measured_transition(small) == kept
    record_transition(small, MeasuredTransition(ensemble_digest="0" * 16, **MEASURED))
    assert measured_transition(small) is None
    record_transition(small, None)
    assert not (small.folder / "transition.json").exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 1}', '{"version": 9}'])
def test_a_damaged_tg_is_named(copy: Path, text: str):
    small = open_ensemble(copy / "ensembles" / "small")
    (small.folder / "transition.json").write_text(text)
    with pytest.raises(UserError, match=r"transition\.json"):
        measured_transition(small)


def newest(client: MlflowClient) -> Run:
    return client.search_runs(["0"], "tags.stage = 'transition'", max_results=1)[0]


@pytest.mark.slow
def test_three_answers_in_one_figure_one_table_and_one_sentence(command: Command, client: MlflowClient, copy: Path):
    done = command("transition", data_dir=copy, repeats=2, **SETTINGS)
    assert done.returncode == 0, done.stderr
    run = newest(client)
    assert run.info.status == "FINISHED"
    assert run.data.tags["sentence"] in done.stdout
    names = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert names == {"transition.png", "transition.csv", "curves.csv"}
    text = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/curves.csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    accuracy = {
        int(row["index"]): float(row["value"])
        for row in rows
        if (row["curve"], row["model"]) == ("accuracy", "compact")
    }
    assert list(accuracy) == GUESSES
    assert dict(history(client, run.info.run_id, "confusion/compact")) == pytest.approx(accuracy)
    # 6 held-out simulations of 6 snapshots each, twice.
    assert all(value * 72 == pytest.approx(round(value * 72)) for value in accuracy.values())
    majority = [float(row["majority"]) for row in rows if (row["curve"], row["model"]) == ("accuracy", "structure")]
    assert majority == pytest.approx([5 / 6, 4 / 6, 3 / 6, 4 / 6, 5 / 6])
    assert {row["model"] for row in rows if row["curve"] == "p_glass"} == {"compact", "structure"}
    answers = list(csv.DictReader(io.StringIO(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/transition.csv"))))
    assert {row["by"] for row in answers} == {"potential energy", "inherent-structure energy", "compact", "structure"}


@pytest.mark.slow
def test_an_imported_ensemble_has_no_energies_and_the_networks_answer(
    command: Command, client: MlflowClient, copy: Path
):
    origin = {"species": ["1", "2"], "particles_a": 65, "length": (100 / 1.2) ** 0.5, "first_step": 0}
    changed(copy, engine=None, origin=origin)
    done = command("transition", data_dir=copy, inherent="false", **SETTINGS)
    assert done.returncode == 0, done.stderr
    assert "there are no energies, so there is no T_g" in done.stdout
    assert "small was imported without energies along its cooling." in done.stdout
    assert "they may merely tell the temperature" in done.stdout
    assert len(history(client, newest(client).info.run_id, "confusion/compact")) == len(GUESSES)


@pytest.mark.slow
def test_a_killed_one_goes_on_with_what_is_missing(command: Command, client: MlflowClient, environment, copy: Path):
    options = {**SETTINGS, "iterations": 4, "inherent": "false", "data_dir": copy}
    arguments = [part for key, value in options.items() for part in (f"--{key}", str(value))]
    started = subprocess.Popen(
        [sys.executable, "-m", "entrypoints.transition", *arguments],
        env=environment,
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 300
        while len(kept := list((copy / "transitions").glob("*/compact-guess-*.json"))) < 2:
            assert started.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()
    before = {path: path.stat().st_mtime_ns for path in kept}
    done = command("transition", **options)
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert newest(client).info.status == "FINISHED"
    first = newest(client).data.tags["sentence"]
    # What is whole gives the same answer again, and nothing half-written is left.
    assert not list((copy / "transitions").rglob(".training"))
    shutil.rmtree(copy / "transitions")
    assert command("transition", **options).returncode == 0
    assert newest(client).data.tags["sentence"] == first
