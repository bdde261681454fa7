import errno
import gc
import itertools
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from glassliquid.errors import UserError
from glassliquid.files import UncachedFile
from glassliquid.models.network import build_model
from glassliquid.training.checkpoint import (
    BEST,
    CURRENT,
    State,
    describe_state,
    load_checkpoint,
    restore_model,
)
from glassliquid.training.checkpoint_writer import CheckpointWriter
from glassliquid.training.config import TrainConfig
from glassliquid.training.progress import Progress


def state(iteration: int = 1, image_size: int = 32) -> State:
    model = build_model("compact", image_size, 0.5, torch.Generator().manual_seed(0))
    data = {"name": "data", "digest": "d", "image_size": image_size}
    return {**describe_state(TrainConfig(), data, "run", iteration, Progress()), "model": model.state_dict()}


class Hostile:
    """A pickle that would create a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_writes_and_loads(tmp_path: Path):
    writer = CheckpointWriter(tmp_path)
    writer.save(lambda: state(1), is_best=True)
    writer.save(lambda: state(2), is_best=False, is_last=True)
    writer.finish()
    assert load_checkpoint(tmp_path / BEST)["iteration"] == 1
    assert load_checkpoint(tmp_path / CURRENT)["iteration"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [BEST, CURRENT]


def test_the_saved_state_is_a_copy(tmp_path: Path):
    weights = torch.zeros(3)
    writer = CheckpointWriter(tmp_path)
    writer.save(lambda: {**state(), "model": {"weights": weights}}, is_best=True)
    weights += 1  # the training goes on while the file is being written
    writer.finish()
    assert load_checkpoint(tmp_path / BEST)["model"]["weights"].tolist() == [0, 0, 0]


def test_copies_that_share_memory_one_after_another_do_not_mix(tmp_path: Path):
    """A copy takes the memory of one that has been written: neither file may show what came after it."""
    writer = CheckpointWriter(tmp_path)
    weights = torch.zeros(1000)
    for iteration in range(1, 8):
        weights.fill_(iteration)
        is_best = iteration in (2, 5)
        writer.save(lambda: {**state(), "model": {"weights": weights}}, is_best, is_last=True)
        if iteration % 2:
            writer.finish()
        if iteration == 5:
            best = load_checkpoint(tmp_path / BEST)["model"]["weights"]
            assert best.eq(5).all()
    writer.finish()
    assert load_checkpoint(tmp_path / BEST)["model"]["weights"].eq(5).all()
    assert load_checkpoint(tmp_path / CURRENT)["model"]["weights"].eq(7).all()


def test_the_last_state_is_written_however_busy_the_writer_is(tmp_path: Path):
    writer = CheckpointWriter(tmp_path)
    for iteration in range(1, 30):
        writer.save(lambda iteration=iteration: state(iteration), is_best=iteration == 7, is_last=iteration == 29)
    writer.finish()
    assert load_checkpoint(tmp_path / CURRENT)["iteration"] == 29
    assert load_checkpoint(tmp_path / BEST)["iteration"] == 7


@pytest.mark.parametrize(
    ("iteration_s", "between"),
    # Seconds of an iteration, and iterations from one saved state to the next: the newest that is whole is never
    # older than a minute, or than one iteration if that is longer, even if the next takes a fifth more time.
    [(16.0, 3), (20.0, 2), (30.0, 1), (300.0, 1)],
)
def test_a_state_is_saved_before_the_newest_is_a_minute_old(iteration_s: float, between: int, tmp_path: Path):
    now = 0.0
    taken = []
    writer = CheckpointWriter(tmp_path, clock=lambda: now)

    def make(iteration: int) -> State:
        nonlocal now
        now += 1.0  # what copying takes; a hundred times that is more than a minute
        taken.append(iteration)
        return state(iteration)

    for iteration in range(1, 14):
        now += iteration_s - (1.0 if taken and taken[-1] == iteration - 1 else 0.0)
        writer.save(lambda iteration=iteration: make(iteration), is_best=False)
        writer.finish()
    # The first is taken at once; the second may come early, as nothing is known of the iterations yet.
    assert {later - earlier for earlier, later in itertools.pairwise(taken[1:])} == {between}


def test_an_error_of_the_writing_thread_reaches_the_training(tmp_path: Path):
    blocked = tmp_path / "a file"
    blocked.touch()
    writer = CheckpointWriter(blocked)
    with pytest.raises(OSError, match="a file"):
        writer.save(state, is_best=True)
        writer.finish()


def test_a_hostile_pickle_is_refused_and_not_executed(tmp_path: Path):
    trap = tmp_path / "trap"
    for name, write in (
        ("torch.pt", torch.save),
        ("pickle.pt", lambda value, path: path.write_bytes(pickle.dumps(value))),
    ):
        path = tmp_path / name
        write({"format": 1, "model": Hostile(trap)}, path)
        with pytest.raises(UserError, match="was not executed"):
            load_checkpoint(path)
    assert not trap.exists()


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.99])
def test_a_cut_off_file_is_refused(tmp_path: Path, kept: float):
    path = tmp_path / "cut.pt"
    torch.save(state(), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(UserError, match=r"cannot be read|cut off"):
        load_checkpoint(path)


@pytest.mark.parametrize("image_size", [3, 15, 2049])
def test_images_of_a_size_that_no_dataset_has_are_refused(tmp_path: Path, image_size: int):
    """Images of 3 pixels are smaller than the network's first kernel; 15 and 2049 are just beyond what is drawn."""
    path = tmp_path / "size.pt"
    torch.save({**state(), "data": {"name": "data", "digest": "d", "image_size": image_size}}, path)
    with pytest.raises(UserError, match=f"{image_size} stands where a whole number from 16 to 2048 should be"):
        load_checkpoint(path)


