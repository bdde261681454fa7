"""A sweep through its real command line: what it leaves behind."""

import re
import subprocess
from pathlib import Path

import pytest

from glassliquid.datasets.description import Dataset
from tests.commands.conftest import PROJECT, Command
from tests.commands.sweeps import FOUND, SMALL, assert_complete, states, sweeps, table, trials
from tests.commands.test_bad_input import assert_one_sentence

# One process: the study named "finished" lies in the shared data, and its runs in a process's own tracking store.
pytestmark = pytest.mark.xdist_group("sweep")


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
    assert "-P depth=1 -P iterations=2" in done.stdout.partition("To repeat trial")[2]
    assert f"-P width={best}" in done.stdout.partition("To repeat trial")[2]


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
    # On a screen what matters most comes last.
    assert "Registered as sweep-test v1" in finished.stdout.rstrip().splitlines()[-1]


@pytest.mark.slow
def test_a_sweep_at_chance_has_no_best_trial_and_registers_nothing(command, store, dataset, data_dir):
    """One step at a rate of 1e-9 leaves the fresh network as it is."""
    settings = {**SMALL, "batches_per_iteration": 1, "iterations": 1, "eval_every": 1, "learning_rate": "0.000000001"}
    settings |= {"trials": 2, "jobs": 1, "sampler": "random", "study": "at-chance", "register_as": "chance-test"}
    done = command("sweep", data_dir=data_dir, **settings)
    assert done.returncode == 0, done.stderr
    assert "Best of 2 trials (2 complete): none, because none is better than chance." in done.stdout
    assert "Of the complete trials, 0 stayed, 0 collapsed, 2 never learned." in done.stdout
    assert "To repeat trial" not in done.stdout
    (parent,) = sweeps(store, "at-chance")
    assert "best_run" not in parent.data.tags
    assert parent.data.tags["fate"] == "0 stayed, 0 collapsed, 2 never learned"
    assert store.search_model_versions("name='chance-test'") == []
    assert {run.data.tags["fate"] for run in trials(store, "at-chance")} == {"never learned"}
    assert [row["fate"] for row in table(store, "at-chance")] == ["never learned"] * 2


@pytest.mark.slow
def test_the_test_split_is_read_for_the_best_trial_alone(finished, store):
    tested = [run for run in trials(store, "finished") if "test_accuracy" in run.data.metrics]
    assert [run.info.run_id for run in tested] == [sweeps(store, "finished")[0].data.tags["best_run"]]


@pytest.mark.slow
def test_the_printed_line_repeats_the_best_trial(finished, store, environment, data_dir):
    line = re.search(r"To repeat trial \d+: (.*)", finished.stdout).group(1)
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
