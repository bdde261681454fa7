"""A state with which no training can continue is told apart from one that cannot be had at this moment."""

import errno
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
import torch
from mlflow import MlflowClient

from glassliquid.errors import UserError
from glassliquid.sessions.resumable import can_resume
from glassliquid.tracking.find_model import CHECKPOINT_FOLDER, find_model, run_checkpoint
from glassliquid.tracking.store import TrackingLost
from glassliquid.tracking.stored import find_run
from glassliquid.training import checkpoint
from glassliquid.training.checkpoint import BEST, CURRENT, UnusableCheckpoint, load_checkpoint, save_checkpoint
from tests.commands.conftest import Command
from tests.group.servers import mlflow_server

pytestmark = pytest.mark.xdist_group("resume")

SETTINGS = {"batch_size": 14, "iterations": 4, "batches_per_iteration": 2, "eval_every": 1, "register_as": "none"}


@pytest.fixture(scope="module")
def states(command: Command, client: MlflowClient, own_dir: Path) -> Path:
    """The states that a training of one iteration has left, which is then stopped."""
    done = command("train", data_dir=own_dir, max_hours=0.0000001, version="unusable", **SETTINGS)
    assert done.returncode == 75, done.stderr
    (run,) = client.search_runs(["0"], "tags.version = 'unusable'")
    return own_dir / "runs" / run.info.run_id


@pytest.fixture
def stopped(states: Path, client: MlflowClient) -> Iterator[Callable[..., Path]]:
    """Makes a stopped run with these states; its folder among the runs."""
    made: list[Path] = []

    def make(**tags: str) -> Path:
        run_id = client.create_run("0", tags=tags).info.run_id
        client.set_terminated(run_id, "KILLED")
        folder = states.parent / run_id
        folder.mkdir()
        made.append(folder)
        for name in (CURRENT, BEST):
            save_checkpoint(replace(load_checkpoint(states / name), run_id=run_id), folder / name)
        return folder

    yield make
    for folder in made:
        shutil.rmtree(folder)


def lose(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def without(key: str) -> Callable[[Path], None]:
    def remove(folder: Path) -> None:
        save_checkpoint(replace(load_checkpoint(folder / CURRENT), **{key: {}}), folder / CURRENT)

    return remove


def cut_off(folder: Path) -> None:
    whole = (folder / CURRENT).read_bytes()
    (folder / CURRENT).write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lose(BEST), "has lost its best checkpoint, that of iteration 1"),
        (without("optimizer"), "lacks its optimizer"),
        (without("generators"), "lacks its generators"),
        (cut_off, "or it is damaged"),
    ],
    ids=["best lost", "no optimizer", "no generators", "cut off"],
)
def test_a_chain_leaves_a_training_that_cannot_go_on(
    stopped, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None], reason: str
):
    folder = stopped()
    run = find_run(folder.name)
    assert run is not None
    assert can_resume(run, folder.parent)
    damage(folder)
    assert capsys.readouterr().out == ""
    assert not can_resume(run, folder.parent)
    said = capsys.readouterr().out
    assert said.startswith(f"The training of the run {folder.name} cannot continue, and that run is left as it is: ")
    assert any(each in said for each in reason.split("|")), said


def test_a_chain_leaves_a_training_that_was_resumed_in_vain(stopped, capsys):
    folder = stopped(cannot_go_on="Because.")
    run = find_run(folder.name)
    assert run is not None
    assert not can_resume(run, folder.parent)
    assert "Because." in capsys.readouterr().out
    assert not can_resume(run, folder.parent / "elsewhere")
    assert capsys.readouterr().out == "", "a run without a state is no news"


def test_a_chain_does_not_repeat_a_training_that_has_diverged(stopped):
    folder = stopped(diverged="true")
    run = find_run(folder.name)
    assert run is not None
    with pytest.raises(UserError, match=f"has diverged, in the run {folder.name}: choose another seed or model"):
        can_resume(run, folder.parent)


def test_a_training_that_goes_on_after_all_says_nothing_of_its_failures(
    stopped, command: Command, client: MlflowClient
):
    folder = stopped(cannot_go_on="Because.", diverged="true", error="Because.")
    done = command("train", data_dir=folder.parents[1], resume=folder.name, register_as="none")
    assert done.returncode == 0, done.stderr
    run = client.get_run(folder.name)
    assert run.info.status == "FINISHED"
    assert not {"cannot_go_on", "error"} & run.data.tags.keys()
    assert run.data.tags["diverged"] == "false"


@pytest.mark.parametrize(
    ("damage", "message"),
    [(lose(BEST), "has lost its best checkpoint"), (without("batches"), "lacks its batches")],
    ids=["best lost", "no batches"],
)
def test_resuming_such_a_training_fails_at_once_and_is_noted(
    stopped, quick_command: Command, client: MlflowClient, damage: Callable[[Path], None], message: str
):
    folder = stopped()
    damage(folder)
    done = quick_command("train", data_dir=folder.parents[1], resume=folder.name)
    assert done.returncode == 2
    assert message in done.stderr
    run = client.get_run(folder.name)
    assert run.info.status == "FAILED"
    assert message in run.data.tags["cannot_go_on"]
    assert message in run.data.tags["error"]


