"""Checkpoints and metric journals: whatever is in them, nothing is executed, and memory follows the file's size."""

import io
import json
import math
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glassliquid.datasets.description import Dataset
from glassliquid.evaluation.unseen import trained_recipe
from glassliquid.inputs.images import Images
from glassliquid.models.network import build_model
from glassliquid.tracking.metrics import JOURNAL, SENT, MetricJournal, send_pending
from glassliquid.training import checkpoint
from glassliquid.training.checkpoint import CURRENT, load_checkpoint
from glassliquid.training.config import TrainConfig
from glassliquid.training.found_model import FoundModel, restore_model
from glassliquid.training.trainer import Trainer, TrainingData
from tests.hostile.budget import inputs
from tests.hostile.conftest import restored
from tests.hostile.guard import Sandbox
from tests.hostile.mutate import as_json, mutated_bytes, mutated_json, mutated_value, texts

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
    data = TrainingData(images, torch.arange(8) % 2, Images(SIZE), identity)
    config = TrainConfig(batch_size=4, iterations=2, batches_per_iteration=1, eval_every=1)
    return Trainer(config, data, lambda model: {"val_accuracy": 0.5, "val_loss": 0.7}, Silent(), folder, "0" * 32)


@pytest.fixture(scope="module")
def shown(dataset: Dataset) -> dict[str, Any]:
    return {**json.loads(dataset.description_path.read_bytes())["recipe"], "image_size": SIZE}


@pytest.fixture(scope="module")
def content(sandbox: Sandbox, shown: dict[str, Any]) -> bytes:
    """A whole state, as a training run writes it."""
    folder = sandbox.data / "good"
    trainer(folder, shown).train(lambda: False)
    return (folder / CURRENT).read_bytes()


@pytest.fixture(scope="module")
def parts(sandbox: Sandbox, content: bytes) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """What it says of itself, and its tensors."""
    text, tensors = checkpoint.read_parts(sandbox.data / "good" / CURRENT)
    return json.loads(text), tensors


def sealed(description: Any, tensors: dict[str, torch.Tensor]) -> bytes:
    """A file with a right checksum."""
    text, file = json.dumps(description), io.BytesIO()
    checkpoint.write_parts(file, text, tensors)
    return file.getvalue()


def header_and_data(content: bytes) -> tuple[dict[str, Any], bytes]:
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


def packed(header: Any, data: bytes) -> bytes:
    """A file of the library's format, with whatever header."""
    text = header if isinstance(header, bytes) else as_json(header)
    return len(text).to_bytes(8, "little") + text + data


def use_checkpoint(sandbox: Sandbox, path: Path, recipe: dict[str, Any]) -> None:
    """As evaluate, transfer_eval and train use one; what is accepted answers, and can be trained on."""
    state = load_checkpoint(path)
    assert -1 <= state.progress.best_accuracy <= 1
    model = restore_model(state)
    found = FoundModel(model, state, "x", None)
    side = trained_recipe(found).image_size  # transfer_eval draws by it
    assert model(torch.zeros(1, side, side, 3, dtype=torch.uint8)).shape == (1, 2)
    resumed = trainer(sandbox.data / "resumed", recipe)
    resumed.restore(state)
    resumed.train(lambda: True)


def attempt(sandbox: Sandbox, target: str, content: bytes, shown: dict[str, Any]) -> str | None:
    path = sandbox.data / f"{target.replace(' ', '-')}.safetensors"
    restored(path, content)
    return sandbox.attempt(target, lambda: use_checkpoint(sandbox, path, shown), MOST_MIB)


def test_an_undamaged_one_is_accepted(sandbox: Sandbox, content: bytes, parts: tuple[Any, Any], shown: dict[str, Any]):
    """Otherwise everything would be refused for a reason of its own."""
    assert attempt(sandbox, "checkpoint, undamaged", content, shown) is None
    assert attempt(sandbox, "checkpoint, undamaged", sealed(*parts), shown) is None
    assert attempt(sandbox, "checkpoint, undamaged", packed(*header_and_data(content)), shown) is None


