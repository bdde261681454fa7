"""Studies in a database that several commands share."""

import os
import signal
import sys
import time

import pytest

from tests.commands.sweeps import LONG, SMALL, assert_complete, running, sweeps, trials, wait_for
from tests.postgresql import server

# One process, as the other tests of sweeps: the studies lie in the shared data.
pytestmark = pytest.mark.xdist_group("sweep")


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
