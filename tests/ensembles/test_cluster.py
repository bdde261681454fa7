"""Ensembles on a Dask cluster of real processes: equal to those made here, whatever dies."""

import os
import shutil
import signal
import threading
import time

import pytest

from glassliquid.ensembles import cluster, connection
from glassliquid.ensembles.cluster import open_pool
from glassliquid.ensembles.dask_settings import variables
from glassliquid.ensembles.ensemble import plan_ensemble
from glassliquid.ensembles.job_queue import read_configuration
from glassliquid.ensembles.making import make_ensemble
from glassliquid.ensembles.worker_check import Requirements, own_versions, run_checked
from glassliquid.ensembles.workers import run_all
from glassliquid.errors import UserError
from glassliquid.files import PARTIAL_SUFFIX
from tests.conftest import PROTOCOL, ROOT, SEED, SIMULATIONS, contents, ignore_progress
from tests.ensembles.dask_cluster import DaskCluster, wait_until
from tests.ensembles.test_workers import end_the_worker, end_the_worker_once, refuse, sleep, square


@pytest.fixture(scope="module")
def shared_cluster(tmp_path_factory):
    """Two workers, for tests that kill nothing."""
    with DaskCluster(tmp_path_factory.mktemp("dask")) as running:
        for _ in range(2):
            running.start_worker()
        yield running


@pytest.fixture
def own_cluster(tmp_path):
    """A scheduler whose workers the test starts, and may kill."""
    folder = tmp_path / "dask"
    folder.mkdir()
    with DaskCluster(folder) as running:
        yield running


def make(folder, pool, report=ignore_progress):
    return make_ensemble(plan_ensemble(folder, "demo", PROTOCOL, SIMULATIONS, SEED), pool, report)


def open_and_close(workers, scheduler, folder):
    with open_pool(workers, scheduler, folder):
        pass


def test_an_ensemble_is_the_same_byte_for_byte(shared_cluster, ensemble, tmp_path):
    told = []
    with open_pool(None, shared_cluster.address, tmp_path) as pool:
        assert pool.size == 2
        made = make(tmp_path / "ensembles" / "small", pool, lambda done, total: told.append((done, total)))
    assert contents(made.folder) == contents(ensemble.folder)
    assert told == [(done, SIMULATIONS) for done in range(SIMULATIONS + 1)]
    assert not list(tmp_path.glob(".cluster-*"))


def test_an_error_in_a_task_arrives_as_itself(shared_cluster, tmp_path):
    with open_pool(None, shared_cluster.address, tmp_path) as pool:
        with pytest.raises(UserError, match="0 is refused: pass another"):
            list(run_all(pool, refuse, [0]))
        assert list(run_all(pool, square, [3])) == [(3, 9)]


@pytest.mark.faults
@pytest.mark.parametrize("nanny", [False, True], ids=["which is gone", "which is started again"])
def test_a_killed_worker_costs_only_its_simulation(own_cluster, ensemble, tmp_path, nanny):
    """Without a nanny the other worker does the rest; with one, the killed worker's successor helps."""
    victim = own_cluster.start_worker(nanny=nanny)
    own_cluster.start_worker()

    def kill(done, total):
        if done == 4:
            process = own_cluster.worker_process(victim)
            process.send_signal(signal.SIGKILL)

    with open_pool(None, own_cluster.address, tmp_path) as pool:
        made = make(tmp_path / "ensembles" / "small", pool, kill)
    assert contents(made.folder) == contents(ensemble.folder)
    assert not list(made.folder.glob(f".*{PARTIAL_SUFFIX}"))


@pytest.mark.faults
def test_all_workers_die_and_others_join(own_cluster, ensemble, tmp_path):
    first = own_cluster.start_worker()

    def exchange(done, total):
        if done == 4:
            first.kill()
            first.wait()
            threading.Timer(1.0, own_cluster.start_worker).start()

    with open_pool(None, own_cluster.address, tmp_path) as pool:
        made = make(tmp_path / "ensembles" / "small", pool, exchange)
    assert contents(made.folder) == contents(ensemble.folder)


