"""A sweep through its real command line: what it leaves behind and what it survives."""

import contextlib
import csv
import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import pytest

from glassliquid.datasets.description import Dataset
from tests.commands.conftest import PROJECT, Command
from tests.commands.test_bad_input import assert_one_sentence
from tests.postgresql import server

# One process: the study named "finished" lies in the shared data, and its runs in a process's own tracking store.
pytestmark = pytest.mark.xdist_group("sweep")

SMALL = {"batch_sizes": "4,8", "iterations": 4, "eval_every": 2, "pruner": "none", "register_as": "none"}
FOUND = {**SMALL, "model": "structure"}
"""Trials that learn at once: none of those above is better than chance on 6 images."""
LONG = {**SMALL, "iterations": 20, "eval_every": 10, "trials": 12, "jobs": 2}
"""Trials that take a second or more, so that there is a middle of a sweep to kill something in."""


@pytest.fixture
def store(tracking_uri: str) -> mlflow.MlflowClient:
    mlflow.set_tracking_uri(tracking_uri)
    return mlflow.MlflowClient()


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `python -m entrypoints.sweep` or another command in a process group of its own, which ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **options: object) -> subprocess.Popen[str]:
        command = list(arguments) or [sys.executable, "-m", "entrypoints.sweep"]
        prefix = "-P" if arguments else "--"
        parts = [f"{key}={value}" for key, value in options.items()]
        given = [item for part in parts for item in ((prefix, part) if arguments else (prefix + part,))]
        process = subprocess.Popen(
            [*command, *given],
            cwd=PROJECT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def sweeps(store: mlflow.MlflowClient, study: str) -> list:
    return store.search_runs(["0"], f"tags.stage = 'sweep' and tags.study = '{study}'")


def trials(store: mlflow.MlflowClient, study: str) -> list:
    return store.search_runs(["0"], f"tags.stage = 'trial' and tags.study = '{study}'", max_results=1000)


def table(store: mlflow.MlflowClient, study: str) -> list[dict[str, str]]:
    (parent,) = sweeps(store, study)
    text = mlflow.artifacts.load_text(f"runs:/{parent.info.run_id}/trials.csv")
    return list(csv.DictReader(io.StringIO(text)))


def states(store: mlflow.MlflowClient, study: str) -> list[str]:
    return sorted(run.data.tags["optuna_state"] for run in trials(store, study))


def wait_for(condition: Callable[[], object], within_s: float = 120) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


def running(store: mlflow.MlflowClient, study: str) -> list:
    return [run for run in trials(store, study) if run.info.status == "RUNNING"]


def assert_complete(store: mlflow.MlflowClient, study: str, count: int, killed: int) -> None:
    """`count` complete trials, each once, in the table and on the page; the killed ones marked; nothing else."""
    rows = table(store, study)
    assert [row["state"] for row in rows].count("COMPLETE") == count
    assert [row["state"] for row in rows].count("KILLED") == killed
    assert len(rows) == count + killed
    # Each killed trial was run again with the same settings.
    again = {row["again_after"]: row for row in rows if row["again_after"]}
    for row in rows:
        if row["state"] == "KILLED":
            assert (again[row["trial"]]["batch_size"], again[row["trial"]]["dropout"]) == (
                row["batch_size"],
                row["dropout"],
            )
    by_run = {run.info.run_id: run for run in trials(store, study)}
    for row in rows:
        if row["run_id"]:
            run = by_run.pop(row["run_id"])
            assert run.data.tags["optuna_state"] == row["state"]
            assert run.info.status == {"COMPLETE": "FINISHED", "KILLED": "KILLED"}[row["state"]]
    assert not by_run


@pytest.mark.slow
def test_what_graph_has_of_its_own_is_searched_and_held_fixed(command: Command, store, dataset, data_dir):
    searched = {"widths": "8,16", "depth": 1, "sampler": "grid", "trials": 2, "dropout_high": 0.1}
    settings = {**SMALL, "batch_sizes": "8", "iterations": 2, **searched}
    done = command("sweep", model="graph", study="of-graph", data_dir=data_dir, **settings)
    assert done.returncode == 0, done.stderr
    found = [(run.data.params["width"], run.data.params["depth"]) for run in trials(store, "of-graph")]
    assert sorted(found) == [("16", "1"), ("8", "1")]
    assert {row["width"] for row in table(store, "of-graph")} == {"8", "16"}
    best = re.search(r"trial \d+, batch_size 8, width (\d+), dropout 0.1", done.stdout).group(1)
    assert "-P depth=1 -P iterations=2" in done.stdout.partition("To repeat it:")[2]
    assert f"-P width={best}" in done.stdout.partition("To repeat it:")[2]


@pytest.fixture(scope="module")
def finished(command: Command, dataset: Dataset, data_dir: Path) -> subprocess.CompletedProcess[str]:
    """A sweep of four trials."""
    settings = {**FOUND, "register_as": "sweep-test", "trials": 4, "jobs": 2, "sampler": "random", "study": "finished"}
    done = command("sweep", data_dir=data_dir, **settings)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.slow
def test_a_sweep_leaves_a_table_pictures_curves_and_a_registered_model(finished, store):
    (parent,) = sweeps(store, "finished")
    assert parent.info.status == "FINISHED"
    assert_complete(store, "finished", 4, 0)
    names = {artifact.path for artifact in store.list_artifacts(parent.info.run_id)}
    assert {"trials.csv", "trials.html", "history.png", "slice.png", "best_trial.txt", "config.json"} <= names
    for run in trials(store, "finished"):
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        # What parallel coordinates are drawn from, and the full curve.
        assert {"batch_size", "dropout", "learning_rate"} <= set(run.data.params)
        assert [point.step for point in store.get_metric_history(run.info.run_id, "loss")] == [1, 2, 3, 4]
        assert [point.step for point in store.get_metric_history(run.info.run_id, "val_accuracy")] == [2, 4]
    rows = table(store, "finished")
    best = max(rows, key=lambda row: float(row["val_accuracy"]))
    assert float(best["val_accuracy"]) == parent.data.metrics["best_val_accuracy"]
    # The interval is Wilson's of the 6 validation images: at 6 of 6 it begins at 6 / (6 + 1.96^2).
    assert all(0.09 <= float(row["low"]) <= float(row["val_accuracy"]) <= float(row["high"]) <= 1 for row in rows)
    version = store.get_model_version_by_alias("sweep-test", "data_liquid5")
    assert version.run_id == parent.data.tags["best_run"]
    assert "Best of 4 trials (4 complete)" in finished.stdout
    assert parent.data.tags["mlflow.note.content"].count("\n|") == 6


@pytest.mark.slow
def test_a_sweep_at_chance_has_no_best_trial_and_registers_nothing(command, store, dataset, data_dir):
    """One step at a rate of 1e-9 leaves the fresh network as it is."""
    settings = {**SMALL, "batches_per_iteration": 1, "iterations": 1, "eval_every": 1, "learning_rate": "0.000000001"}
    settings |= {"trials": 2, "jobs": 1, "sampler": "random", "study": "at-chance", "register_as": "chance-test"}
    done = command("sweep", data_dir=data_dir, **settings)
    assert done.returncode == 0, done.stderr
    assert "Best of 2 trials (2 complete): none, because none is better than chance." in done.stdout
    assert "Of the complete trials 0 stayed, 0 collapsed, 2 never learned." in done.stdout
    assert "To repeat it" not in done.stdout
    (parent,) = sweeps(store, "at-chance")
    assert "best_run" not in parent.data.tags
    assert store.search_model_versions("name='chance-test'") == []
    assert {run.data.tags["fate"] for run in trials(store, "at-chance")} == {"never learned"}
    assert [row["fate"] for row in table(store, "at-chance")] == ["never learned"] * 2


@pytest.mark.slow
def test_the_test_split_is_read_for_the_best_trial_alone(finished, store):
    tested = [run for run in trials(store, "finished") if "test_accuracy" in run.data.metrics]
    assert [run.info.run_id for run in tested] == [sweeps(store, "finished")[0].data.tags["best_run"]]


@pytest.mark.slow
def test_the_printed_line_repeats_the_best_trial(finished, store, environment, data_dir):
    line = re.search(r"To repeat it: (.*)", finished.stdout).group(1)
    done = subprocess.run(
        ["bash", "-c", f"{line} --env-manager local"],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    run = store.get_run(re.search(r"in run with ID '(\w+)'", done.stderr).group(1))
    best = store.get_run(sweeps(store, "finished")[0].data.tags["best_run"])

    def curve(run, name: str) -> list[float]:
        return [point.value for point in store.get_metric_history(run.info.run_id, name)]

    for name in ("loss", "val_loss", "val_accuracy"):
        assert curve(run, name) == curve(best, name)


@pytest.mark.slow
def test_the_same_command_continues_the_study_and_a_complete_one_is_only_shown(finished, command, store, data_dir):
    settings = {**FOUND, "register_as": "sweep-test", "jobs": 1, "sampler": "random", "study": "finished"}
    before = {run.info.run_id for run in trials(store, "finished")}
    done = command("sweep", data_dir=data_dir, trials=5, **settings)
    assert done.returncode == 0, done.stderr
    assert_complete(store, "finished", 5, 0)
    assert len({run.info.run_id for run in trials(store, "finished")} - before) == 1
    shown = command("sweep", data_dir=data_dir, trials=5, **settings)
    assert "Best of 5 trials (5 complete)" in shown.stdout
    assert len(trials(store, "finished")) == 5


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before the model was registered", "before the run was closed"])
def test_a_sweep_that_was_killed_at_its_very_end_registers_its_model_once(finished, command, store, data_dir, moment):
    """What the store has then: a tested run that says nothing of its model, or one that nobody has closed."""
    best = sweeps(store, "finished")[0].data.tags["best_run"]
    if moment == "before the model was registered":
        store.delete_tag(best, "logged_model")
        store.delete_registered_model("sweep-test")
    store.set_terminated(best, "KILLED")
    settings = {**FOUND, "register_as": "sweep-test", "jobs": 1, "sampler": "random", "study": "finished"}
    done = command("sweep", data_dir=data_dir, trials=4, **settings)
    assert done.returncode == 0, done.stderr
    run = store.get_run(best)
    assert run.info.status == "FINISHED"
    assert run.data.tags["logged_model"]
    assert [version.run_id for version in store.search_model_versions("name='sweep-test'")] == [best]
    assert store.get_model_version_by_alias("sweep-test", "data_liquid5").run_id == best
    assert len(store.get_metric_history(best, "test_accuracy")) == 1
    assert len(store.search_logged_models(["0"], f"source_run_id = '{best}'")) == 1


@pytest.mark.slow
def test_pruned_and_repeated_trials_are_shown_as_what_they_are(command, store, dataset, data_dir):
    settings = {**SMALL, "pruner": "median", "iterations": 9, "eval_every": 1, "repeats": 2, "trials": 10, "jobs": 1}
    # Rates of less than a hundred-thousandth leave a network as it was: of ten trials, hardly all after the first five learn.
    # One after the other and drawn from the seed alone, they are the same ten each time.
    settings |= {"sampler": "random"}
    done = command("sweep", data_dir=data_dir, study="pruned", learning_rate_range="0.0000001:1", **settings)
    assert done.returncode == 0, done.stderr
    rows = table(store, "pruned")
    assert len(rows) == 10
    found = {run.info.run_id: run for run in trials(store, "pruned")}
    assert {row["state"] for row in rows} == {"COMPLETE", "PRUNED"}
    for row in rows:
        run = found[row["run_id"]]
        assert run.info.status == {"COMPLETE": "FINISHED", "PRUNED": "KILLED"}[row["state"]]
        assert run.data.tags["optuna_state"] == row["state"]
        children = store.search_runs(["0"], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
        if row["state"] == "COMPLETE":
            assert sorted(child.data.params["seed"] for child in children) == ["0", "1"]
            each = [child.data.metrics["best_val_accuracy"] for child in children]
            assert float(row["val_accuracy"]) == pytest.approx(sum(each) / 2)
            # Student's interval of two seeds is wider than all there is.
            assert 0 <= float(row["low"]) <= float(row["val_accuracy"]) <= float(row["high"]) <= 1
            assert run.data.metrics["best_val_accuracy"] == pytest.approx(sum(each) / 2)


@pytest.mark.slow
def test_settings_that_cannot_be_trained_fail_their_trials_and_three_of_them_the_sweep(
    command, store, dataset, data_dir
):
    rates = {"learning_rate": "1" + 30 * "0", "final_learning_rate": "1" + 30 * "0"}
    done = command("sweep", data_dir=data_dir, study="hopeless", trials=8, **SMALL, **rates)
    assert_one_sentence(done, "first 3 trials all failed, the last with: The loss is (nan|inf)")
    assert states(store, "hopeless") == ["FAILED"] * 3
    assert {run.info.status for run in trials(store, "hopeless")} == {"FAILED"}
    assert all("The loss is" in run.data.tags["error"] for run in trials(store, "hopeless"))
    assert sweeps(store, "hopeless")[0].info.status == "FAILED"


@pytest.mark.slow
@pytest.mark.faults
def test_a_killed_worker_costs_its_trial_and_nothing_else(start, store, dataset, data_dir):
    process = start(data_dir=data_dir, study="worker-killed", **LONG)
    wait_for(lambda: len(trials(store, "worker-killed")) >= 4 and running(store, "worker-killed"))
    victim = running(store, "worker-killed")[0]
    os.kill(int(victim.data.tags["process"].split()[0]), signal.SIGKILL)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, out
    assert "died (exit code -9)" in out
    assert_complete(store, "worker-killed", 12, 1)


@pytest.mark.slow
@pytest.mark.faults
def test_after_the_parent_was_killed_its_workers_end_and_the_same_command_continues(start, store, dataset, data_dir):
    process = start(data_dir=data_dir, study="parent-killed", **LONG)
    wait_for(lambda: len(trials(store, "parent-killed")) >= 4 and len(running(store, "parent-killed")) == 2)
    workers = [int(run.data.tags["process"].split()[0]) for run in running(store, "parent-killed")]
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    again = start(data_dir=data_dir, study="parent-killed", **LONG)
    wait_for(lambda: not any(_is_sweeping(pid) for pid in workers), 30)
    out, _ = again.communicate(timeout=300)
    assert again.returncode == 0, out
    assert_complete(store, "parent-killed", 12, len([s for s in states(store, "parent-killed") if s == "KILLED"]))
    assert 1 <= states(store, "parent-killed").count("KILLED") <= 2
    assert len(sweeps(store, "parent-killed")) == 1


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_sweep_in_order_and_prints_the_line_that_continues_it(
    start, store, dataset, data_dir, number
):
    study = f"stopped-{number}"
    process = start(data_dir=data_dir, study=study, **{**LONG, "trials": 3})
    wait_for(lambda: len(running(store, study)) == 2)
    os.kill(process.pid, number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else 143)
    assert sweeps(store, study)[0].info.status == "KILLED"
    assert not running(store, study)
    line = re.search(r"continue: (mlflow run \. -e sweep .*)", out).group(1)
    continued = start("bash", "-c", f"{line} --env-manager local")
    out, _ = continued.communicate(timeout=300)
    assert continued.returncode == 0, out
    killed = states(store, study).count("KILLED")
    assert 1 <= killed <= 2
    assert_complete(store, study, 3, killed)


@pytest.mark.slow
@pytest.mark.faults
def test_two_commands_join_a_postgresql_study_one_is_killed_and_the_count_is_exact(
    start, store, dataset, data_dir, postgresql
):
    arguments = [sys.executable, "-m", "mlflow", "run", ".", "--env-manager", "local", "-e", "sweep"]
    settings = {"data_dir": data_dir, "study": "joined", "storage": postgresql, **LONG, "jobs": 1}
    one = start(*arguments, **settings)
    two = start(*arguments, **settings)
    wait_for(lambda: len(running(store, "joined")) == 2 and len(trials(store, "joined")) >= 4, 180)
    victim = running(store, "joined")[0]
    os.kill(int(victim.data.tags["process"].split()[0]), signal.SIGKILL)
    outputs = [process.communicate(timeout=300)[0] for process in (one, two)]
    assert [process.returncode for process in (one, two)] == [0, 0], outputs
    assert_complete(store, "joined", 12, 1)
    assert sum("Best of 12 trials" in output for output in outputs) == 1
    assert sum("is complete" in output for output in outputs) == 1
    # Both took part.
    assert len({run.data.tags["process"] for run in trials(store, "joined")}) >= 2


@pytest.mark.slow
def test_the_one_of_two_commands_that_is_for_more_trials_makes_the_table(start, store, dataset, data_dir, postgresql):
    settings = {"data_dir": data_dir, "study": "unequal", "storage": postgresql, **SMALL, "jobs": 1}
    owner = start(**{**settings, "trials": 2})
    wait_for(lambda: sweeps(store, "unequal"), 180)
    joined = start(**{**settings, "trials": 5})
    outputs = [process.communicate(timeout=300)[0] for process in (owner, joined)]
    assert [process.returncode for process in (owner, joined)] == [0, 0], outputs
    assert "Best of 2 trials" in outputs[0]
    assert "Best of 5 trials" in outputs[1]
    assert_complete(store, "unequal", 5, 0)


@pytest.mark.slow
@pytest.mark.faults
def test_the_command_that_owns_a_postgresql_study_is_killed_and_others_end_it(
    start, store, dataset, data_dir, postgresql
):
    arguments = [sys.executable, "-m", "mlflow", "run", ".", "--env-manager", "local", "-e", "sweep"]
    settings = {"data_dir": data_dir, "study": "orphaned", "storage": postgresql, **LONG, "jobs": 1}
    commands = [start(*arguments, **settings) for _ in range(2)]
    wait_for(lambda: len(running(store, "orphaned")) == 2, 180)
    (parent,) = sweeps(store, "orphaned")
    owner = os.getpgid(int(parent.data.tags["process"].split()[0]))
    os.killpg(owner, signal.SIGKILL)
    (other,) = [command for command in commands if command.pid != owner]
    out, _ = other.communicate(timeout=300)
    assert other.returncode == 0, out
    assert "The study orphaned is complete (12 complete, 1 killed); its table belongs to the run" in out
    assert "has ended without it: this one makes it." in out
    assert "Best of 12 trials" in out
    assert {
        run.info.status for run in store.search_runs(["0"], "tags.study = 'orphaned' and tags.stage = 'sweep'")
    } == {"FINISHED"}
    assert_complete(store, "orphaned", 12, 1)


@pytest.mark.slow
@pytest.mark.faults
def test_a_database_that_is_away_for_a_while_costs_nothing(start, store, dataset, data_dir):
    with server() as database:
        settings = {**LONG, "trials": 5, "study": "away", "storage": database.address}
        process = start(data_dir=data_dir, **settings)
        wait_for(lambda: len(running(store, "away")) == 2)
        database.stop()
        time.sleep(8)
        assert process.poll() is None
        database.start()
        out, _ = process.communicate(timeout=300)
        assert process.returncode == 0, out
    assert_complete(store, "away", 5, 0)


def _is_sweeping(pid: int) -> bool:
    try:
        return "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False
