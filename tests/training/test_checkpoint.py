import errno
import itertools
import json
import os
import pickle
import struct
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from glassliquid.errors import UserError
from glassliquid.inputs.images import Images
from glassliquid.models.network import build_model
from glassliquid.training import checkpoint
from glassliquid.training.checkpoint import (
    BEST,
    CURRENT,
    State,
    UnusableCheckpoint,
    is_machine_fault,
    load_checkpoint,
    save_checkpoint,
)
from glassliquid.training.checkpoint_writer import CheckpointWriter
from glassliquid.training.config import TrainConfig
from glassliquid.training.found_model import restore_model
from glassliquid.training.progress import Progress


def state(iteration: int = 1, image_size: int = 32, **parts: Any) -> State:
    model = build_model("compact", Images(image_size), 0.5, torch.Generator().manual_seed(0)).state_dict()
    data = {"name": "data", "digest": "d", "image_size": image_size}
    found = State(TrainConfig(), data, "run", iteration, Progress(), "cpu", model, {}, {}, {})
    return replace(found, **parts)


def rewritten(path: Path, **changes: Any) -> None:
    """Change what a checkpoint says of itself, with a right checksum."""
    text, tensors = checkpoint.read_parts(path)
    changed = json.dumps(json.loads(text) | changes)
    with path.open("wb") as file:
        checkpoint.write_parts(file, changed, tensors)


def test_writes_and_loads(tmp_path: Path):
    writer = CheckpointWriter(tmp_path)
    writer.save(lambda: state(1), is_best=True)
    writer.save(lambda: state(2), is_best=False, is_last=True)
    writer.finish()
    assert load_checkpoint(tmp_path / BEST).iteration == 1
    assert load_checkpoint(tmp_path / CURRENT).iteration == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [BEST, CURRENT]


def test_the_waiting_best_state_is_a_copy(tmp_path: Path):
    """The best of several states that come too soon to be written is the newest of them, and nothing that came after it."""
    now = 0.0
    writer = CheckpointWriter(tmp_path, clock=lambda: now)
    weights = torch.zeros(1000)

    def make() -> State:
        nonlocal now
        now += 1.0
        return state(model={"weights": weights})

    for iteration in range(1, 8):
        weights.fill_(iteration)
        writer.save(make, is_best=iteration in (2, 5))
    assert load_checkpoint(tmp_path / CURRENT).model["weights"].eq(1).all()
    assert not (tmp_path / BEST).exists()
    writer.save(make, is_best=False, is_last=True)
    assert load_checkpoint(tmp_path / BEST).model["weights"].eq(5).all()
    assert load_checkpoint(tmp_path / CURRENT).model["weights"].eq(7).all()


def test_the_best_state_is_written_when_the_training_ends_in_an_error(tmp_path: Path):
    now = 0.0
    writer = CheckpointWriter(tmp_path, clock=lambda: now)

    def make(iteration: int) -> State:
        nonlocal now
        now += 1.0
        return state(iteration)

    writer.save(lambda: make(1), is_best=False)
    writer.save(lambda: make(2), is_best=True)
    assert load_checkpoint(tmp_path / CURRENT).iteration == 1
    writer.finish()
    assert load_checkpoint(tmp_path / CURRENT).iteration == load_checkpoint(tmp_path / BEST).iteration == 2


def test_the_last_state_is_written_however_busy_the_writer_is(tmp_path: Path):
    writer = CheckpointWriter(tmp_path)
    for iteration in range(1, 30):
        writer.save(lambda iteration=iteration: state(iteration), is_best=iteration == 7, is_last=iteration == 29)
    writer.finish()
    assert load_checkpoint(tmp_path / CURRENT).iteration == 29
    assert load_checkpoint(tmp_path / BEST).iteration == 7


@pytest.mark.parametrize(
    ("took_s", "iteration_s", "between"),
    # Seconds of an iteration, and iterations from one saved state to the next: the newest that is whole is never
    # older than a minute, or than one iteration if that is longer, even if the next takes a fifth more time. What takes
    # longer to write is written less often, so that it takes no more than a twentieth of the time.
    [(1.0, 16.0, 3), (1.0, 20.0, 2), (1.0, 30.0, 1), (1.0, 300.0, 1), (8.0, 40.0, 4), (0.1, 3.0, 4)],
)
def test_a_state_is_saved_before_the_newest_is_a_minute_old(
    took_s: float, iteration_s: float, between: int, tmp_path: Path
):
    now = 0.0
    taken = []
    writer = CheckpointWriter(tmp_path, clock=lambda: now)

    def make(iteration: int) -> State:
        nonlocal now
        now += took_s
        taken.append(iteration)
        return state(iteration)

    for iteration in range(1, 14):
        now += iteration_s - (took_s if taken and taken[-1] == iteration - 1 else 0.0)
        writer.save(lambda iteration=iteration: make(iteration), is_best=False)
        writer.finish()
    # The first is taken at once; the second may come early, as nothing is known of the iterations yet.
    assert {later - earlier for earlier, later in itertools.pairwise(taken[1:])} == {between}


