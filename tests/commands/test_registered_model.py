"""The registered model is the model: what `models:/` names works whatever becomes of the run that it was trained in."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.utils.file_utils import local_file_uri_to_path

from glassliquid.training.checkpoint import BEST, load_checkpoint
from tests.commands.conftest import Command

pytestmark = [pytest.mark.xdist_group("registered"), pytest.mark.slow]

NAME = "kept-model"
ADDRESS = f"models:/{NAME}@data_liquid5"
SETTINGS = {
    "batch_size": 14,
    "iterations": 3,
    "batches_per_iteration": 16,
    "eval_every": 1,
    "learning_rate": 0.01,
    "register_as": NAME,
}


@pytest.fixture(scope="module")
def trained(command: Command, client: MlflowClient, own_data: Path) -> Run:
    done = command("train", data_dir=own_data, **SETTINGS)
    assert done.returncode == 0, done.stderr
    return client.get_run(str(client.get_model_version(NAME, "1").run_id))


@pytest.fixture(scope="module")
def files(trained: Run) -> Path:
    """A copy of the logged model's files."""
    return Path(mlflow.artifacts.download_artifacts(ADDRESS))


def test_the_model_carries_the_best_checkpoint_of_its_run(trained: Run, files: Path, client: MlflowClient):
    kept = load_checkpoint(files / "extra_files" / BEST)
    of_run = load_checkpoint(Path(client.download_artifacts(trained.info.run_id, f"checkpoints/{BEST}")))
    assert kept.iteration == of_run.iteration == trained.data.metrics["best_iteration"]
    for name in ("model", "optimizer", "batches", "generators"):
        before, after = getattr(of_run, name), getattr(kept, name)
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before)


def test_what_is_logged_beside_the_networks_is_small_and_any_number_of_images_is_answered(files: Path):
    beside = [path for path in files.rglob("*") if path.is_file() and path.suffix not in (".pt2", ".safetensors")]
    assert sum(path.stat().st_size for path in beside) < 100_000
    served = mlflow.pyfunc.load_model(str(files))
    side = served.metadata.signature.inputs.inputs[0].shape[1]
    for count in (1, 2, 5):
        assert served.predict(np.zeros((count, side, side, 3), dtype=np.uint8)).shape == (count,)


def check_evaluate(
    command: Command, trained: Run, data_dir: Path, address: str = ADDRESS, label: str = f"{NAME} v1"
) -> None:
    done = command("evaluate", model=address, data_dir=data_dir)
    assert done.returncode == 0, done.stderr
    assert f"{label}, trained on data_liquid5, on data_liquid5" in done.stdout
    assert f"{100 * trained.data.metrics['test_accuracy']:.2f} % (" in done.stdout


def test_without_the_artifacts_of_the_run(trained: Run, files: Path, command: Command, own_data: Path):
    shutil.rmtree(local_file_uri_to_path(trained.info.artifact_uri))
    assert not (own_data / "runs" / trained.info.run_id / BEST).exists()
    check_evaluate(command, trained, own_data)


def test_with_the_run_deleted_on_the_page(trained: Run, client: MlflowClient, command: Command, own_data: Path):
    client.delete_run(trained.info.run_id)
    check_evaluate(command, trained, own_data)


def test_with_the_run_gone_for_good(
    trained: Run, client: MlflowClient, command: Command, environment: dict[str, str], own_data: Path
):
    """Everything that takes a model, training on from it among that."""
    run_id = trained.info.run_id
    arguments = ["gc", "--backend-store-uri", environment["MLFLOW_TRACKING_URI"], "--run-ids", run_id]
    subprocess.run([sys.executable, "-m", "mlflow", *arguments], env=environment, check=True)
    with pytest.raises(mlflow.MlflowException, match=run_id):
        client.get_run(run_id)
    model_id = str(mlflow.models.get_model_info(ADDRESS).model_id)
    check_evaluate(command, trained, own_data, f"models:/{model_id}", model_id)
    done = command(
        "transfer_eval", model=f"models:/{NAME}/1", liquids="5,195", find_breakdown="false", data_dir=own_data
    )
    assert done.returncode == 0, done.stderr
    assert f"{NAME} v1" in done.stdout
    done = command("visualize", model=ADDRESS, data_dir=own_data)
    assert done.returncode == 0, done.stderr
    assert NAME in done.stdout
    done = command("train", resume=ADDRESS, iterations=5, data_dir=own_data, register_as="none")
    assert done.returncode == 0, done.stderr
    best = int(trained.data.metrics["best_iteration"])
    assert re.search(rf"A new step from the run {run_id} after iteration {best}\b", done.stdout), done.stdout


def test_a_model_without_a_checkpoint_is_refused(trained: Run, quick_command: Command, own_data: Path):
    """As 0.1 registered them, and as other programs do."""
    with mlflow.start_run():
        mlflow.pytorch.log_model(
            torch.nn.Linear(2, 2),
            name="model",
            input_example=np.zeros((2, 2), dtype=np.float32),
            pip_requirements=[],
            registered_model_name="kept-model-of-0.1",
        )
    done = quick_command("evaluate", model="models:/kept-model-of-0.1/1", data_dir=own_data)
    assert done.returncode == 2
    assert (
        f"The model models:/kept-model-of-0.1/1 has no checkpoint extra_files/{BEST}: train and register it again, or use it "
        "with glassliquid 0.1 if that registered it" in done.stderr
    )
