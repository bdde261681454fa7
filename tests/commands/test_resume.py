"""Resuming: a changed setting is a further step; what cannot continue is refused and left alone."""

import os
import re
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch

from glassliquid.training.checkpoint import load_checkpoint, save_checkpoint
from tests.commands.conftest import PROJECT, Command, history

pytestmark = pytest.mark.xdist_group("resume")

SETTINGS = {"batch_size": 14, "batches_per_iteration": 4, "eval_every": 2, "seed": 3, "register_as": "none"}


@pytest.fixture(scope="module")
def finished(command: Command, client, own_dir: Path) -> str:
    """A training of four iterations, version 7, step 1."""
    settings = {**SETTINGS, "iterations": 4, "version": 7, "step": 1}
    done = command("train", data_dir=own_dir, **settings)
    assert done.returncode == 0, done.stderr
    return client.search_runs(["0"], "tags.version = '7' and tags.step = '1'")[0].info.run_id


def test_a_changed_setting_is_a_further_step(finished: str, client, quick_command: Command, command, own_dir: Path):
    done = command("train", data_dir=own_dir, resume=finished, learning_rate=0.0005, iterations=8, register_as="none")
    assert done.returncode == 0, done.stderr
    step = client.search_runs(["0"], f"tags.resumed_from = '{finished}'")[0]
    assert step.info.run_id != finished
    assert (step.data.tags["version"], step.data.tags["step"]) == ("7", "2")
    assert step.data.tags["resumed_at"] == "4"
    assert step.data.tags["changed"] == "learning_rate 0.001 -> 0.0005, iterations 4 -> 8"
    assert (step.data.params["learning_rate"], step.data.params["batch_size"]) == ("0.0005", "14")
    # The curves of the two runs join without a gap or a doubled point.
    assert [k for k, _ in history(client, finished, "loss")] == [1, 2, 3, 4]
    assert [k for k, _ in history(client, step.info.run_id, "loss")] == [5, 6, 7, 8]
    scores = [value for _, value in history(client, step.info.run_id, "val_accuracy")]
    assert step.data.metrics["best_val_accuracy"] == max(scores)
    assert client.get_run(finished).info.status == "FINISHED"
    assert "batch_size 14" in done.stdout
    assert "changed: learning_rate 0.001 -> 0.0005, iterations 4 -> 8." in done.stdout


def test_a_setting_goes_back_to_its_default_from_the_checkpoint_that_is_named(client, command: Command, own_dir: Path):
    """Every setting comes with its default, so that one is changed only if it is named; `runs:/` may name the best state."""
    settings = {**SETTINGS, "iterations": 4, "eval_every": 1, "learning_rate": 0.0005, "version": 8}
    assert command("train", data_dir=own_dir, **settings).returncode == 0
    first = client.search_runs(["0"], "tags.version = '8'")[0]
    best = f"runs:/{first.info.run_id}/checkpoints/best.safetensors"
    done = command(
        "train", data_dir=own_dir, resume=best, change="learning_rate", iterations=6, register_as="none", version=81
    )
    assert done.returncode == 0, done.stderr
    step = client.search_runs(["0"], "tags.version = '81'")[0]
    assert step.data.tags["changed"] == "learning_rate 0.0005 -> 0.001, iterations 4 -> 6"
    assert step.data.params["learning_rate"] == "0.001"
    iteration = int(first.data.metrics["best_iteration"])
    assert step.data.tags["resumed_at"] == str(iteration)
    rates = dict(history(client, step.info.run_id, "learning_rate"))
    assert list(rates) == list(range(iteration + 1, 7))
    assert set(rates.values()) <= {0.001, 0.0001}


def test_a_diverging_run_keeps_its_state_and_the_printed_line_goes_on(
    mlflow_run: Command, client, own_dir: Path, environment
):
    """The rate of the third iteration is 1e20: the squares of the weights after its first step overflow."""
    rate = "100000000000000000000"
    wild = {"schedule": "step", "schedule_length": 2, "final_learning_rate": rate, "iterations": 6, "version": "wild"}
    done = mlflow_run("train", data_dir=own_dir, **SETTINGS, **wild)
    assert done.returncode == 1
    run = client.search_runs(["0"], "tags.version = 'wild'")[0]
    assert run.info.status == "FAILED"
    found = re.search(
        r"Error: (The loss is (?:inf|nan) in iteration 3, batch 2, so the optimizer step was skipped: .*)", done.stderr
    )
    assert found, done.stderr
    assert run.data.tags["error"] == found.group(1)
    assert run.data.tags["diverged"] == "true"
    assert [step for step, _ in history(client, run.info.run_id, "loss")] == [1, 2]
    kept = {file.path for file in client.list_artifacts(run.info.run_id, "checkpoints")}
    assert kept == {"checkpoints/current.safetensors", "checkpoints/best.safetensors"}
    line = re.search(r"(mlflow run .*)\.$", found.group(1)).group(1)
    assert "-P learning_rate=0.0001 -P final_learning_rate=10000000000000000000 " in line
    line = line.replace("final_learning_rate=10000000000000000000", "final_learning_rate=0.00002")
    pasted = subprocess.run(
        ["bash", "-c", line], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )
    assert pasted.returncode == 0, pasted.stderr
    step = client.search_runs(["0"], f"tags.resumed_from = '{run.info.run_id}'")[0]
    assert [at for at, _ in history(client, step.info.run_id, "loss")] == [3, 4, 5, 6]
    assert step.data.tags["diverged"] == "false"