def test_an_error_of_the_writing_reaches_the_training(tmp_path: Path):
    blocked = tmp_path / "a file"
    blocked.touch()
    writer = CheckpointWriter(blocked)
    with pytest.raises(OSError, match="a file"):
        writer.save(state, is_best=True)


def test_a_full_disk_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The file before is kept whole, and nothing half-written beside it. /dev/full refuses every byte."""
    path = tmp_path / CURRENT
    save_checkpoint(state(1), path)

    def full(file: BinaryIO, text: str, tensors: Any, write: Any = checkpoint.write_parts) -> None:
        file.write(b"half")
        with Path("/dev/full").open("wb") as device:
            write(device, text, tensors)

    monkeypatch.setattr(checkpoint, "write_parts", full)
    with pytest.raises(OSError, match="No space left") as caught:
        save_checkpoint(state(2), path)
    assert caught.value.errno == errno.ENOSPC
    assert load_checkpoint(path).iteration == 1
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_has_the_permissions_of_ordinary_files(tmp_path: Path):
    save_checkpoint(state(), tmp_path / BEST)
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    assert (tmp_path / BEST).stat().st_mode == ordinary.stat().st_mode


def test_everything_comes_back(tmp_path: Path):
    """Bit for bit, numbers that are not finite and tensors without elements or dimensions among it."""
    odd = torch.tensor([float("nan"), float("inf"), -0.0, 1e-45])
    saved = state(
        7,
        optimizer={"0.step": torch.tensor(3.0), "0.exp_avg": odd},
        batches={"order": torch.empty(0, dtype=torch.int64), "generator": torch.Generator().get_state()},
        generators={"dropout": torch.arange(5, dtype=torch.uint8)},
        progress=Progress(last_accuracy=0.25, best_iteration=3),
    )
    save_checkpoint(saved, tmp_path / CURRENT)
    loaded = load_checkpoint(tmp_path / CURRENT)
    for name in ("config", "data", "run_id", "iteration", "progress", "device"):
        assert getattr(loaded, name) == getattr(saved, name)
    for group in checkpoint.GROUPS:
        before, after = getattr(saved, group), getattr(loaded, group)
        assert before.keys() == after.keys()
        for name, tensor in before.items():
            assert after[name].dtype == tensor.dtype
            assert after[name].shape == tensor.shape
            assert torch.equal(after[name].reshape(-1).view(torch.uint8), tensor.reshape(-1).view(torch.uint8))


def test_others_can_read_the_file(tmp_path: Path):
    """As the library reads it, without a line of this project."""
    save_checkpoint(state(), tmp_path / BEST)
    tensors = load_file(tmp_path / BEST)
    assert {f"model.{name}" for name in state().model} == tensors.keys()


class Hostile:
    """A pickle that would create a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_a_checkpoint_of_0_1_is_refused_and_not_executed(tmp_path: Path):
    trap = tmp_path / "trap"
    for name, write in (
        ("torch.pt", torch.save),
        ("legacy.pt", lambda value, path: torch.save(value, path, _use_new_zipfile_serialization=False)),
        ("pickle.pt", lambda value, path: path.write_bytes(pickle.dumps(value))),
    ):
        path = tmp_path / name
        write({"format": 1, "model": Hostile(trap)}, path)
        with pytest.raises(
            UnusableCheckpoint, match=r"like the checkpoints of glassliquid 0\.1 .* nothing in it was executed"
        ):
            load_checkpoint(path)
    assert not trap.exists()