@given(data=st.data())
@inputs(quick=60, long=900)
def test_damaged_bytes(sandbox: Sandbox, content: bytes, shown: dict[str, Any], data: st.DataObject):
    changed = data.draw(mutated_bytes(content, head=4096))
    refused = attempt(sandbox, "checkpoint, damaged bytes", changed, shown)
    assert refused or changed == content or _only_the_header_is_written_otherwise(changed, content)


def _only_the_header_is_written_otherwise(changed: bytes, content: bytes) -> bool:
    """What the checksum leaves out: blanks and the order in a header that says the same."""
    return header_and_data(changed) == header_and_data(content)


@given(data=st.data())
@inputs(quick=60, long=900)
def test_a_damaged_header(sandbox: Sandbox, content: bytes, shown: dict[str, Any], data: st.DataObject):
    header, tensors = header_and_data(content)
    changed = data.draw(mutated_json(header))
    attempt(sandbox, "checkpoint, damaged header", packed(changed, tensors), shown)


TENSORS = st.sampled_from(
    (
        torch.zeros(3),
        torch.zeros(0),
        torch.tensor(1.0),
        torch.zeros(2, dtype=torch.int64),
        torch.full((16, 3, 4, 4), float("nan")),
        torch.zeros(16, 3, 4, 4, dtype=torch.float64),
        torch.zeros(16, 3, 4, 4, dtype=torch.bfloat16),
        torch.full((8,), 99, dtype=torch.int64),
        torch.full((8,), -(2**63), dtype=torch.int64),
        torch.zeros(5056, dtype=torch.uint8),
        torch.full((5056,), 255, dtype=torch.uint8),
    )
)


@given(data=st.data())
@inputs(quick=100, long=1200)
def test_damaged_values(
    sandbox: Sandbox, parts: tuple[dict[str, Any], dict[str, torch.Tensor]], shown: dict[str, Any], data: st.DataObject
):
    """Other values with a right checksum, in the description or among the tensors."""
    description, tensors = dict(parts[0]), dict(parts[1])
    how = data.draw(st.sampled_from(("config", "data", "progress", "all", "lost", "tensor", "tensor", "named")))
    if how in description:
        description[how] = data.draw(mutated_value(description[how]))
    elif how == "all":
        description = data.draw(mutated_value(description))
    else:
        name = data.draw(st.sampled_from(sorted(tensors)))
        if how == "lost":
            del tensors[name]
        elif how == "tensor":
            tensors[name] = data.draw(TENSORS)
        else:
            tensors[data.draw(texts)] = tensors.pop(name)
    try:
        changed = sealed(description, tensors)
    except (TypeError, ValueError, UnicodeError, RecursionError):
        return  # nothing that JSON can say
    attempt(sandbox, "checkpoint, damaged values", changed, shown)


class Call:
    """A pickle that calls something when it is loaded."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> Any:
        return self.function, self.arguments


def written(value: Any, is_archive: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=is_archive)
    return file.getvalue()


FORMATS = ("archive", "legacy", "pickle", "joblib", "model")


@pytest.mark.parametrize("how", FORMATS)
def test_a_file_that_would_run_something(sandbox: Sandbox, shown: dict[str, Any], how: str):
    """Of PyTorch's own formats, as the checkpoints of 0.1 were: none is opened."""
    call = {"format": 1, "x": Call(os.system, f"touch {sandbox.canary}")}
    contents = {
        "archive": lambda: written(call),
        "legacy": lambda: written(call, is_archive=False),
        "pickle": lambda: pickle.dumps(call),
        "joblib": lambda: b"\x80\x04" + b"cos\nsystem\n(S'touch " + str(sandbox.canary).encode() + b"'\ntR.",
        "model": lambda: written(build_model("compact", Images(SIZE), 0.5, torch.Generator())),
    }
    refused = attempt(sandbox, "hostile checkpoints", contents[how](), shown)
    assert refused is not None
    assert "glassliquid 0.1" in refused


