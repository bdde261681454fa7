"""A disk that fills up in the middle of a training, a folder that may not be written, a clock that jumps back."""

import errno
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.commands.test_bad_input import assert_one_sentence
from tests.faults.figures import Tally
from tests.faults.test_killed_train import compare
from tests.faults.workplace import TRAINING, Workplace, wait_for, weights

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


@pytest.fixture
def undisturbed(workplace, dataset) -> Workplace:
    """A workplace with a finished training."""
    place: Workplace = workplace("undisturbed")
    place.take(dataset)
    place.run("train", **TRAINING)
    return place


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for 40 MB, for a whole workplace: data, tracking database, artifacts."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("a small file system can only be mounted by root")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(folder)], check=False)
    if mounted.returncode:
        pytest.skip("this machine does not let tests mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Write a file until the disk is full."""
    ballast = folder / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
    except OSError as error:
        assert error.errno == errno.ENOSPC
    return ballast


def trains(place: Workplace) -> str:
    """The run that is being trained, once it has a few iterations."""
    wait_for(lambda: [path for path in place.data.glob("runs/*/metrics.jsonl") if path.stat().st_size > 4000])
    (path,) = place.data.glob("runs/*/metrics.jsonl")
    return path.parent.name


@pytest.mark.faults
def test_a_disk_that_fills_up_while_it_trains(undisturbed: Workplace, dataset, small_disk: Path, tmp_path: Path):
    tally, place = Tally("train", "disk full", injected=1), Workplace(small_disk / "work", outputs=tmp_path)
    place.take(dataset)
    process = place.start("train", **TRAINING)
    run_id = trains(place)
    ballast = fill(small_disk)
    assert process.wait(120) == 2, place.said(process)
    done = subprocess.CompletedProcess([], 2, "", place.said(process))
    assert_one_sentence(done, "the disk is full|has room|database or disk is full")
    ballast.unlink()
    place.run("train", resume=run_id)
    tally.compared += 1
    compare(tally, place, run_id, undisturbed)
    tally.left += place.running() + place.left_behind()
    place.end()
    tally.settle()


@pytest.mark.faults
def test_a_folder_that_becomes_read_only(workplace, dataset, ensemble, small_disk: Path):
    """What is there can be read and is not harmed; what would write says so in one sentence."""
    place = Workplace(small_disk / "work")
    place.take(dataset, ensemble)
    before = {path: path.read_bytes() for path in small_disk.rglob("*") if path.is_file()}
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    elsewhere = workplace()
    for entry_point, options in (
        ("make_data", {"name": "another", "ensemble": "small", "data_dir": place.data}),
        ("train", {**TRAINING, "data_dir": place.data}),
    ):
        process = elsewhere.start(entry_point, **options)
        done = subprocess.CompletedProcess([], process.wait(120), "", elsewhere.said(process))
        assert_one_sentence(done, "the file system is read-only: choose another data_dir")
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert {path: path.read_bytes() for path in small_disk.rglob("*") if path.is_file()} == before


@pytest.mark.faults
def test_a_clock_that_jumps_back(workplace, undisturbed: Workplace, dataset, tmp_path: Path):
    """An hour back in the middle of a training: nothing is lost or doubled, and nobody takes the living run for dead."""
    tally, place, trigger = Tally("train", "clock an hour back", injected=1), workplace(), tmp_path / "back"
    place.take(dataset)
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock" / "sitecustomize.py").write_text(CLOCK.format(trigger=str(trigger)))
    place.environment["PYTHONPATH"] += f"{os.pathsep}{tmp_path / 'clock'}"
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
    wait_for((place.data / "runs" / run_id / "current.pt").exists)
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
    best = weights(place.artifact(run_id, "checkpoints/best.pt"))
    assert all(torch.isfinite(value).all() for value in best.values())
    tally.left += place.running() + place.left_behind()
    tally.settle()
