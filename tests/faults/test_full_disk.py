"""A disk that fills up in the middle of a command: one sentence, and with room again the same command ends as an undisturbed one."""

import contextlib
import errno
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.commands.test_bad_input import assert_one_sentence
from tests.conftest import contents
from tests.faults import test_killed_make_data, test_killed_readers, test_killed_sweep
from tests.faults.figures import Tally
from tests.faults.test_killed_train import compare
from tests.faults.workplace import PATIENCE_S, TRAINING, Workplace, trains

MOMENTS = 2
SENTENCE = "the disk is full|has room|disk is full|disk I/O error"
"""The system's words for it, PyTorch's and SQLite's."""


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


@pytest.mark.faults
def test_train(undisturbed: Workplace, dataset, small_disk: Path, tmp_path: Path):
    tally, place = Tally("train", "disk full", injected=1), Workplace(small_disk / "work", outputs=tmp_path)
    place.take(dataset)
    process = place.start("train", **TRAINING)
    run_id = trains(place)
    ballast = fill(small_disk)
    assert process.wait(120) == 2, place.said(process)
    assert_one_sentence(subprocess.CompletedProcess([], 2, "", place.said(process)), SENTENCE)
    ballast.unlink()
    place.run("train", resume=run_id)
    tally.compared += 1
    compare(tally, place, run_id, undisturbed)
    tally.left += place.running() + place.left_behind()
    place.end()
    tally.settle()


@dataclass(frozen=True)
class Case:
    """A command, what it leaves, and how that is taken away, so that it has everything to do again."""

    options: dict[str, Any]
    result: Callable[[Workplace], Any]
    forget: Callable[[Workplace], None] = lambda _: None
    needs_model: bool = False


def made(place: Workplace) -> Any:
    return {name: content for name, content in contents(place.data).items() if "second" in name}


def unmake(place: Workplace) -> None:
    for kind in ("ensembles", "datasets"):
        shutil.rmtree(place.data / kind / "second")


def trials(place: Workplace) -> Any:
    return test_killed_sweep.told(place, test_killed_sweep.complete(place, "s"))


def forget_study(place: Workplace) -> None:
    shutil.rmtree(place.data / "sweeps")
    for run in (*place.runs("trial"), *place.runs("sweep")):
        place.client.delete_run(run.info.run_id)


def last_table(place: Workplace) -> Any:
    finished = [run for run in place.runs("transfer_eval") if run.info.status == "FINISHED"]
    return test_killed_readers.rows(place, finished[-1].info.run_id), finished[-1].data.metrics


CASES = {
    "make_data": Case(
        {**test_killed_make_data.OPTIONS, "ensemble": "second", "name": "second", "seed": 2, "data_dir": "data"}, made, unmake
    ),
    "sweep": Case({**test_killed_sweep.OPTIONS, "trials": 2, "study": "s"}, trials, forget_study),
    "transfer_eval": Case(
        {"model": "models:/glass-liquid@data_liquid5", "liquids": test_killed_readers.LIQUIDS, "data_dir": "data"},
        last_table,
        needs_model=True,
    ),
    "report": Case(
        {"output": "page.html"},
        lambda place: test_killed_readers.page(place.folder / "page.html"),
        lambda place: (place.folder / "page.html").unlink(),
        needs_model=True,
    ),
}  # fmt: skip


@pytest.mark.faults
@pytest.mark.long
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("entry_point", CASES)
def test_other_commands(entry_point: str, fault_seed: int, dataset, ensemble, small_disk: Path, tmp_path: Path):
    case, draw = CASES[entry_point], random.Random(f"{fault_seed} {entry_point}")
    tally, place = Tally(entry_point, "disk full"), Workplace(small_disk / "work", outputs=tmp_path)
    place.take(dataset, ensemble)
    if case.needs_model:
        place.run("train", **TRAINING)
    began = time.monotonic()
    place.run(entry_point, **case.options)
    lasts, expected = time.monotonic() - began, case.result(place)
    for _ in range(MOMENTS):
        case.forget(place)
        process = place.start(entry_point, **case.options)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(draw.uniform(0, lasts))
        ballast = fill(small_disk)
        code = process.wait(timeout=PATIENCE_S)
        tally.injected += 1
        if code == -signal.SIGABRT:
            # PyTorch ends the process when it cannot write a model (docs/RELIABILITY.md); that there is room was
            # checked just before.
            assert "PyTorchStreamWriter" in place.said(process)
        elif code:
            assert_one_sentence(subprocess.CompletedProcess([], code, "", place.said(process)), SENTENCE)
        ballast.unlink()
        place.run(entry_point, **case.options)
        tally.compared += 1
        tally.same(entry_point, case.result(place), expected)
        tally.left += place.running() + place.left_behind()
    tally.left += place.left_for_ever("tidy")
    tally.left += map(str, place.orphans())
    place.end()
    tally.settle()