def test_a_damaged_copy_says_nothing_of_its_run(stopped, quick_command: Command, client: MlflowClient, tmp_path: Path):
    folder = stopped()
    copy = tmp_path / "copy.safetensors"
    save_checkpoint(replace(load_checkpoint(folder / CURRENT), optimizer={}), copy)
    done = quick_command("train", data_dir=folder.parents[1], resume=copy)
    assert done.returncode == 2
    assert "lacks its optimizer" in done.stderr
    assert "cannot_go_on" not in client.get_run(folder.name).data.tags


LIMITED = """
import resource, sys
from pathlib import Path
from glassliquid.errors import UserError
from glassliquid.training import checkpoint
from glassliquid.training.checkpoint import load_checkpoint
path, limit = Path({path!r}), resource.{limit}
load_checkpoint(path)
soft, hard = resource.getrlimit(limit)
held = []
{use_up}
try:
    load_checkpoint(path)
except UserError as error:
    print(type(error).__name__, error)
"""
FILES = """
resource.setrlimit(limit, (64, hard))
try:
    while True:
        held.append(open("/dev/null"))
except OSError:
    pass
"""
MEMORY = """
size = [int(word) for word in Path("/proc/self/statm").read_text().split()][0] * resource.getpagesize()
resource.setrlimit(limit, (size + (64 << 20), hard))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process that others lack")
@pytest.mark.parametrize(
    ("limit", "use_up", "reason"),
    [("RLIMIT_NOFILE", FILES, "Too many open files"), ("RLIMIT_AS", MEMORY, "memory")],
    ids=["files", "memory"],
)
def test_what_the_machine_cannot_read_now_is_not_damaged(
    start_python, states: Path, tmp_path: Path, limit: str, use_up: str, reason: str
):
    """A state of 128 MiB, of which no part is damaged."""
    path = tmp_path / CURRENT
    save_checkpoint(replace(load_checkpoint(states / CURRENT), model={"weights": torch.ones(32 << 20)}), path)
    process = start_python(LIMITED.format(path=str(path), limit=limit, use_up=use_up))
    out, _ = process.communicate(timeout=60)
    assert out.startswith("UserError The checkpoint"), out
    assert reason in out
    assert "correct that, then run the same command again" in out


@pytest.mark.parametrize("fault", [OSError(errno.EIO, "Input/output error"), MemoryError()], ids=["disk", "memory"])
def test_a_fault_of_the_machine_ends_a_chain_instead_of_its_training(
    stopped, monkeypatch: pytest.MonkeyPatch, fault: Exception
):
    folder = stopped()
    run = find_run(folder.name)
    assert run is not None

    def fail(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(checkpoint, "safe_open", fail)
    with pytest.raises(UserError, match="correct that, then run the same command again") as caught:
        can_resume(run, folder.parent)
    assert not isinstance(caught.value, UnusableCheckpoint)


def test_a_server_that_is_lost_is_not_told_as_a_missing_run_or_checkpoint(
    states: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    before, server = mlflow.get_tracking_uri(), mlflow_server(tmp_path / "server")
    server.start()
    try:
        mlflow.set_tracking_uri(server.address)
        client = MlflowClient()
        run_id = client.create_run("0").info.run_id
        client.set_terminated(run_id, "KILLED")
        client.log_artifact(run_id, str(states / CURRENT), CHECKPOINT_FOLDER)
        run = find_run(run_id)
        assert run is not None and not (tmp_path / run_id).exists()
        assert run_checkpoint(run_id, CURRENT, tmp_path).iteration == 1
        with pytest.raises(UnusableCheckpoint, match=r"has no checkpoint checkpoints/best\.safetensors"):
            run_checkpoint(run_id, BEST, tmp_path)
        with pytest.raises(UserError, match="There is no run"):
            run_checkpoint("0" * 32, CURRENT, tmp_path)
        present = mlflow.artifacts.download_artifacts

        def lost_meanwhile(**arguments: str) -> str:
            server.kill()
            return str(present(**arguments))

        with monkeypatch.context() as within:
            within.setattr(mlflow.artifacts, "download_artifacts", lost_meanwhile)
            with pytest.raises(TrackingLost):
                run_checkpoint(run_id, CURRENT, tmp_path)
        for call in (
            lambda: find_run(run_id),
            lambda: run_checkpoint(run_id, CURRENT, tmp_path),
            lambda: find_model("models:/glass-liquid@data_liquid5", tmp_path),
            lambda: can_resume(run, tmp_path),
        ):
            with pytest.raises(TrackingLost):
                call()
    finally:
        server.kill()
        mlflow.set_tracking_uri(before)
