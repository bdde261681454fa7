"""Ensembles whose making was cut short: the next command makes what is missing, and nothing else."""

import os
import shutil
import signal
import time

import pytest

from glassliquid.ensembles.ensemble import open_ensemble, plan_ensemble
from glassliquid.ensembles.inherent import inherent_energies, known_energies, make_inherent
from glassliquid.ensembles.making import make_ensemble
from glassliquid.errors import UserError
from glassliquid.files import PARTIAL_SUFFIX
from tests.conftest import PROTOCOL, SEED, SIMULATIONS, contents, ignore_progress
from tests.ensembles.test_workers import DyingPool, wait_until


def make(folder, pool, report=ignore_progress):
    return make_ensemble(plan_ensemble(folder, "demo", PROTOCOL, SIMULATIONS, SEED), pool, report)


class Interrupted(Exception):
    """Stands for Ctrl-C, which pytest would take for itself."""


def test_what_is_missing_is_made_again_byte_for_byte(ensemble, copied, pool):
    folder = copied(ensemble.folder)
    whole = contents(folder)
    for number in (1, 8, 20):
        (folder / f"sim-{number:05d}.gsd").unlink()
    kept = folder / "sim-00002.gsd"
    untouched = kept.stat().st_mtime_ns
    (folder / f".sim-00001.gsd.abc{PARTIAL_SUFFIX}").write_bytes(b"half a file")
    make(folder, pool)
    assert contents(folder) == whole
    assert kept.stat().st_mtime_ns == untouched
    assert not list(folder.glob(f".*{PARTIAL_SUFFIX}"))


def test_an_interruption_loses_no_finished_simulation(ensemble, tmp_path, pool):
    def interrupt(done, total):
        if done == 6:
            raise Interrupted("by the user")

    folder = tmp_path / "small"
    with pytest.raises(Interrupted, match="by the user"):
        make(folder, pool, report=interrupt)
    assert len(list(folder.glob("sim-*.gsd"))) >= 6
    make(folder, pool)
    assert contents(folder) == contents(ensemble.folder)


MAKE_DATA = f"""
from pathlib import Path
from glassliquid.datasets.config import MakeDataConfig
from glassliquid.datasets.make import make_data
make_data(MakeDataConfig(
    name="data_liquid5", preset="demo", ensemble="small", particles={PROTOCOL.particles}, liquid=5, glass=200,
    cooling_steps={PROTOCOL.cooling_steps}, snapshots={PROTOCOL.snapshots}, simulations={SIMULATIONS}, seed={SEED},
    image_size=64, workers=2, data_dir=Path(%r),
))
"""


@pytest.mark.faults
@pytest.mark.parametrize("kill", [os.killpg, os.kill], ids=["with its workers", "alone"])
def test_a_killed_make_data_goes_on_from_where_it_was(kill, ensemble, dataset, tmp_path, pool, start_python):
    folder = tmp_path / "ensembles" / "small"
    process = start_python(MAKE_DATA % str(tmp_path))
    wait_until(lambda: len(list(folder.glob("sim-*.gsd"))) >= 4, seconds=60)
    kill(process.pid, signal.SIGKILL)
    process.wait()
    finished = contents(folder)
    assert 4 <= len([name for name in finished if name.startswith("sim-")]) < SIMULATIONS
    # What is there is whole: the next command keeps it, and gives the ensemble that was never disturbed.
    whole = contents(ensemble.folder)
    assert {name: whole[name] for name in finished} == finished
    second = start_python(MAKE_DATA % str(tmp_path))
    assert second.wait(timeout=120) == 0
    assert contents(folder) == whole
    assert not list(folder.glob(f".*{PARTIAL_SUFFIX}"))
    assert contents(tmp_path / "datasets" / "data_liquid5") == contents(dataset.folder)


@pytest.mark.faults
def test_two_commands_at_once_make_one_ensemble_and_never_half_a_file(ensemble, tmp_path, start_python):
    """Whatever moment one looks at, every trajectory file that is there is the whole one."""
    whole = contents(ensemble.folder)
    folder = tmp_path / "ensembles" / "small"
    commands = [start_python(MAKE_DATA % str(tmp_path)) for _ in range(2)]
    looks = 0
    while any(command.poll() is None for command in commands):
        for path in folder.glob("sim-*.gsd"):
            assert path.read_bytes() == whole[path.name]
            looks += 1
        time.sleep(0.05)
    assert [command.returncode for command in commands] == [0, 0]
    assert contents(folder) == whole
    assert looks > SIMULATIONS