def with_header(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    """The file with something changed in its header, and all of its data."""

    def make(content: bytes) -> bytes:
        header, data = header_and_data(content)
        change(header)
        return packed(header, data)

    return make


def entry(header: dict[str, Any], place: int = 0) -> dict[str, Any]:
    """What a header says of a tensor."""
    found: dict[str, Any] = header[sorted(name for name in header if name.startswith("model."))[place]]
    return found


def overlapping(header: dict[str, Any]) -> None:
    """A thousand names for the bytes of one tensor."""
    header |= {f"model.x{number}": entry(header) for number in range(1000)}


def swapped_for_zeros(header: dict[str, Any]) -> None:
    """As many tensors without a number as a header may name."""
    header |= {f"{number}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for number in range(15_000)}


HEADERS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "no header": lambda content: bytes(8) + content[8:],
    "header to the end": lambda content: (len(content) - 8).to_bytes(8, "little") + content[8:],
    "header beyond the end": lambda content: (len(content)).to_bytes(8, "little") + content[8:],
    "header of 99 MiB": lambda content: (99 << 20).to_bytes(8, "little") + bytes(100 << 20),
    "header of 16 EiB": lambda content: b"\xff" * 8 + content[8:],
    "header of blanks": lambda content: packed(b" " * 1000, content),
    "a list": lambda content: packed([1, 2], content),
    "deep": lambda content: packed(b'{"a":' * 100_000, content),
    "deep metadata": lambda content: packed(b'{"__metadata__":{"glassliquid":' + b"[" * 100_000, content),
    "overlapping": with_header(overlapping),
    "a hole": with_header(lambda header: header.pop(min(name for name in header if name.startswith("model.")))),
    "beyond the end": with_header(lambda header: entry(header).update(data_offsets=[0, 1 << 60])),
    "negative": with_header(lambda header: entry(header).update(data_offsets=[-4, 0])),
    "backwards": with_header(lambda header: entry(header)["data_offsets"].reverse()),
    "huge shape": with_header(lambda header: entry(header).update(shape=[1 << 40, 1 << 20])),
    "a shape that overflows": with_header(lambda header: entry(header).update(shape=[1 << 32, 1 << 32])),
    "huge and empty": with_header(lambda header: header.update(x={**entry(header), "shape": [1 << 62, 0]})),
    "negative shape": with_header(lambda header: entry(header).update(shape=[-1])),
    "another dtype": with_header(lambda header: entry(header).update(dtype="I32")),
    "an unknown dtype": with_header(lambda header: entry(header).update(dtype="OBJECT")),
    "many tensors": with_header(swapped_for_zeros),
    "no description": with_header(lambda header: header.pop("__metadata__")),
    "no checksum": with_header(lambda header: header["__metadata__"].pop("crc32")),
    "another checksum": with_header(lambda header: header["__metadata__"].update(crc32="0")),
    "more at the end": lambda content: content + content,
    "cut off": lambda content: content[:-1],
}


@pytest.mark.parametrize("how", HEADERS)
def test_a_hostile_header(sandbox: Sandbox, content: bytes, shown: dict[str, Any], how: str):
    """Written to take more memory or time than the file is large, or to be taken for another state."""
    assert attempt(sandbox, "hostile checkpoints", HEADERS[how](content), shown)


DESCRIPTIONS: dict[str, Callable[[dict[str, Any]], object]] = {
    "largest network": lambda found: (
        found | {"config": {**found["config"], "model": "cnn2018"}, "data": {**found["data"], "image_size": 2048}}
    ),
    "newer": lambda found: found | {"version": 99},
    "older": lambda found: found | {"version": 0},
    "a list": lambda found: [found],
    "deep": lambda found: found | {"progress": nested(500)},
    "not finite": lambda found: found | {"progress": {**found["progress"], "largest_drop": float("nan")}},
    "huge number": lambda found: found | {"iteration": 10**4000},
    "another network": lambda found: found | {"config": {**found["config"], "model": "os.system"}},
    "unknown": lambda found: found | {"__class__": "os.system"},
}


def nested(depth: int) -> Any:
    return {"a": nested(depth - 1)} if depth else {}


@pytest.mark.parametrize("how", DESCRIPTIONS)
def test_a_hostile_description(
    sandbox: Sandbox, parts: tuple[dict[str, Any], dict[str, torch.Tensor]], shown: dict[str, Any], how: str
):
    """With a right checksum."""
    changed = sealed(DESCRIPTIONS[how](parts[0]), parts[1])
    assert attempt(sandbox, "hostile checkpoints", changed, shown)


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
