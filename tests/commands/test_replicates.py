"""One setting trained several times: child runs of one parent, what they have in common, and how an interruption ends."""

import csv
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest

from tests.commands.conftest import PROJECT, Command, history

pytestmark = pytest.mark.xdist_group("replicates")

SETTINGS = {"batch_size": 14, "batches_per_iteration": 4, "eval_every": 1, "iterations": 3, "seed": 5, "repeats": 3}
LEARNING = {**SETTINGS, "batches_per_iteration": 10, "iterations": 8}
"""Long enough that one is better than chance."""


def children(client, parent: str) -> dict[str, mlflow.entities.Run]:
    runs = client.search_runs(["0"], f"tags.`mlflow.parentRunId` = '{parent}'")
    return {run.data.tags["replicate"]: run for run in runs}


@pytest.fixture(scope="module")
def parent(mlflow_run: Command, client, own_dir: Path) -> mlflow.entities.Run:
    done = mlflow_run("train", data_dir=own_dir, version=9, register_as="repeated", **LEARNING)
    assert done.returncode == 0, done.stderr
    return client.get_run(re.search(r"in run with ID '(\w+)'", done.stderr).group(1))


def test_the_parent_has_mean_spread_and_collapsed_runs_of_its_children(parent, client):
    found = children(client, parent.info.run_id)
    assert sorted(found) == ["1", "2", "3"]
    assert [found[trial].data.params["seed"] for trial in "123"] == ["5", "6", "7"]
    assert [found[trial].data.tags["trial"] for trial in "123"] == ["1", "2", "3"]
    assert {run.info.status for run in (parent, *found.values())} == {"FINISHED"}
    metrics = parent.data.metrics
    for name in ("best_val_accuracy", "final_val_accuracy", "test_accuracy", "largest_drop"):
        values = [run.data.metrics[name] for run in found.values()]
        assert metrics[f"{name}_mean"] == pytest.approx(statistics.fmean(values), abs=1e-12)  # rounding
        assert (
            metrics[name] == metrics[f"{name}_mean"]
        )  # under the name of the children's, which the page's columns show
        assert metrics[f"{name}_std"] == pytest.approx(statistics.stdev(values), abs=1e-12)
    assert metrics["replicates"] == 3
    fates = [run.data.tags["fate"] for run in found.values()]
    counted = [fates.count(fate) for fate in ("stayed", "collapsed", "never learned")]
    assert [metrics[f"{fate}_runs"] for fate in ("stayed", "collapsed", "never_learned")] == counted
    assert "{} stayed, {} collapsed, {} never learned".format(*counted) == parent.data.tags["fate"]
    assert metrics["collapsed_runs"] == sum(run.data.tags["collapsed"] == "true" for run in found.values())
    assert "3 replicates: best_val_accuracy" in parent.data.tags["mlflow.note.content"]


def test_the_parent_keeps_a_figure_and_a_table(parent, client, tmp_path: Path):
    assert {"replicates.png", "replicates.csv", "config.json"} <= {
        file.path for file in client.list_artifacts(parent.info.run_id)
    }
    table = client.download_artifacts(parent.info.run_id, "replicates.csv", str(tmp_path))
    rows = list(csv.DictReader(Path(table).read_text().splitlines()))
    found = children(client, parent.info.run_id)
    assert [row["run_id"] for row in rows] == [found[row["replicate"]].info.run_id for row in rows]
    assert len(rows) == 3


def test_only_the_best_replicate_is_registered(parent, client):
    (version,) = client.search_model_versions("name='repeated'")
    found = children(client, parent.info.run_id)
    accuracy = {run.info.run_id: run.data.metrics["best_val_accuracy"] for run in found.values()}
    assert accuracy[version.tags["run_id"]] == max(accuracy.values()) == 1
    assert client.get_registered_model("repeated").aliases == {"data_liquid5": version.version}


def test_a_diverged_replicate_is_counted_and_the_others_are_trained(
    client, quick_command: Command, command: Command, own_dir: Path
):
    """Stopped in the first of two, which is then marked as one that diverged: the second is trained."""
    settings = {**SETTINGS, "repeats": 2, "iterations": 2, "register_as": "none"}
    stopped = quick_command("train", data_dir=own_dir, version=11, max_hours=0.0000001, **settings)
    assert stopped.returncode == 75
    stopped_parent = re.search(r"--run-id (\w+) -P resume=\1", stopped.stderr).group(1)
    assert client.get_run(stopped_parent).data.tags["ended_by"] == "max_hours"
    first = children(client, stopped_parent)["1"]
    assert {client.get_run(run).info.status for run in (stopped_parent, first.info.run_id)} == {"KILLED"}
    for wrong, message in (({"iterations": 5}, r"iterations 2 -> 5"), ({"repeats": 9}, r"repeats 2 -> 9")):
        refused = quick_command("train", data_dir=own_dir, resume=stopped_parent, **wrong)
        assert refused.returncode == 2
        assert re.search(
            rf"continue as they began, .*\({message}\): leave that out, or start a new training", refused.stderr
        )
    client.set_tag(first.info.run_id, "diverged", "true")
    client.set_terminated(first.info.run_id, "FAILED")
    done = command("train", data_dir=own_dir, resume=stopped_parent, register_as="none")
    assert done.returncode == 0, done.stderr
    found = children(client, stopped_parent)
    assert {number: run.info.status for number, run in found.items()} == {"1": "FAILED", "2": "FINISHED"}
    assert "ended_by" not in client.get_run(stopped_parent).data.tags
    metrics = client.get_run(stopped_parent).data.metrics
    assert (metrics["replicates"], metrics["diverged_runs"], metrics["collapsed_runs"]) == (1, 1, 0)
    best = "none, because none is better than chance" if metrics["never_learned_runs"] else r"replicate 2\."
    assert re.search(rf"0 collapsed, \d never learned\. 1 more diverged\. Best: {best}", done.stdout)