@pytest.mark.faults
def test_a_task_that_kills_its_worker_once_is_run_again(own_cluster, tmp_path):
    own_cluster.start_worker(nanny=True)
    tasks = [(tmp_path / "marker", number) for number in range(10)]
    with open_pool(None, own_cluster.address, tmp_path) as pool:
        found = sorted(result for _, result in run_all(pool, end_the_worker_once, tasks))
    assert found == [number**2 for number in range(10)]


@pytest.mark.slow
@pytest.mark.faults
def test_a_task_that_always_kills_its_worker_ends_in_one_sentence(own_cluster, tmp_path):
    """Dask gives a task up after four dead workers, and it is handed out three times."""
    own_cluster.start_worker(nanny=True)
    died = pytest.raises(UserError, match=r"^A worker process died 3 times .* fewer workers\.$")
    with open_pool(None, own_cluster.address, tmp_path) as pool, died:
        list(run_all(pool, end_the_worker, [0]))


@pytest.mark.faults
def test_a_dead_scheduler_ends_in_one_sentence_and_keeps_what_is_done(own_cluster, ensemble, tmp_path, pool):
    own_cluster.start_worker()

    def kill(done, total):
        if done == 4:
            own_cluster.processes[0].kill()

    folder = tmp_path / "ensembles" / "small"
    started = time.monotonic()
    lost = pytest.raises(UserError, match=r"The scheduler tcp://.* stopped answering: .* what is finished is kept")
    with lost, open_pool(None, own_cluster.address, tmp_path) as remote:
        make(folder, remote, kill)
    assert time.monotonic() - started < 60
    finished = contents(folder)
    assert len([name for name in finished if name.startswith("sim-")]) >= 4
    make(folder, pool)
    assert contents(folder) == contents(ensemble.folder)


@pytest.mark.faults
def test_workers_that_never_come_back_end_in_one_sentence(own_cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "NO_WORKER_S", 0.5)
    worker = own_cluster.start_worker()
    alone = pytest.raises(UserError, match=r"has had no worker for 0 seconds: .* what is finished is kept")
    with open_pool(None, own_cluster.address, tmp_path) as pool, alone:
        threading.Timer(1.0, worker.kill).start()
        list(run_all(pool, sleep, [30]))


def test_a_scheduler_out_of_reach_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(connection, "CONNECT_S", 1.0)
    started = time.monotonic()
    with pytest.raises(UserError, match=r"The scheduler tcp://127\.0\.0\.1:9 cannot be reached .*: start it with"):
        open_and_close(None, "tcp://127.0.0.1:9", tmp_path)
    assert time.monotonic() - started < 5
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("address", ["tcp://nowhere", "carrier-pigeon://host:1", "tcp://:x"])
def test_an_address_that_is_none_is_one_sentence(address, tmp_path):
    with pytest.raises(UserError, match=f"The scheduler {address} cannot be reached"):
        open_and_close(None, address, tmp_path)


@pytest.mark.parametrize("slow_starts", [1, 2, 3])
def test_a_busy_machine_on_which_the_client_starts_late(monkeypatch, own_cluster, tmp_path, slow_starts):
    """Dask gives its thread ten seconds and then says nothing but AssertionError."""
    import distributed

    real, starts = distributed.Client, []

    def start(*arguments, **options):
        starts.append(1)
        assert len(starts) > slow_starts
        return real(*arguments, **options)

    monkeypatch.setattr(distributed, "Client", start)
    monkeypatch.setattr(connection, "FIRST_WORKER_S", 0.5)
    # The cluster has no workers, which is found out once the client is there.
    with pytest.raises(UserError, match="has no workers" if slow_starts < 3 else "too busy to start Dask's client"):
        open_and_close(None, own_cluster.address, tmp_path)


def test_a_scheduler_without_workers_is_one_sentence(own_cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "FIRST_WORKER_S", 0.5)
    with pytest.raises(UserError, match="has no workers: start one worker process per core, each with one thread"):
        open_and_close(None, own_cluster.address, tmp_path)