def test_patience_ends_a_run_that_no_longer_gets_better(client, command: Command, own_dir: Path):
    settings = {**SETTINGS, "iterations": 2_000, "eval_every": 1, "patience": 3, "version": "patient"}
    done = command("train", data_dir=own_dir, **settings)
    assert done.returncode == 0, done.stderr
    run = client.search_runs(["0"], "tags.version = 'patient'")[0]
    accuracy = history(client, run.info.run_id, "val_accuracy")
    loss = dict(history(client, run.info.run_id, "val_loss"))
    # Better is a higher accuracy, or the same with a lower loss.
    order = [(value, -loss[step]) for step, value in accuracy]
    best = max(range(len(order)), key=lambda place: (order[place], -place))
    assert len(order) == best + 1 + 3
    assert f"Ended early after {len(order)} iterations" in done.stdout
    refused = command("train", data_dir=own_dir, resume=run.info.run_id)
    assert refused.returncode == 2
    assert "ended early, after 3 validations without improvement: pass a larger patience" in refused.stderr


def hostile(path: Path) -> None:
    class Trap:
        def __reduce__(self):
            return (os.system, (f"touch {path.with_suffix('.trap')}",))

    torch.save({"format": 1, "model": Trap()}, path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("cut off", "or it is damaged"),
        ("hostile", "nothing in it was executed"),
        ("another network", "belongs to the network 'compact', not to 'cnn2018': leave out model"),
        ("other weights", "Training cannot continue from this checkpoint"),
        ("another dataset", "was trained on the dataset 'data_liquid99' .*pass its dataset"),
        ("another image size", "image_size"),
        ("a picture", "is not a checkpoint of this project"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_and_left_alone(
    finished: str, quick_command: Command, own_dir: Path, tmp_path: Path, damage: str, message: str
):
    kept = mlflow.artifacts.download_artifacts(
        run_id=finished, artifact_path="checkpoints/current.safetensors", dst_path=str(tmp_path)
    )
    path, options = Path(kept), {}
    state = load_checkpoint(path)
    if damage == "cut off":
        path.write_bytes(path.read_bytes()[:5000])
    elif damage == "hostile":
        hostile(path)
    elif damage == "another network":
        options = {"model": "cnn2018", "iterations": 8}
    elif damage == "other weights":
        rest = {name: tensor for name, tensor in state.model.items() if name != min(state.model)}
        save_checkpoint(replace(state, model=rest, run_id="0" * 32), path)
        options = {"iterations": 8}
    elif damage == "a picture":
        path.write_bytes(np.zeros(3000, dtype=np.uint8).tobytes())
    else:
        other = {"digest": "0" * 64, "name": "data_liquid99"} if damage == "another dataset" else {"image_size": 250}
        save_checkpoint(replace(state, data={**state.data, **other}, run_id="0" * 32), path)
        options = {"dataset": "data_liquid5", "iterations": 8, "learning_rate": 0.0005}
    before = path.read_bytes()
    if damage == "another dataset":
        refused = quick_command("train", data_dir=own_dir, resume=path, **{**options, "dataset": "data_liquid5"})
        # The name is the default's, so the checkpoint's own dataset is looked for.
        assert "There is no dataset 'data_liquid99'" in refused.stderr
    else:
        refused = quick_command("train", data_dir=own_dir, resume=path, **options)
        assert re.search(message, refused.stderr), refused.stderr
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert path.read_bytes() == before
    assert not path.with_suffix(".trap").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "step"}, "schedule is step, which needs schedule_length"),
        ({"eta_threshold": "0.99:0.0001,0.90:0.00001"}, "ascending order"),
        ({"eta_threshold": "1.5"}, "eta_threshold is 1.5, outside the allowed range 0 to 1"),
        ({"eta_threshold": "high"}, "eta_threshold is 'high': pass a validation accuracy"),
        ({"eta_threshold": "-0.1"}, "eta_threshold is -0.1, outside the allowed range 0 to 1"),
        ({"device": "mps" if torch.cuda.is_available() else "cuda"}, "which cannot be used here"),
        (
            {"precision": "float16"},
            "precision is 'float16', which is not known (did you mean 'bfloat16'?): choose one of auto, float32, bfloat16",
        ),
        ({"change": "dropout"}, "change is only for a resumed training run"),
        ({"change": "color", "resume": "x"}, "change is 'color', which is not known: choose one of model, batch_size"),
        ({"repeats": 0}, "repeats is 0"),
        ({"patience": -1}, "patience is -1"),
        ({"patience": "soon"}, "patience is 'soon': pass a whole number or none"),
    ],
)
def test_settings_that_cannot_be(quick_command: Command, own_dir: Path, options, message):
    done = quick_command("train", data_dir=own_dir, **options)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_what_has_finished_is_not_resumed(finished: str, quick_command: Command, own_dir: Path):
    done = quick_command("train", data_dir=own_dir, resume=finished)
    assert done.returncode == 2
    assert "has finished its 4 iterations: pass a larger number, such as -P iterations=8" in done.stderr
    done = quick_command("train", data_dir=own_dir, resume=f"runs:/{finished}/weights.pt")
    assert done.returncode == 2
    assert (
        "after the run id pass one of model, checkpoints/best.safetensors, checkpoints/current.safetensors"
        in done.stderr
    )