def test_replicates_at_chance_have_no_best_and_register_nothing(client, quick_command: Command, own_dir: Path):
    """One step at a rate of 1e-9 leaves the fresh networks as they are."""
    settings = {
        **SETTINGS,
        "iterations": 1,
        "batches_per_iteration": 1,
        "eval_every": 1,
        "learning_rate": "0.000000001",
    }
    settings |= {"repeats": 2, "version": 13, "register_as": "chance-replicates"}
    done = quick_command("train", data_dir=own_dir, **settings)
    assert done.returncode == 0, done.stderr
    assert "0 stayed, 0 collapsed, 2 never learned. Best: none, because none is better than chance" in done.stdout
    assert client.search_model_versions("name='chance-replicates'") == []
    (parent,) = client.search_runs(["0"], "tags.version = '13' and tags.repeats = '2'")
    names = [run.info.run_name for run in children(client, parent.info.run_id).values()]
    assert sorted(names) == [f"seed {seed} of {parent.info.run_name}" for seed in (5, 6)]


def test_one_training_run_at_chance_says_that_its_model_does_not_get_the_alias(
    client, quick_command: Command, own_dir: Path
):
    settings = {**SETTINGS, "repeats": 1, "iterations": 1, "batches_per_iteration": 1, "eval_every": 1}
    settings |= {"learning_rate": "0.000000001", "register_as": "chance-alone"}
    done = quick_command("train", data_dir=own_dir, **settings)
    assert done.returncode == 0, done.stderr
    registered = (
        "The run never learned. Registered as chance-alone v1, without the alias models:/chance-alone@data_liquid5:"
    )
    assert registered in done.stdout
    counted = re.search(
        r"its validation accuracy, ([\d.]+) % \((\d) of 6, 95 % interval [\d.]+ to [\d.]+ %\)", done.stdout
    )
    assert float(counted[1]) == round(100 * int(counted[2]) / 6, 2)
    assert "is no better than chance (50.0 %)." in done.stdout
    assert client.get_registered_model("chance-alone").aliases == {}


def test_replicates_that_all_diverge_say_so(client, quick_command: Command, own_dir: Path):
    """At a rate of 1e20 the squares of the weights overflow after the first step, whatever the seed."""
    settings = {**SETTINGS, "repeats": 2, "version": 12, "register_as": "none", "learning_rate": 10**20}
    done = quick_command("train", data_dir=own_dir, schedule="constant", **settings)
    assert done.returncode == 2
    assert "Error: All 2 replicates diverged: lower the learning rate and start a new training run." in done.stderr
    (diverged_parent,) = client.search_runs(["0"], "tags.version = '12' and tags.repeats = '2'")
    found = children(client, diverged_parent.info.run_id)
    assert {run.info.status for run in (diverged_parent, *found.values())} == {"FAILED"}
    for run in found.values():
        assert (
            "in iteration 1, batch 2, so the optimizer step was skipped: lower the learning rate."
            in run.data.tags["error"]
        )


def test_replicates_that_were_killed_go_on_and_end_as_undisturbed_ones(
    parent, client, command: Command, own_dir: Path, environment: dict[str, str]
):
    """Killed in the second of three: the first stays, the second continues in its run, the third follows."""
    arguments = [f"--{key}={value}" for key, value in (LEARNING | {"version": 10, "register_as": "none"}).items()]
    program = [sys.executable, "-m", "entrypoints.train", f"--data_dir={own_dir}", *arguments]
    process = subprocess.Popen(
        program, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    interrupted = None
    deadline = time.monotonic() + 120
    while interrupted is None or children(client, interrupted).get("2") is None:
        assert process.poll() is None
        assert time.monotonic() < deadline
        started = client.search_runs(["0"], "tags.version = '10' and tags.repeats = '3'")
        interrupted = started[0].info.run_id if started else None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = children(client, interrupted)
    assert before["1"].info.status == "FINISHED"
    # The line that continues is the parent's; a replicate by itself has none.
    told = command("tidy", data_dir=own_dir).stdout
    assert f"--run-id {interrupted} -P resume={interrupted}" in told
    assert before["2"].info.run_id in told and f"resume={before['2'].info.run_id}" not in told
    done = command("train", data_dir=own_dir, resume=interrupted, register_as="none")
    assert done.returncode == 0, done.stderr
    after, expected = children(client, interrupted), children(client, parent.info.run_id)
    assert {trial: run.info.status for trial, run in after.items()} == dict.fromkeys("123", "FINISHED")
    assert [after[trial].info.run_id for trial in "12"] == [before[trial].info.run_id for trial in "12"]
    for trial in "123":
        for key in ("loss", "val_accuracy"):
            assert history(client, after[trial].info.run_id, key) == history(client, expected[trial].info.run_id, key)
    refused = command("train", data_dir=own_dir, resume=interrupted)
    assert refused.returncode == 2
    assert f"All 3 replicates of the run {interrupted} have finished" in refused.stderr