def test_a_truncated_simulation_is_named_when_it_is_needed(ensemble, copied, pool):
    copy = open_ensemble(copied(ensemble.folder))
    path = copy.path(copy.simulations[3])
    path.write_bytes(path.read_bytes()[:5_000])
    with pytest.raises(UserError, match=r"sim-00004\.gsd is damaged \(.*\): delete it and run make_data again"):
        make_inherent(copy, [5], pool, ignore_progress)
    path.unlink()
    make(copy.folder, pool)
    make_inherent(copy, [5], pool, ignore_progress)


def test_what_a_killed_worker_left_half_written_goes_with_the_command(ensemble, copied, pool):
    """The command continues with another worker, and ends well."""
    copy = open_ensemble(copied(ensemble.folder))
    copy.path(copy.simulations[4]).unlink()
    left = []

    def leave(folder):
        def report(_done, _total):
            if not left:
                left.append(folder / ".sim-00005.gsd.killed.partial")
                left[0].touch()

        return report

    for folder, work in (
        (copy.folder, lambda report: make(copy.folder, pool, report)),
        (copy.folder / "inherent", lambda report: make_inherent(copy, [5], pool, report)),
    ):
        left.clear()
        work(leave(folder))
        assert left
        assert not left[0].exists()


def test_dying_workers_end_in_a_short_sentence_and_keep_what_is_done(ensemble, copied):
    copy = open_ensemble(copied(ensemble.folder))
    copy.path(copy.simulations[4]).unlink()
    kept = contents(copy.folder)
    for work in (
        lambda: make(copy.folder, DyingPool(at_submit=False)),
        lambda: make_inherent(copy, [5], DyingPool(at_submit=False), ignore_progress),
    ):
        with pytest.raises(UserError, match="A worker process died 3 times") as ended:
            work()
        assert len(str(ended.value)) < 500
    left = contents(copy.folder)
    assert left.keys() - kept.keys() == {"inherent/inherent.json"}
    assert kept.items() <= left.items()


def test_an_interruption_loses_no_minimised_simulation(ensemble, copied, tmp_path, pool):
    def interrupt(done, total):
        if done == 6:
            raise Interrupted("by the user")

    undisturbed, folder = open_ensemble(copied(ensemble.folder)), tmp_path / "other"
    make_inherent(undisturbed, PROTOCOL.snapshots, pool, ignore_progress)
    shutil.copytree(ensemble.folder, folder, ignore=shutil.ignore_patterns("inherent"))
    again = open_ensemble(folder)
    with pytest.raises(Interrupted, match="by the user"):
        make_inherent(again, PROTOCOL.snapshots, pool, interrupt)
    finished = {path: path.stat().st_mtime_ns for path in (folder / "inherent").glob("sim-*.gsd")}
    assert 6 <= len(finished) < SIMULATIONS
    reported = []
    make_inherent(again, PROTOCOL.snapshots, pool, lambda done, _total: reported.append(done))
    assert reported == list(range(len(finished), SIMULATIONS + 1))
    assert all(path.stat().st_mtime_ns == written for path, written in finished.items())
    assert contents(folder / "inherent") == contents(undisturbed.folder / "inherent")
    energies = inherent_energies(again, PROTOCOL.snapshots)
    assert energies.shape == (SIMULATIONS, len(PROTOCOL.snapshots))
    indices, known = known_energies(again)
    assert indices == list(PROTOCOL.snapshots)
    assert (known == energies).all()


INHERENT = MAKE_DATA.replace("image_size=64,", "image_size=64, inherent=True,")


@pytest.mark.faults
def test_a_killed_minimisation_continues(ensemble, tmp_path, pool, start_python, copied):
    """All stored snapshots are asked for, by `snapshots`."""
    undisturbed = open_ensemble(copied(ensemble.folder))
    make_inherent(undisturbed, PROTOCOL.snapshots, pool, ignore_progress)
    target = tmp_path / "killed" / "ensembles" / "small"
    shutil.copytree(ensemble.folder, target, ignore=shutil.ignore_patterns("inherent"))
    process = start_python(INHERENT % str(tmp_path / "killed"))
    wait_until(lambda: len(list((target / "inherent").glob("sim-*.gsd"))) >= 3, seconds=60)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    again = start_python(INHERENT % str(tmp_path / "killed"))
    assert again.wait() == 0
    assert contents(target / "inherent") == contents(undisturbed.folder / "inherent")
