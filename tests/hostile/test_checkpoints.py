"""Checkpoints and metric journals: whatever is in them, nothing is executed, and memory follows the file's size."""

import io
import json
import math
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from glassliquid.training.archive import check_values
from hypothesis import given
from hypothesis import strategies as st

from glassliquid.datasets.description import Dataset
from glassliquid.evaluation.unseen import trained_recipe
from glassliquid.layout import Layout
from glassliquid.models.network import build_model
from glassliquid.tracking.metrics import JOURNAL, SENT, MetricJournal, send_pending
from glassliquid.training.config import TrainConfig
from glassliquid.training.found_model import FoundModel, load_checkpoint, restore_model, restore_progress
from glassliquid.training.trainer import Trainer, TrainingData
from tests.hostile.budget import inputs
from tests.hostile.conftest import restored
from tests.hostile.guard import Sandbox
from tests.hostile.mutate import mutated_bytes, mutated_value, texts, values

MOST_MIB = 96
"""The file is a few hundred kilobytes; the rest is PyTorch's own, at its first uses."""
SIZE = 32


class Silent:
    """Keeps nothing."""

    def record(self, iteration: int, metrics: Any) -> None:
        pass


def trainer(folder: Path, recipe: dict[str, Any]) -> Trainer:
    """A training of a few images."""
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (8, SIZE, SIZE, 3), dtype=np.uint8))
    identity = {"name": "data_liquid5", "digest": "0" * 16, "image_size": SIZE, "recipe": recipe}
    data = TrainingData(images, torch.arange(8) % 2, periodic=True, identity=identity)
    config = TrainConfig(batch_size=4, iterations=2, batches_per_iteration=1, eval_every=1)
    return Trainer(config, data, lambda model: {"val_accuracy": 0.5, "val_loss": 0.7}, Silent(), folder, "0" * 32)


@pytest.fixture(scope="module")
def shown(dataset: Dataset) -> dict[str, Any]:
    return {**json.loads(dataset.description_path.read_bytes())["recipe"], "image_size": SIZE}


@pytest.fixture(scope="module")
def state(sandbox: Sandbox, shown: dict[str, Any]) -> dict[str, Any]:
    """A whole state, as a training writes it."""
    folder = sandbox.data / "good"
    made = trainer(folder, shown)
    made.train(lambda: False)
    return torch.load(folder / "current.safetensors", weights_only=True)


def use_checkpoint(sandbox: Sandbox, path: Path, recipe: dict[str, Any]) -> None:
    """As evaluate, transfer_eval and train use one; what is accepted answers, and can be trained on."""
    state = load_checkpoint(path)
    progress = restore_progress(state)
    assert -1 <= progress.best_accuracy <= 1
    model = restore_model(state)
    found = FoundModel(model, state, "x", None)
    side = trained_recipe(found, Layout(sandbox.data)).image_size  # transfer_eval draws by it
    assert model(torch.zeros(1, side, side, 3, dtype=torch.uint8)).shape == (1, 2)
    resumed = trainer(sandbox.data / "resumed", recipe)
    resumed.restore(state)
    resumed.train(lambda: True)


@given(data=st.data())
@inputs(quick=60, long=900)
def test_damaged_bytes(sandbox: Sandbox, state: dict[str, Any], shown: dict[str, Any], data: st.DataObject):
    file = io.BytesIO()
    torch.save(state, file)
    path = sandbox.data / "bytes.pt"
    restored(path, data.draw(mutated_bytes(file.getvalue(), head=4096)))
    sandbox.attempt("checkpoint, damaged bytes", lambda: use_checkpoint(sandbox, path, shown), MOST_MIB)


def test_an_undamaged_one_is_accepted(sandbox: Sandbox, state: dict[str, Any], shown: dict[str, Any]):
    """Otherwise everything would be refused for a reason of its own."""
    path = sandbox.data / "good.pt"
    torch.save(state, path)
    use_checkpoint(sandbox, path, shown)


TENSORS = st.sampled_from(
    (
        torch.zeros(3),
        torch.zeros(0),
        torch.zeros(1).expand(10**9),
        torch.zeros(2, dtype=torch.int64),
        torch.full((16, 3, 4, 4), float("nan")),
        torch.zeros(16, 3, 4, 4, dtype=torch.float64),
        torch.eye(3).to_sparse(),
        torch.zeros(3, dtype=torch.complex64),
        torch.full((8,), 99, dtype=torch.int64),
        torch.zeros(5056, dtype=torch.uint8),
    )
)