def test_an_earlier_state_of_a_finished_run_does_not_go_on_in_it(
    finished: str, quick_command: Command, own_dir: Path, tmp_path: Path
):
    kept = mlflow.artifacts.download_artifacts(
        run_id=finished, artifact_path="checkpoints/current.safetensors", dst_path=str(tmp_path)
    )
    path = tmp_path / "earlier.safetensors"
    save_checkpoint(replace(load_checkpoint(Path(kept)), iteration=2), path)
    done = quick_command("train", data_dir=own_dir, resume=path)
    assert done.returncode == 2
    assert (
        "has finished, and this is its checkpoint after iteration 2: change a setting, such as -P iterations=8"
        in done.stderr
    )


def test_a_run_that_lives_on_another_machine_is_not_resumed(
    finished: str, client, quick_command: Command, own_dir: Path, tmp_path: Path
):
    kept = mlflow.artifacts.download_artifacts(
        run_id=finished, artifact_path="checkpoints/current.safetensors", dst_path=str(tmp_path)
    )
    tags = {"host": "elsewhere", "process": "4711 1@x", "alive_at": f"{time.time() - 60:.0f}"}
    living = client.create_run("0", tags=tags).info.run_id
    path = tmp_path / "living.safetensors"
    save_checkpoint(replace(load_checkpoint(Path(kept)), run_id=living), path)
    before = path.read_bytes()
    done = quick_command("train", data_dir=own_dir, resume=path, iterations=8)
    client.set_terminated(living, "KILLED")
    assert done.returncode == 2
    assert re.search(
        rf"The run {living} is still running \(process 4711 on elsewhere, last heard of \d+ s ago; considered dead after",
        done.stderr,
    )
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        (
            {"replicate": "2", "mlflow.parentRunId": "a" * 32},
            f"is replicate 2 of the run {'a' * 32}: pass -P resume={'a' * 32}",
        ),
        (
            {"stage": "trial", "optuna_state": "KILLED", "study": "s"},
            "is a trial of the sweep s: run the same",
        ),
        ({"stage": "replicate", "study": "s"}, "is a trial of the sweep s: run the same"),
    ],
)
def test_a_part_of_another_run_does_not_go_on_by_itself(
    finished: str, client, quick_command: Command, own_dir: Path, tmp_path: Path, tags: dict[str, str], message: str
):
    kept = mlflow.artifacts.download_artifacts(
        run_id=finished, artifact_path="checkpoints/current.safetensors", dst_path=str(tmp_path)
    )
    part = client.create_run("0", tags=tags).info.run_id
    client.set_terminated(part, "KILLED")
    path = tmp_path / "part.safetensors"
    save_checkpoint(replace(load_checkpoint(Path(kept)), run_id=part), path)
    done = quick_command("train", data_dir=own_dir, resume=path)
    assert done.returncode == 2
    assert f"The run {part} {message}" in done.stderr
    assert client.get_run(part).info.status == "KILLED"