def other_code(folder):
    shutil.copytree(ROOT / "src" / "glassliquid", folder / "glassliquid")
    with (folder / "glassliquid" / "physics" / "engine.py").open("a") as file:
        file.write("# another version\n")


def no_code(folder):
    (folder / "glassliquid").mkdir(parents=True)
    (folder / "glassliquid" / "__init__.py").write_text("raise ImportError('none here')")


def other_numpy(folder):
    """Metadata that comes first on the path, as another installation's would."""
    shutil.copytree(ROOT / "src" / "glassliquid", folder / "glassliquid")
    (folder / "numpy-1.0.0.dist-info").mkdir()
    (folder / "numpy-1.0.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 1.0.0\n")


@pytest.mark.parametrize(
    ("prepare", "options", "message"),
    [
        (
            other_code,
            (),
            r"has glassliquid's code \w{12} where this command has \w{12}: start one worker process per core",
        ),
        (no_code, (), "cannot run glassliquid"),
        (other_numpy, (), r"has numpy 1\.0\.0 where this command has 2\."),
        (None, ("--nthreads", "2"), "has 2 threads, but LAMMPS runs one simulation per process"),
    ],
)
def test_a_worker_that_does_not_fit_is_refused(own_cluster, tmp_path, prepare, options, message):
    code = ROOT / "src"
    if prepare:
        code = tmp_path / "code"
        prepare(code)
    own_cluster.start_worker(*options, code=code)
    with pytest.raises(UserError, match=rf"^The worker tcp://[\d.:]+ {message}"):
        open_and_close(None, own_cluster.address, tmp_path / "data")


@pytest.mark.parametrize(
    ("prepare", "message"),
    [(other_code, r"has glassliquid's code \w{12} where this"), (no_code, "cannot run glassliquid")],
)
def test_a_scheduler_that_does_not_fit_is_refused(tmp_path, prepare, message):
    """It reads the tasks on their way to the workers."""
    prepare(tmp_path / "code")
    (tmp_path / "dask").mkdir()
    with DaskCluster(tmp_path / "dask", tmp_path / "code") as running:
        running.start_worker()
        with pytest.raises(UserError, match=f"^The scheduler {message}.*start it with the .venv and the code of this"):
            open_and_close(None, running.address, tmp_path / "data")


def test_a_worker_that_joins_later_is_checked_as_well(own_cluster, tmp_path):
    first = own_cluster.start_worker()
    other_code(tmp_path / "code")

    def exchange_worker():
        first.kill()
        own_cluster.start_worker(code=tmp_path / "code")

    with open_pool(None, own_cluster.address, tmp_path / "data") as pool:
        assert list(run_all(pool, square, [3])) == [(3, 9)]
        exchange_worker()
        with pytest.raises(UserError, match="has glassliquid's code"):
            list(run_all(pool, square, [3]))


def test_a_worker_without_the_file_system_is_refused(tmp_path):
    hidden = Requirements(own_versions(), tmp_path / "elsewhere" / ".cluster-1" / "token", "token")
    with pytest.raises(
        UserError, match=r"does not see .*elsewhere, so data_dir is not on a file system that it shares"
    ):
        run_checked(hidden, square, 3)
    other = tmp_path / ".cluster-1" / "token"
    other.parent.mkdir()
    other.write_text("of another machine")
    with pytest.raises(UserError, match="does not see"):
        run_checked(Requirements(own_versions(), other, "token"), square, 3)
    # What was found is kept for the process, so that this asks with a token of its own.
    other.write_text("another token")
    assert run_checked(Requirements(own_versions(), other, "another token"), square, 3) == 9


def test_number_of_workers_belongs_to_who_starts_them(tmp_path):
    with pytest.raises(UserError, match=r"workers is 4, but with scheduler tcp://.* leave workers=auto"):
        open_and_close(4, "tcp://127.0.0.1:9", tmp_path)


def test_jobs_of_a_queue_make_the_same_ensemble(ensemble, tmp_path, monkeypatch):
    """dask-jobqueue's own `local` system: its jobs are processes of this machine."""
    configuration = tmp_path / "queue.yaml"
    configuration.write_text("jobqueue:\n  local:\n    cores: 1\n    memory: 1GB\n")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}{os.pathsep}{ROOT}")
    with open_pool(2, str(configuration), tmp_path / "data") as pool:
        made = make(tmp_path / "data" / "ensembles" / "small", pool)
        wait_until(lambda: pool.connected() == 2)
    assert contents(made.folder) == contents(ensemble.folder)