@st.composite
def mutated_state(draw, state: dict[str, Any]) -> Any:  # noqa: PLR0912 - a branch a kind of damage
    """A state with other values, in its description or in its tensors."""
    # A copy with tensors as they are: the strategy copies what it changes.
    part = draw(st.sampled_from(("config", "data", "progress", "top", "top", "tensor", "tensor", "cycle")))
    changed = {key: dict(value) if isinstance(value, dict) else value for key, value in state.items()}
    if part in ("config", "data", "progress"):
        changed[part] = draw(mutated_value(changed[part]))
    elif part == "top":
        key = draw(st.sampled_from(sorted(changed)))
        if draw(st.integers(0, 4)) == 0:
            del changed[key]
        else:
            changed[key] = draw(values) if draw(st.booleans()) else draw(TENSORS)
            if draw(st.booleans()):
                changed[draw(texts)] = 1
    elif part == "tensor":
        holder = draw(st.sampled_from(("model", "optimizer", "batches", "generators")))
        inner = changed[holder]
        if holder == "optimizer":
            if draw(st.booleans()):
                changed[holder] = {**inner, "param_groups": draw(mutated_value(inner["param_groups"]))}
            else:
                moments = dict(inner["state"])
                key = draw(st.sampled_from(sorted(moments)))
                moments[key] = {**moments[key], draw(st.sampled_from(("step", "exp_avg", "other"))): draw(TENSORS)}
                changed[holder] = {**inner, "state": moments}
        else:
            inner[draw(st.sampled_from(sorted(inner)))] = draw(TENSORS)
    else:
        knot: list[Any] = []
        if draw(st.booleans()):
            knot.append(knot)
        else:
            for _ in range(40):
                knot = [knot, knot]
        changed[draw(st.sampled_from(sorted(changed)))] = knot
    return changed


@given(data=st.data())
@inputs(quick=100, long=1200)
def test_damaged_values(sandbox: Sandbox, state: dict[str, Any], shown: dict[str, Any], data: st.DataObject):
    path = sandbox.data / "values.pt"
    path.unlink(missing_ok=True)
    changed = data.draw(mutated_state(state))
    try:
        torch.save(changed, path)
    except (RuntimeError, OverflowError, UnicodeError, RecursionError):
        return  # nothing that torch.save writes
    sandbox.attempt("checkpoint, damaged values", lambda: use_checkpoint(sandbox, path, shown), MOST_MIB)


class Call:
    """A pickle that calls something when it is loaded."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> Any:
        return self.function, self.arguments


def repacked(original: bytes, change: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """An archive of the same parts with others in the place of some, by the end of their names."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(original)) as old, zipfile.ZipFile(file, "w", compression) as new:
        for part in old.infolist():
            found = [content for name, content in change.items() if part.filename.endswith(name)]
            new.writestr(part.filename, found[0] if found else old.read(part))
    return file.getvalue()


HOW = (
    *("system", "eval", "mkdir", "open", "getattr", "bytearray", "import", "model", "nested", "legacy", "plain pickle"),
    *("compressed", "overlapping", "doubled", "comment", "largest network", "joblib"),
)


@pytest.mark.parametrize("how", HOW)
def test_a_hostile_file(sandbox: Sandbox, state: dict[str, Any], shown: dict[str, Any], how: str):
    """Written to run something, or to take more memory than it is large; each must be refused."""
    canary = str(sandbox.canary)
    calls = {
        "system": Call(os.system, f"touch {canary}"),
        "eval": Call(eval, f"open({canary!r}, 'w')"),
        "mkdir": Call(os.mkdir, canary),
        "open": Call(open, canary, "w"),
        "getattr": Call(getattr, "a", "upper"),
        "bytearray": Call(bytearray, 1 << 36),
        "import": Call(__import__, "antigravity"),
    }
    file = io.BytesIO()
    torch.save(state, file)
    good, path = file.getvalue(), sandbox.data / f"{how}.pt"
    if how in calls:
        hostile = {**state, "progress": calls[how]}
        file = io.BytesIO()
        torch.save(hostile, file)
        content = file.getvalue()
    elif how == "model":
        file = io.BytesIO()
        torch.save(build_model("compact", SIZE, 0.5, torch.Generator()), file)
        content = file.getvalue()
    elif how == "nested":
        content = repacked(good, {"data.pkl": pickle.dumps({"format": 1, "x": calls["system"]}, protocol=4)})
    elif how == "legacy":
        file = io.BytesIO()
        torch.save({"format": 1, "x": calls["system"]}, file, _use_new_zipfile_serialization=False)
        content = file.getvalue()
    elif how == "plain pickle":
        content = pickle.dumps(calls["system"])
    elif how == "joblib":
        content = b"\x80\x04" + b"cos\nsystem\n(S'touch " + canary.encode() + b"'\ntR."
    elif how == "compressed":
        content = repacked(good, {"data/0": bytes(1 << 28)}, zipfile.ZIP_DEFLATED)
    elif how == "overlapping":
        content = overlapping(good)
    elif how == "doubled":
        content = good + good
    elif how == "comment":
        content = good[:-2] + b"\x02\x00hi"
    else:
        named = {**state, "config": {**state["config"], "model": "cnn2018"}}
        named["data"] = {**state["data"], "image_size": 2048}
        file = io.BytesIO()
        torch.save(named, file)
        content = file.getvalue()
    path.write_bytes(content)
    refused = sandbox.attempt("hostile checkpoints", lambda: use_checkpoint(sandbox, path, shown), MOST_MIB)
    path.unlink()
    assert refused or how == "doubled"