def test_a_damaged_file_is_refused(tmp_path: Path):
    """One bit of a weight: PyTorch itself loads it without a word."""
    path = tmp_path / BEST
    torch.save({**state(), "model": {"weights": torch.zeros(100_000)}}, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    torch.load(path, weights_only=True)
    with pytest.raises(UserError, match="damaged"):
        load_checkpoint(path)


def test_a_compressed_file_is_refused(tmp_path: Path):
    """A few kilobytes could grow to any size while they are checked."""
    torch.save(state(), tmp_path / "plain.pt")
    with (
        zipfile.ZipFile(tmp_path / "plain.pt") as plain,
        zipfile.ZipFile(tmp_path / BEST, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for part in plain.infolist():
            packed.writestr(part.filename, plain.read(part))
    with pytest.raises(UserError, match="compressed"):
        load_checkpoint(tmp_path / BEST)


def test_what_is_no_checkpoint_is_refused(tmp_path: Path):
    path = tmp_path / "other.pt"
    torch.save({"weights": torch.zeros(2)}, path)
    with pytest.raises(UserError, match="not a checkpoint of this project"):
        load_checkpoint(path)
    with pytest.raises(UserError, match="There is no checkpoint"):
        load_checkpoint(tmp_path / "missing.pt")


def test_weights_of_another_network_are_refused():
    wrong = state()
    wrong["config"]["model"] = "cnn2018"
    with pytest.raises(UserError, match="do not fit the network 'cnn2018'"):
        restore_model(wrong)


def test_a_full_disk_is_an_error_and_not_the_end_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """PyTorch's writer of archives tries again in its destructor, where a second error aborts."""
    written: list[int] = []
    write = os.write

    def full(file: int, data) -> int:
        if written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(write(file, data))
        return written[-1]

    monkeypatch.setattr(os, "write", full)
    path = tmp_path / "state.pt"
    path.touch()
    with pytest.raises(OSError, match="No space left"), UncachedFile(path) as file:
        torch.save({"weights": torch.zeros(5_000_000)}, file)  # 20 MB, several blocks
    gc.collect()
    assert written
