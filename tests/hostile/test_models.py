"""What names a model: texts of any kind, damaged model folders, and models and checkpoints that run something when unpickled."""

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import mlflow
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glassliquid.datasets.description import Dataset
from tests.hostile.budget import inputs
from tests.hostile.conftest import restored
from tests.hostile.guard import Sandbox
from tests.hostile.mutate import TEXTS, mutated_bytes, texts
from tests.hostile.test_parameters import call

MOST_MIB = 1024
"""A command that opens a model and scores it, with PyTorch's and matplotlib's own at their first uses."""
NAME = "glass-liquid"


@pytest.fixture(scope="module")
def registered(placed: Sandbox, dataset: Dataset) -> Any:
    """A model that was trained and registered by the real command, in the sandbox's own store."""
    store = placed.root / "store"
    address = f"sqlite:///{store / 'mlflow.db'}"
    before, folder = mlflow.get_tracking_uri(), Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(placed.root / "tmp"))
        patch.setenv("MLFLOW_TRACKING_URI", address)
        os.chdir(store)
        try:
            settings = {"batch_size": "14", "iterations": "1", "batches_per_iteration": "1", "augment": "false"}
            call("train", {**settings, "data_dir": str(placed.data)}, [])
            client = mlflow.MlflowClient(address, address)
            # One step leaves it at chance, and such a model is not given the alias.
            client.set_registered_model_alias(NAME, "data_liquid5", "1")
            yield client.get_model_version(NAME, "1")
        finally:
            os.chdir(folder)
            mlflow.set_tracking_uri(before)


def evaluate(placed: Sandbox, model: str, target: str) -> str | None:
    """Evaluate a model, as a user does; nothing may be unpickled by Python's own unpickler."""
    options = {"model": model, "data_dir": str(placed.data)}
    return placed.attempt(target, lambda: call("evaluate", options, []), MOST_MIB)


def test_the_registered_model_is_evaluated(placed: Sandbox, registered: Any):
    assert evaluate(placed, f"models:/{NAME}@data_liquid5", "registered models") is None


class Trap(torch.nn.Linear):
    """A network whose pickle makes a file when it is loaded."""

    canary = ""

    def __reduce__(self) -> Any:
        return os.mkdir, (self.canary,)


def test_a_registered_pickle_is_not_loaded(placed: Sandbox, registered: Any):
    """MLflow would: it is the format that it offers beside the exported one."""
    trap = Trap(2, 2)
    Trap.canary = str(placed.canary)
    with mlflow.start_run():
        mlflow.pytorch.log_model(
            trap, name="model", serialization_format="pickle", pip_requirements=[], registered_model_name="hostile"
        )
    sentence = evaluate(placed, "models:/hostile/1", "registered models")
    assert sentence is not None
    assert "has no checkpoint" in sentence
    with pytest.raises(Exception, match=r".*"):  # the trap works: the return value is no network
        mlflow.pytorch.load_model("models:/hostile/1").forward(1)
    assert placed.canary.exists()
    placed.canary.rmdir()


@pytest.mark.parametrize("how", ["torch", "pickle", "legacy"])
def test_a_checkpoint_that_was_replaced_in_the_artifact_store(placed: Sandbox, registered: Any, how: str):
    (path,) = (placed.root / "store").glob("mlruns/*/models/*/artifacts/extra_files/best.safetensors")
    original = path.read_bytes()
    trap = Trap(2, 2)
    Trap.canary = str(placed.canary)
    if how == "pickle":
        path.write_bytes(pickle.dumps(trap))
    else:
        torch.save({"format": 1, "model": trap}, path, _use_new_zipfile_serialization=how == "torch")
    try:
        sentence = evaluate(placed, f"models:/{NAME}/1", "registered models")
        assert sentence is not None
        assert "nothing in it was executed" in sentence
    finally:
        restored(path, original)


def test_an_exported_model_that_was_replaced(placed: Sandbox, registered: Any):
    """It is for serving; the commands take the network from the checkpoint beside it, and never open it."""
    found = list((placed.root / "store").glob("mlruns/*/models/*/artifacts/data/model.pt2"))
    assert found
    Trap.canary = str(placed.canary)
    for path in found:
        original = path.read_bytes()
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(Trap(2, 2)))
        assert evaluate(placed, f"models:/{NAME}/1", "registered models") is None
        restored(path, original)


TAGS = (
    b"!!python/object/apply:os.mkdir [canary]\n",
    b"run_id: !!python/name:os.system\n",
    b"- \x07",
    b"&a [*a]",
    b"",
    b"[]",
    b"{}",
)


@given(data=st.data())
@inputs(quick=4, long=60)
def test_a_damaged_description_of_a_model(placed: Sandbox, registered: Any, data: st.DataObject):
    found = sorted((placed.root / "store").glob("mlruns/*/models/*/artifacts/MLmodel"))
    kept = {path: path.read_bytes() for path in found}
    # All are drawn before the first is written: a draw may end the test, and would leave a damaged file behind.
    changed = {
        path: data.draw(
            st.one_of(mutated_bytes(content, head=1024), st.sampled_from(TAGS).map(lambda tag, c=content: c + tag))
        )
        for path, content in kept.items()
    }
    try:
        for path, content in changed.items():
            path.write_bytes(content)
        evaluate(placed, f"models:/{NAME}/1", "MLmodel files")
    finally:
        for path, content in kept.items():
            restored(path, content)


references = st.one_of(
    st.sampled_from(TEXTS),
    st.tuples(
        st.sampled_from(
            ("runs:/", "models:/", f"models:/{NAME}@", f"models:/{NAME}/", "mlflow-artifacts:/", "file://")
        ),
        texts,
    ).map("".join),
).filter(lambda text: "\0" not in text and len(text) < 10_000)


@given(text=references, name=st.sampled_from(("evaluate", "transfer_eval", "visualize", "train")))
@inputs(quick=8, long=200)
def test_references(placed: Sandbox, registered: Any, text: str, name: str):
    options = {"data_dir": str(placed.data), "resume" if name == "train" else "model": text}
    # A model that is there is scored beside the linear one, whose features come from a pool of processes.
    pool = name == "transfer_eval"
    placed.attempt("references to models", lambda: call(name, options, []), MOST_MIB, unpickles=pool)
