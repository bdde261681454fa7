"""A sweep through its real command line: workers and commands that are killed or stopped."""

import os
import re
import signal
from pathlib import Path

import pytest

from tests.commands.sweeps import LONG, assert_complete, running, states, sweeps, trials, wait_for

# One process, as the other tests of sweeps: the studies lie in the shared data.
pytestmark = pytest.mark.xdist_group("sweep")


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


def _is_sweeping(pid: int) -> bool:
    try:
        return "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False