SBATCH = """#!/bin/sh
echo "$1" >>"{folder}/submitted"
cp "$1" "{folder}/script"
env -u PYTHONPATH bash "{folder}/script" >"{folder}/job.log" 2>&1 &
echo "Submitted batch job $!"
"""
"""Stands for SLURM's: runs the job's script at once, on this machine."""


def test_jobs_of_slurm_run_this_code_with_one_thread_a_core(ensemble, tmp_path, monkeypatch):
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in (("sbatch", SBATCH.format(folder=tmp_path)), ("scancel", '#!/bin/sh\nkill "$@"\n')):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    configuration = tmp_path / "slurm.yaml"
    prologue = f"export PYTHONPATH={ROOT}"  # for the functions that tests hand to workers
    slurm = f"{{cores: 2, memory: 2GB, walltime: '01:00:00', interface: lo, job-script-prologue: ['{prologue}']}}"
    configuration.write_text(f"jobqueue: {{slurm: {slurm}}}")
    with open_pool(2, str(configuration), tmp_path / "data") as pool:
        made = make(tmp_path / "data" / "ensembles" / "small", pool)
        wait_until(lambda: pool.connected() == 2)
    assert contents(made.folder) == contents(ensemble.folder)
    script = (tmp_path / "script").read_text()
    assert "--nworkers 2" in script
    assert "--nthreads 1" in script
    assert script.index(prologue) < script.index(f'export PYTHONPATH="{ROOT / "src"}:$PYTHONPATH"')
    # What docs/CLUSTER.md asks for where workers are started by hand, too.
    documented = (ROOT / "docs" / "CLUSTER.md").read_text()
    for name, value in variables().items():
        assert f"export {name}={value}" in script
        assert f"{name}={value}" in documented
    assert len((tmp_path / "submitted").read_text().splitlines()) == 1  # one job of two cores


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jobqueue: {slurm: {cores: 4}}", "must say how many cores and how much memory"),
        ("jobqueue: {slurm: {memory: 4GB}}", "must say how many cores"),
        ("jobqueue: {slurm: {cores: four, memory: 4GB}}", "must say how many cores"),
        (
            "jobqueue: {slurm: {cores: 4, memory: 4GB, processes: 2}}",
            "processes: 2 for cores: 4.* one simulation per process",
        ),
        ("jobqueue: {cron: {cores: 4, memory: 4GB}}", "does not configure one queueing system: .*slurm, pbs, lsf"),
        ("jobqueue: {slurm: {}, pbs: {}}", "does not configure one queueing system"),
        ("[1, 2]", "does not configure one queueing system"),
        ("jobqueue: [", "cannot be read as YAML"),
        ("jobqueue: !!python/object/apply:os.system ['touch trap']", "cannot be read as YAML"),
    ],
)
def test_a_configuration_that_is_none_is_one_sentence(tmp_path, text, message):
    path = tmp_path / "queue.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message), open_pool(None, str(path), tmp_path / "data"):
        pass


def test_a_queue_that_is_not_here_is_one_sentence(tmp_path):
    path = tmp_path / "queue.yaml"
    path.write_text("jobqueue: {slurm: {cores: 4, memory: 4GB}}")
    assert read_configuration(path) == ("slurm", {"cores": 4, "memory": "4GB", "processes": 4})
    with pytest.raises(UserError, match="for slurm, whose command sbatch is not on this machine"):
        open_and_close(8, str(path), tmp_path / "data")


@pytest.mark.parametrize("scheduler", ["missing.yaml", "slurm", ""])
def test_a_scheduler_that_is_none_is_one_sentence(tmp_path, scheduler):
    with pytest.raises(UserError, match=rf"scheduler is '{scheduler}': pass none, an address such as tcp://host:8786"):
        open_and_close(None, scheduler, tmp_path)
