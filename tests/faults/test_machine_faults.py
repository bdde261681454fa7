"""A folder that may not be written, a clock that jumps back, two commands that continue one run."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import torch

from tests.commands.test_bad_input import assert_one_sentence
from tests.conftest import contents
from tests.faults import test_killed_make_data
from tests.faults.figures import Tally
from tests.faults.test_killed_sweep import OPTIONS as SWEEP
from tests.faults.test_killed_train import compare
from tests.faults.workplace import PATIENCE_S, TRAINING, Workplace, trains, wait_for, weights

CLOCK = """
import os, time
import psutil
given, given_ns, started = time.time, time.time_ns, psutil.Process.create_time
back = lambda: 3600 if os.path.exists({trigger!r}) else 0
time.time = lambda: given() - back()
time.time_ns = lambda: given_ns() - back() * 10**9
# Linux counts the start of a process from that of the machine, and that one back from the time of day.
psutil.Process.create_time = lambda self: started(self) - back()
"""


@pytest.mark.faults
def test_a_folder_that_becomes_read_only(workplace, dataset, ensemble, small_disk: Path):
    """What is there can be read and is not harmed; what would write says so in one sentence."""
    place = Workplace(small_disk / "work")
    place.take(dataset, ensemble)
    before = {path: path.read_bytes() for path in small_disk.rglob("*") if path.is_file()}
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    elsewhere = workplace()
    started = [
        elsewhere.start(entry_point, **options)
        for entry_point, options in (
            ("make_data", {"name": "another", "ensemble": "small", "data_dir": place.data}),
            ("train", {**TRAINING, "data_dir": place.data}),
            ("sweep", {**SWEEP, "data_dir": place.data}),
        )
    ]
    for process in started:
        done = subprocess.CompletedProcess([], process.wait(120), "", elsewhere.said(process))
        assert_one_sentence(done, "the file system is read-only: choose another data_dir")
    # What only reads continues, but for the page.
    process = elsewhere.start("report", output=small_disk / "page.html", data_dir=place.data)
    done = subprocess.CompletedProcess([], process.wait(120), "", elsewhere.said(process))
    assert_one_sentence(done, "the file system is read-only|no runs to report")
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert {path: path.read_bytes() for path in small_disk.rglob("*") if path.is_file()} == before


@pytest.fixture
def unsteady(workplace, tmp_path: Path) -> tuple[Workplace, Path]:
    """A workplace in which it is an hour earlier as soon as a file appears."""
    place, trigger = workplace(), tmp_path / "back"
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock" / "sitecustomize.py").write_text(CLOCK.format(trigger=str(trigger)))
    place.environment["PYTHONPATH"] += f"{os.pathsep}{tmp_path / 'clock'}"
    return place, trigger


@pytest.mark.faults
@pytest.mark.long
@pytest.mark.timeout(3000)
def test_a_clock_that_jumps_back_while_data_are_made(unsteady, ensemble, dataset):
    tally, (place, trigger) = Tally("make_data", "clock an hour back", injected=1), unsteady
    process = place.start("make_data", data_dir="data", **test_killed_make_data.OPTIONS)
    wait_for(lambda: list(place.data.glob("ensembles/small/sim-*.gsd")))
    trigger.touch()
    assert process.wait(PATIENCE_S) == 0, place.said(process)
    tally.compared += 1
    tally.same("dataset", contents(place.data / "datasets" / "data_liquid5") == contents(dataset.folder), True)
    simulated = {
        name: content for name, content in contents(place.data / "ensembles" / "small").items() if "gsd" in name
    }
    tally.same("ensemble", simulated == {k: v for k, v in contents(ensemble.folder).items() if k in simulated}, True)
    tally.left += place.running() + place.left_behind()
    tally.settle()


@pytest.mark.faults
@pytest.mark.long
@pytest.mark.timeout(3000)
def test_a_clock_that_jumps_back_while_it_sweeps(unsteady, dataset):
    """Nobody takes the living trials for dead."""
    tally, (place, trigger) = Tally("sweep", "clock an hour back", injected=1), unsteady
    place.take(dataset)
    process = place.start("sweep", **{**SWEEP, "trials": 2, "study": "s"})
    wait_for(lambda: list(place.data.glob("runs/*/metrics.jsonl")))
    trigger.touch()
    assert "now KILLED: 0." in place.run("tidy")
    assert process.wait(PATIENCE_S) == 0, place.said(process)
    tally.compared += 1
    statuses = [run.info.status for run in (*place.runs("trial"), *place.runs("sweep"))]
    tally.count("statuses", enumerate(statuses), enumerate(3 * ["FINISHED"]))
    tally.left += place.running() + place.left_behind()
    tally.settle()


@pytest.mark.faults
@pytest.mark.long
@pytest.mark.timeout(3000)
def test_a_clock_that_jumps_back(unsteady, undisturbed: Workplace, dataset):
    """An hour back in the middle of a training run: nothing is lost or doubled, and nobody takes the living run for dead."""
    tally, (place, trigger) = Tally("train", "clock an hour back", injected=1), unsteady
    place.take(dataset)
    process = place.start("train", **{**TRAINING, "iterations": 1_000_000})
    run_id = trains(place)
    trigger.touch()
    told = place.run("tidy")
    assert "now KILLED: 0." in told
    assert place.client.get_run(run_id).info.status == "RUNNING"
    refused = place.start("train", resume=run_id)
    assert refused.wait(60) == 2
    assert f"The run {run_id} is still running" in place.said(refused)
    process.terminate()
    assert process.wait(60) == 143, place.said(process)
    place.run("report")
    # A whole training that begins after the jump has the points and weights of the undisturbed one.
    place.run("train", **TRAINING)
    tally.compared += 1
    finished = [run.info.run_id for run in place.runs("train") if run.info.status == "FINISHED"]
    compare(tally, place, finished[0], undisturbed)
    steps = [metric.step for metric in place.client.get_metric_history(run_id, "loss")]
    tally.count("iterations", steps, range(1, max(steps) + 1))
    tally.left += place.running() + place.left_behind()
    tally.settle()


@pytest.mark.faults
def test_two_commands_continue_one_run(workplace, undisturbed: Workplace, dataset):
    """One of them does; the other one is told so, or finds it finished."""
    tally, place = Tally("train", "two commands at once", injected=1), workplace()
    place.take(dataset)
    process = place.start("train", **TRAINING)
    run_id = trains(place)
    wait_for((place.data / "runs" / run_id / "current.safetensors").exists)
    process.kill()
    process.wait()
    both = [place.start("train", resume=run_id) for _ in range(2)]
    codes = sorted(each.wait(120) for each in both)
    said = [place.said(each) for each in both]
    assert codes == [0, 2], said
    refusal = r"Error: The run .*(is being continued by another command|is still running|has finished)"
    assert any(re.search(refusal, each) for each in said), said
    tally.compared += 1
    compare(tally, place, run_id, undisturbed)
    assert place.client.get_run(run_id).info.status == "FINISHED"
    best = weights(place.artifact(run_id, "checkpoints/best.safetensors"))
    assert all(torch.isfinite(value).all() for value in best.values())
    tally.left += place.running() + place.left_behind()
    tally.settle()
