"""A user's mistake ends in one sentence that names the value and what is allowed, a code, and a FAILED run."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from mlflow import MlflowClient

from entrypoints import shell
from glassliquid.datasets.description import Dataset
from tests.commands.conftest import Command

WRONG = [
    ("make_data", {"preset": "huge"}, "preset is 'huge'.*demo, fast, reference"),
    ("make_data", {"source": "magic"}, "source is 'magic'.*simulate"),
    ("make_data", {"liquid": 201}, "liquid is 201.*0 .* to 200"),
    ("make_data", {"glass": -1}, "glass is -1.*0 .* to 200"),
    ("make_data", {"liquid": 7}, "liquid is 7, which the ensemble 'demo' does not store .nearest: 0, 1, 5, 10"),
    ("make_data", {"liquid": 200}, "liquid and glass are both 200"),
    ("make_data", {"liquid": "five"}, "liquid is 'five': pass a whole number"),
    ("make_data", {"particles": 0}, "particles is 0, outside the allowed range 32 to"),
    ("make_data", {"particles": 256.5}, "particles is '256.5': pass a whole number or auto"),
    ("make_data", {"cooling_steps": 10_100}, "cooling_steps is 10100.*multiple of 200"),
    ("make_data", {"cooling_steps": -200}, "cooling_steps is -200"),
    ("make_data", {"simulations": 2}, "simulations is 2, outside the allowed range 3 to"),
    ("make_data", {"snapshots": "5,x"}, "snapshots is '5,x'.*5,100,200"),
    ("make_data", {"snapshots": "200,5"}, "ascending order"),
    ("make_data", {"image_size": 0}, "image_size is 0.*16 to 2048"),
    ("make_data", {"window": 0}, "window is 0"),
    ("make_data", {"window": "nan"}, "window is 'nan': pass a number"),
    ("make_data", {"inherent": "yes"}, "inherent is 'yes': pass true or false"),
    ("make_data", {"seed": -1}, "seed is -1"),
    ("make_data", {"workers": 0}, "workers is 0, outside the allowed range 1 to 10000"),
    ("make_data", {"name": "../escape"}, "name is '../escape'.*letters, digits"),
    ("make_data", {"engine": "foo"}, "engine is 'foo', which is not known: choose one of lammps, numba, auto"),
    ("make_data", {"name": "latest"}, "name is 'latest'.*alias"),
    ("make_data", {"ensemble": "a/b"}, "ensemble is 'a/b'"),
    ("train", {"dataset": "data_liquid99"}, "no dataset 'data_liquid99'.*data_liquid5.*mlflow run . -e make_data"),
    ("train", {"dataset": "data_liquid6"}, r"no dataset 'data_liquid6' .*did you mean 'data_liquid5'\?.*-P data_dir=/"),
    ("train", {"model": "resnet"}, "model is 'resnet', which is not known: choose one of cnn2018, compact"),
    (
        "train",
        {"model": "compct"},
        r"model is 'compct', which is not known \(did you mean 'compact'\?\): choose one of",
    ),
    ("train", {"schedule": "thresholds"}, r"did you mean 'threshold'\?"),
    ("sweep", {"sampler": "tp"}, r"sampler is 'tp', which is not known \(did you mean 'tpe'\?\)"),
    ("train", {"schedule": "cosine"}, "schedule is 'cosine'.*threshold, constant"),
    ("train", {"batch_size": 29}, "batch_size is 29, but the training split has 28 images"),
    ("train", {"batch_size": 0}, "batch_size is 0"),
    ("train", {"batch_size": "many"}, "batch_size is 'many': pass a whole number"),
    ("train", {"learning_rate": -0.1}, "learning_rate is -0.1"),
    ("train", {"learning_rate": "inf"}, "learning_rate is 'inf': pass a number"),
    ("train", {"dropout": 1}, "dropout is 1"),
    ("train", {"augment": "on"}, "augment is 'on': pass true or false"),
    ("train", {"iterations": 0}, "iterations is 0"),
    ("train", {"device": "tpu9"}, "device is 'tpu9'.*auto, cpu, cuda or mps"),
    ("train", {"max_hours": 0}, "max_hours is 0"),
    ("train", {"resume": "nothing"}, "no model 'nothing'.*run id"),
    ("train", {"resume": "0" * 32}, "no run '0{32}'"),
    (
        "train",
        {"batchsize": 50},
        r"no parameter 'batchsize' \(did you mean 'batch_size'\?\): see --help for the parameters of train",
    ),
    ("train", {"zzz": 50}, "no parameter 'zzz': see --help"),
    (
        "evaluate",
        {"model": "models:/nobody@nothing"},
        "no model 'models:/nobody@nothing' .*registered models",
    ),
    ("evaluate", {"model": "missing.pt"}, "no model 'missing.pt'"),
    ("main", {"model": "resnet"}, "model is 'resnet'"),
    ("transfer_eval", {"model": "missing.pt"}, "no model 'missing.pt'.*models:/NAME@ALIAS"),
    ("transfer_eval", {"model": "a.pt,,b.pt"}, "model is 'a.pt,,b.pt': pass one name or several"),
    (
        "transfer_eval",
        {"liquids": "5,x"},
        "liquids is '5,x': pass indices separated by commas, such as 5,100,171, or all",
    ),
    ("transfer_eval", {"liquids": "5,201"}, "liquids is 201.*0 .* to 200"),
    ("transfer_eval", {"liquids": "5,200"}, "liquids has 200, but the glass is 200: choose liquids before it"),
    ("transfer_eval", {"glass": -1}, "glass is -1.*0 .* to 200"),
    ("transfer_eval", {"find_breakdown": "yes"}, "find_breakdown is 'yes': pass true or false"),
    ("transfer_eval", {"datasets": "data_liquid5,"}, "datasets is 'data_liquid5,': pass one name or several"),
]


@pytest.mark.parametrize(("name", "options", "message"), WRONG)
def test_a_wrong_value_ends_in_one_sentence(
    quick_command: Command, dataset: Dataset, data_dir: Path, name, options, message
):
    done = quick_command(name, data_dir=data_dir, **options)
    assert_one_sentence(done, message)


def test_latest_of_an_experiment_without_runs(
    quick_command: Command, client: MlflowClient, data_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    client.create_experiment("nothing was trained here")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "nothing was trained here")
    done = quick_command("train", data_dir=data_dir, resume="latest")
    assert_one_sentence(done, "resume is latest.*'nothing was trained here' has no stopped training run")


@pytest.mark.parametrize(("variable", "value"), [("MLFLOW_EXPERIMENT_ID", "77"), ("MLFLOW_RUN_ID", "0" * 32)])
def test_latest_of_an_experiment_or_run_that_does_not_exist(
    quick_command: Command, data_dir: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
):
    monkeypatch.setenv(variable, value)
    done = quick_command("train", data_dir=data_dir, resume="latest")
    assert_one_sentence(done, f"{variable} is '{value}': correct that or unset it")


def test_a_real_process_ends_in_the_same_sentence_and_code(command: Command):
    assert_one_sentence(command("make_data", preset="huge"), "preset is 'huge'.*demo, fast, reference")


def test_the_run_of_mlflow_fails_and_says_why(mlflow_run: Command, tracking_uri: str, dataset: Dataset, data_dir: Path):
    import mlflow

    mlflow.set_tracking_uri(tracking_uri)
    for options, message in (
        ({"schedule": "thresholds"}, "schedule is 'thresholds'"),
        ({"batch_size": 29}, "batch_size is 29"),
    ):
        done = mlflow_run("train", data_dir=data_dir, **options)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        run = mlflow.MlflowClient().get_run(re.search(r"in run with ID '(\w+)'", done.stderr).group(1))
        assert run.info.status == "FAILED"
        assert message in run.data.tags["error"]
        assert run.data.tags["mlflow.note.content"].startswith(run.data.tags["error"])
        if "schedule" in options:  # nothing had begun
            assert run.info.run_name.startswith("train: schedule is 'thresholds', which")
            assert run.data.tags["stage"] == "refused"


def test_a_data_dir_that_does_not_exist_is_told_as_such(quick_command: Command, tmp_path: Path):
    missing = tmp_path / "dta"
    done = quick_command("evaluate", data_dir=missing)
    assert_one_sentence(done, f"data_dir is '{missing}', which does not exist, so there is no dataset 'data_liquid5'")
    assert not missing.exists()


def test_shell_characters_are_only_characters(mlflow_run: Command, data_dir: Path, tmp_path: Path):
    trap = tmp_path / "trap"
    done = mlflow_run("train", dataset=f"$(touch {trap}); touch {trap}", data_dir=data_dir)
    assert done.returncode == 1
    assert "use up to 100 letters" in done.stderr
    assert not trap.exists()


def test_a_dataset_of_the_same_name_is_not_overwritten(
    quick_command: Command, dataset: Dataset, copied: Callable, tmp_path: Path
):
    copied(dataset.folder)
    copied(dataset.folder.parents[1] / "ensembles" / "small")
    before = (tmp_path / "datasets" / "data_liquid5" / "dataset.json").read_bytes()
    settings = {
        "ensemble": "small",
        "particles": 100,
        "cooling_steps": 2000,
        "simulations": 20,
        "snapshots": "0,5,60,100,195,200",
    }
    done = quick_command("make_data", data_dir=tmp_path, image_size=64, liquid=60, **settings)
    assert_one_sentence(done, "'data_liquid5' was made differently .liquid is 5 there and 60 here.*-P name=NAME")
    assert (tmp_path / "datasets" / "data_liquid5" / "dataset.json").read_bytes() == before
    done = quick_command("make_data", data_dir=tmp_path, image_size=64, **{**settings, "particles": 64})
    assert_one_sentence(done, "'small' was made differently .particles is 100 there and 64 here")
    done = quick_command("make_data", data_dir=tmp_path, image_size=64, **{**settings, "ensemble": "other"})
    assert_one_sentence(done, "'data_liquid5' was made differently .ensemble is small there and other here")
    assert not (tmp_path / "ensembles" / "other").exists()  # it was refused before anything was simulated


@pytest.mark.parametrize("place", ["ensembles/demo", "datasets/data_liquid5"])
def test_a_foreign_folder_is_left_alone(
    quick_command: Command, tmp_path: Path, place: str, dataset: Dataset, copied: Callable
):
    foreign = tmp_path / place / "thesis.tex"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("ten years of work")
    if "datasets" in place:
        copied(dataset.folder.parents[1] / "ensembles" / "small")
    settings = {"particles": 100, "cooling_steps": 2000, "simulations": 20, "snapshots": "0,5,60,100,195,200"}
    ensemble = "small" if "datasets" in place else "demo"
    done = quick_command("make_data", data_dir=tmp_path, ensemble=ensemble, **settings)
    assert_one_sentence(done, "thesis.tex")
    assert foreign.read_text() == "ten years of work"


@pytest.mark.parametrize("damage", ["truncated png", "missing png", "foreign json", "half json"])
def test_a_damaged_dataset_is_named(
    quick_command: Command, dataset: Dataset, copied: Callable, tmp_path: Path, damage: str
):
    folder = copied(dataset.folder)
    for cache in folder.glob(".decoded-*"):
        cache.unlink()
    image = next((folder / "train" / "glass").iterdir())
    if damage == "truncated png":
        image.write_bytes(image.read_bytes()[:200])
    elif damage == "missing png":
        image.unlink()
    else:
        text = (folder / "dataset.json").read_text()
        (folder / "dataset.json").write_text("[1, 2]" if damage == "foreign json" else text[: len(text) // 2])
    done = quick_command("train", data_dir=tmp_path, batch_size=8)
    assert_one_sentence(done, image.name if "png" in damage else "dataset.json")


def test_a_truncated_trajectory_is_named(
    command: Command, quick_command: Command, ensemble, copied: Callable, tmp_path: Path
):
    folder = copied(ensemble.folder)
    broken = folder / "sim-00003.gsd"
    broken.write_bytes(broken.read_bytes()[:1000])
    settings = {
        "ensemble": "small",
        "particles": 100,
        "cooling_steps": 2000,
        "simulations": 20,
        "snapshots": "0,5,60,100,195,200",
    }
    done = quick_command("make_data", data_dir=tmp_path, **settings)
    assert_one_sentence(done, r"sim-00003.gsd is damaged .* delete it and run make_data again")
    assert not (tmp_path / "datasets" / "data_liquid5").exists()
    broken.unlink()
    assert command("make_data", data_dir=tmp_path, **settings).returncode == 0


def test_a_folder_that_cannot_be_written_is_named(quick_command: Command, tmp_path: Path):
    blocked = tmp_path / "data"
    blocked.write_text("a file in the place of the folder")
    done = quick_command("make_data", data_dir=blocked)
    assert_one_sentence(done, "Cannot write .*a file is where a folder should be")


def test_full_memory_is_no_traceback(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    @click.command()
    def hungry() -> None:
        raise MemoryError

    monkeypatch.setattr(sys, "argv", ["hungry"])
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    with pytest.raises(SystemExit) as ended:
        shell.run(hungry)
    out, err = capfd.readouterr()
    assert_one_sentence(subprocess.CompletedProcess([], int(ended.value.code or 0), out, err), "memory is full")


def assert_one_sentence(done, message: str) -> None:
    assert done.returncode == 2, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert re.search(message, errors[0]), errors[0]
