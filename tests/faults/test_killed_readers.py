"""transfer_eval and report, killed at random moments: the same command gives the table and the page of the undisturbed one."""

import csv
import re
import subprocess
from pathlib import Path

import pytest
from mlflow.entities import Run

from tests.faults.conftest import long, short
from tests.faults.figures import Tally
from tests.faults.kills import Killer, Phase, changes
from tests.faults.workplace import Workplace

LIQUIDS = "5,60,100"


def rows(place: Workplace, run_id: str) -> list[list[str]]:
    """The table of a transfer_eval, without the name of the model's run."""
    with place.artifact(run_id, "transfer.csv").open() as file:
        return [row[1:] for row in csv.reader(file)]


def page(path: Path) -> str:
    """A report without the time at which it was written."""
    return re.sub(r"written \d{4}-\d\d-\d\d \d\d:\d\d", "written", path.read_text())


@pytest.mark.faults
@pytest.mark.parametrize("kills", [short(1), long(32)])
def test_killed_transfer_eval(kills: int, fault_seed: int, undisturbed: Workplace):
    tally, place = Tally("transfer_eval", "SIGKILL"), undisturbed
    killer = Killer(fault_seed, tally, kills)
    options = {"model": "models:/glass-liquid@data_liquid5", "liquids": LIQUIDS, "data_dir": "data"}
    place.run("transfer_eval", **options)
    (expected,) = place.runs("transfer_eval")
    seen = [expected.info.run_id]
    begun = changes(lambda: len(place.runs("transfer_eval")))

    def fresh_runs() -> list[Run]:
        return [run for run in place.runs("transfer_eval") if run.info.run_id not in seen]

    def go_on() -> subprocess.Popen[str] | None:
        if any(run.info.status == "FINISHED" for run in fresh_runs()):
            return None  # killed in its last moment, with everything done
        return place.start("transfer_eval", **options)

    while killer.has_more:
        killer.until_done(place, go_on, [Phase(1, 4.0), Phase(3, 3.0, begun)])
        fresh = fresh_runs()
        (finished,) = [run for run in fresh if run.info.status == "FINISHED"]
        tally.same("table", rows(place, finished.info.run_id), rows(place, expected.info.run_id))
        tally.same("metrics", finished.data.metrics, expected.data.metrics)
        seen += [run.info.run_id for run in fresh]
        tally.left += place.running() + place.left_behind()
    if kills > 10:
        tally.left += place.left_for_ever("tidy")
    tally.settle()


@pytest.mark.faults
@pytest.mark.parametrize("kills", [short(1), long(32)])
def test_killed_report(kills: int, fault_seed: int, undisturbed: Workplace):
    tally, place = Tally("report", "SIGKILL"), undisturbed
    killer = Killer(fault_seed, tally, kills)
    place.run("report", output="undisturbed.html")
    expected, output = page(place.folder / "undisturbed.html"), place.folder / "results_log.html"

    def whole() -> None:
        if output.exists():
            tally.same("page after a kill", page(output), expected)

    begun = changes(lambda: len(place.runs("report")))
    while killer.has_more:
        output.unlink(missing_ok=True)
        killer.until_done(place, lambda: place.start("report"), [Phase(1, 4.0), Phase(3, 2.0, begun)], whole)
        tally.same("page", page(output), expected)
        tally.left += place.running()
    if kills > 10:
        # A page is not locked while it is written, so its half-written copies count as abandoned only after a while. They lie
        # where the user wants the page, not below data_dir: the next report removes them.
        tally.left += place.left_for_ever("report", "tidy")
    tally.settle()
