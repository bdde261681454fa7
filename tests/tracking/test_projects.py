"""Steps of chains: run once, whoever comes to them; a stopped one continues where that can be."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest

from glassliquid.tracking.projects import step_key

MLPROJECT = """
name: small
entry_points:
  step:
    parameters:
      notes: {type: string}
      resume: {type: string, default: none}
    command: "python step.py --notes {notes} --resume {resume}"
"""
STEP = """
import sys, time
from glassliquid.tracking.run import tracked_run
_, _, notes, _, resume = sys.argv
with tracked_run("step", "step", None if resume == "none" else resume):
    with open(notes, "a") as file:
        file.write(resume + "\\n")
    time.sleep(2)
"""
CHAIN = """
import json, sys
from pathlib import Path
from glassliquid.tracking.projects import run_step
from glassliquid.tracking.run import tracked_run
project = Path({project!r})
def can_resume(run):
    return run.status == "KILLED"
print("ready", flush=True)
sys.stdin.readline()
with tracked_run("main", "chain"):
    done = run_step(
        project, project / "locks", "step", {{"notes": {notes!r}}}, lambda: {{"data": {digest}}}, can_resume
    )
print(json.dumps([done.run_id, done.reused]), flush=True)
"""
Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An MLflow project of one step, which notes that it was run, and a store for it."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "MLproject").write_text(MLPROJECT)
    (folder / "step.py").write_text(STEP)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    return folder


def two_chains(start_python: Start, project: Path, digest: str = "'d'") -> list[tuple[str, bool]]:
    """What two chains that begin at once say of their step."""
    program = CHAIN.format(project=str(project), notes=str(project / "notes"), digest=digest)
    both = [start_python(program) for _ in range(2)]
    for process in both:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("\n")
        process.stdin.flush()
    found = []
    for process in both:
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0, out
        run_id, reused = json.loads(out.splitlines()[-1])
        found.append((run_id, reused))
    return found


def test_of_two_chains_one_runs_a_step_and_the_other_reuses_it(start_python: Start, project: Path):
    """Though the step makes what it begins with, so that its fingerprint is another one afterwards."""
    digest = f"'made' if Path({str(project / 'notes')!r}).exists() else 'missing'"
    found = two_chains(start_python, project, digest)
    assert (project / "notes").read_text() == "none\n"
    assert len({run_id for run_id, _ in found}) == 1
    assert sorted(reused for _, reused in found) == [False, True]


def test_of_two_chains_one_goes_on_with_a_killed_step_and_the_other_waits(start_python: Start, project: Path):
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{project.parent / 'mlflow.db'}")
    client = mlflow.MlflowClient()
    key = step_key(project, "step", {"notes": str(project / "notes")}, {"data": "d"})
    run_id = client.create_run("0", tags={"step_key": key}).info.run_id
    client.set_terminated(run_id, "KILLED")
    found = two_chains(start_python, project)
    assert client.get_run(run_id).info.status == "FINISHED"
    statuses = [run.info.status for run in client.search_runs(["0"])]
    mlflow.set_tracking_uri(before)
    assert (project / "notes").read_text() == f"{run_id}\n"
    assert found[0][0] == found[1][0] == run_id
    assert sorted(reused for _, reused in found) == [False, True]
    assert set(statuses) == {"FINISHED"}