def overlapping(good: bytes) -> bytes:
    """An archive whose directory names one large part a thousand times."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as old, zipfile.ZipFile(file, "w") as new:
        for part in old.infolist():
            new.writestr(part.filename, old.read(part))
        new.writestr("archive/data/900", bytes(1 << 20))
        last = new.infolist()[-1]
        for number in range(1000):
            again = zipfile.ZipInfo(f"archive/data/{1000 + number}")
            for name in ("header_offset", "CRC", "compress_size", "file_size"):
                setattr(again, name, getattr(last, name))
            new.filelist.append(again)
    return file.getvalue()


@given(
    value=st.recursive(
        st.one_of(st.none(), st.integers(), st.text()), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
    )
)
@inputs(quick=30, long=100)
def test_plain_values_are_allowed(value: Any):
    check_values(value, 0)


GOOD_POINTS = [{"key": "loss", "value": 0.5, "step": step, "timestamp": 1_700_000_000_000} for step in range(1, 6)]


@given(data=st.data())
@inputs(quick=40, long=500)
def test_a_metric_journal(sandbox: Sandbox, data: st.DataObject, tracked_nowhere: None):
    """Damaged lines are passed over: they are lost, and neither the others nor any command is."""
    folder = sandbox.data / "runs" / ("ab" * 16)
    folder.mkdir(parents=True, exist_ok=True)
    how = data.draw(st.sampled_from(("bytes", "lines", "lines", "note")))
    lines = [json.dumps(point) for point in GOOD_POINTS]
    content = "\n".join([*lines, ""]).encode()
    note = b"2 140"
    if how == "bytes":
        content = data.draw(mutated_bytes(content))
    elif how == "lines":
        lines[data.draw(st.integers(0, 4))] = json.dumps(data.draw(mutated_value(GOOD_POINTS[0])))
        content = "\n".join([*lines, ""]).encode()
    else:
        note = data.draw(st.one_of(mutated_bytes(note), texts.map(lambda text: text.encode("utf-8", "surrogatepass"))))
    restored(folder / JOURNAL, content)
    restored(folder / SENT, note)

    def use() -> None:
        journal = MetricJournal("ab" * 16, folder)
        journal.close(give_up_after=0)
        history = journal.history()
        for points in history.values():
            assert all(math.isfinite(value) and step >= 0 for step, value in points)
        if how != "bytes":
            assert len(history["loss"]) >= len(GOOD_POINTS) - 1
        send_pending(sandbox.data / "runs")

    sandbox.attempt("metric journals", use, MOST_MIB)


@pytest.fixture(scope="module")
def tracked_nowhere():
    """A tracking store that never answers."""
    import mlflow

    before = mlflow.get_tracking_uri()
    names = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "1"}
    kept = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    mlflow.set_tracking_uri("http://127.0.0.1:1")
    yield
    mlflow.set_tracking_uri(before)
    for name, value in kept.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


@pytest.mark.parametrize("name", [JOURNAL, SENT])
def test_links_in_the_place_of_a_journal(sandbox: Sandbox, tracked_nowhere: None, name: str):
    """Nothing is written through them."""
    folder = sandbox.data / "runs" / ("cd" * 16)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / JOURNAL).write_text(json.dumps(GOOD_POINTS[0]) + "\n")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(sandbox.outside / "thesis.tex")

    def use() -> None:
        send_pending(sandbox.data / "runs")
        MetricJournal("cd" * 16, folder).record(9, {"loss": 1.0})

    assert sandbox.attempt("links in the place of journals", use, MOST_MIB)
    (folder / name).unlink()