@pytest.mark.parametrize("kept", [0.0, 0.0001, 0.1, 0.5, 0.99])
def test_a_cut_off_file_is_refused(tmp_path: Path, kept: float):
    path = tmp_path / BEST
    save_checkpoint(state(), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(UnusableCheckpoint, match="is not a checkpoint of this project, or it is damaged"):
        load_checkpoint(path)


@pytest.mark.parametrize("image_size", [3, 15, 2049])
def test_images_of_a_size_that_no_dataset_has_are_refused(tmp_path: Path, image_size: int):
    """Images of 3 pixels are smaller than the network's first kernel; 15 and 2049 are just beyond what is drawn."""
    path = tmp_path / BEST
    save_checkpoint(state(data={"name": "data", "digest": "d", "image_size": image_size}), path)
    with pytest.raises(UnusableCheckpoint, match=f"{image_size} stands where a whole number from 16 to 2048 should be"):
        load_checkpoint(path)


def test_a_single_wrong_bit_is_noticed(tmp_path: Path):
    """Of a weight, of what the file says of itself, and of the name of a tensor."""
    path = tmp_path / BEST
    save_checkpoint(state(iteration=12), path)
    content = path.read_bytes()
    for place in (len(content) - 5, content.index(b"iteration") + 14, content.index(b"model.")):
        changed = bytearray(content)
        changed[place] ^= 1
        path.write_bytes(changed)
        with pytest.raises(UnusableCheckpoint, match=r"checksum is wrong|not a checkpoint of this project"):
            load_checkpoint(path)


def test_a_checkpoint_of_a_newer_version_is_refused(tmp_path: Path):
    path = tmp_path / BEST
    save_checkpoint(state(), path)
    rewritten(path, version=3)
    with pytest.raises(
        UnusableCheckpoint,
        match="of version 3, but this program reads only up to 2: use the newer version of glassliquid",
    ):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iteration": -1}, "iteration is -1"),
        ({"iteration": "1"}, "iteration is '1'"),
        ({"run_id": "x" * 201}, "run_id is"),
        ({"colour": "red"}, "'colour', which this version of glassliquid does not know"),
        ({"data": {}}, "name"),
        ({"data": {"name": 1, "digest": "d", "image_size": 32}}, "the name of its dataset is not text"),
        ({"config": {"batch_size": "many"}}, "batch_size is 'many'"),
        ({"progress": {"best_loss": "low"}}, "choose another"),
    ],
)
def test_a_damaged_description_is_refused(tmp_path: Path, changes: dict[str, Any], reason: str):
    path = tmp_path / BEST
    save_checkpoint(state(), path)
    rewritten(path, **changes)
    with pytest.raises(UnusableCheckpoint, match=reason):
        load_checkpoint(path)


def test_a_header_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path):
    path = tmp_path / BEST
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 99 << 20))
        file.truncate(100 << 20)
    with pytest.raises(UnusableCheckpoint, match="its header is cut off or too large"):
        load_checkpoint(path)


def test_what_is_no_checkpoint_is_refused(tmp_path: Path):
    path = tmp_path / "other.safetensors"
    save_file({"weights": torch.zeros(2)}, path)
    with pytest.raises(UnusableCheckpoint, match="is not a checkpoint of this project"):
        load_checkpoint(path)
    with pytest.raises(UnusableCheckpoint, match="There is no checkpoint"):
        load_checkpoint(tmp_path / "missing")
    with pytest.raises(UnusableCheckpoint, match="not a regular file"):
        load_checkpoint(tmp_path)
    zipfile.ZipFile(path, "w").close()
    with pytest.raises(UnusableCheckpoint, match="is not a checkpoint of this project"):
        load_checkpoint(path)


def test_faults_of_the_machine_are_told_from_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / BEST
    save_checkpoint(state(), path)
    for error in (
        MemoryError("Cannot allocate memory (os error 12)"),
        OSError("Input/output error (os error 5)"),
        SafetensorError("Error while reading: Input/output error (os error 5)"),
        FileNotFoundError("No such file or directory: what the library says when it has no file handle left"),
    ):

        def fail(*_: object, error: BaseException = error, **__: object) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(checkpoint, "safe_open", fail)
            with pytest.raises(UserError, match=r"could not be read .* run the same command again") as caught:
                load_checkpoint(path)
        assert not isinstance(caught.value, UnusableCheckpoint)
    assert not is_machine_fault(SafetensorError("Error while deserializing header"))
    assert load_checkpoint(path).iteration == 1


def test_weights_of_another_network_are_refused():
    wrong = state(config=TrainConfig(model="cnn2018"))
    with pytest.raises(UnusableCheckpoint, match="do not fit the network 'cnn2018'"):
        restore_model(wrong)
