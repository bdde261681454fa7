"""What a sweep refuses, before anything is trained."""

from pathlib import Path

import mlflow
import pytest

from glassliquid.datasets.description import Dataset
from tests.commands.conftest import Command
from tests.commands.sweeps import SMALL
from tests.commands.test_bad_input import assert_one_sentence

WRONG = [
    ({"dropout_low": 0.5, "dropout_high": 0.1}, "range of dropout runs from 0.5 to 0.1: pass the lower bound first"),
    ({"dropout_high": 1}, "dropout is 1.0, outside the allowed range"),
    (
        {"learning_rate_range": "0.01:0.0001"},
        "range of learning_rate runs from 0.01 to 0.0001: pass the lower bound first",
    ),
    ({"l2_range": "0:1"}, "range of l2 begins at 0.0"),
    ({"eta_threshold_range": "0.9:1.5"}, "eta_threshold is 1.5, outside"),
    ({"eta_threshold_range": "0.8:0.9", "schedule": "constant"}, "schedule 'constant' has no threshold"),
    ({"widths": "16,32"}, "widths is 16,32, but the model compact has no setting width: leave it out"),
    ({"cutoffs": "1.3", "model": "structure"}, "cutoffs is 1.3, but the model structure has no setting cutoff"),
    ({"widths": "16,4000", "model": "graph"}, "width is 4000, outside the allowed range 1 to 1024"),
    ({"cutoffs": "1.5,2.5", "model": "graph"}, "cutoff is 2.5, outside the allowed range"),
    (
        {"depths": "1,2", "depth": 3, "model": "graph"},
        "depths is 1,2, which is searched, and depth is 3, which is held fixed",
    ),
    ({"depth": 3}, "depth is 3, but the model compact has no such setting"),
    ({"head_counts": "4;8", "model": "graph"}, "head_counts is '4;8'.*whole numbers"),
    ({"sampler": "genetic"}, "sampler is 'genetic'.*tpe, grid, random"),
    ({"pruner": "axe"}, "pruner is 'axe'.*median, hyperband, none"),
    ({"trials": 0}, "trials is 0"),
    ({"trials": -3}, "trials is -3"),
    ({"jobs": 0}, "jobs is 0"),
    ({"repeats": 0}, "repeats is 0"),
    ({"batch_sizes": "4,29"}, "batch_sizes has 29, but the training split of data_liquid5 has 28 images"),
    ({"batch_sizes": "4,0"}, "a batch size is 0"),
    ({"batch_sizes": "4;8"}, "batch_sizes is '4;8'"),
    ({"study": "../escape"}, "study is '../escape'.*letters"),
    (
        {"storage": "postgresql://nobody@127.0.0.1:1/x"},
        "storage postgresql.*127.0.0.1:1/x cannot be used .*start the server",
    ),
    ({"storage": "oracle://x/y"}, "storage is 'oracle://x/y', and there is no driver for it"),
    ({"storage": "sqlite:///:memory:"}, "storage is 'sqlite:///:memory:', which names no file"),
    ({"storage": "nonsense"}, "storage is not an address"),
    ({"device": "tpu9"}, "device is 'tpu9'"),
    ({"dataset": "data_liquid99"}, "no dataset 'data_liquid99'"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_a_wrong_value_ends_in_one_sentence_before_anything_is_trained(
    quick_command: Command, client: mlflow.MlflowClient, dataset: Dataset, data_dir: Path, options, message
):
    before = len(client.search_runs(["0"], "tags.stage = 'trial'"))
    done = quick_command("sweep", **{"data_dir": data_dir, **SMALL, **options})
    assert_one_sentence(done, message)
    assert len(client.search_runs(["0"], "tags.stage = 'trial'")) == before


@pytest.mark.parametrize(
    "storage", ["postgresql://me:secret@127.0.0.1:1/x", "postgresql://127.0.0.1:1/x?password=secret"]
)
def test_a_storage_with_a_password_is_refused_and_not_repeated(
    quick_command: Command, client: mlflow.MlflowClient, data_dir: Path, storage: str
):
    before = len(client.search_runs(["0"]))
    done = quick_command("sweep", data_dir=data_dir, storage=storage, **SMALL)
    assert_one_sentence(done, "storage contains a password.*PGPASSWORD or use ~/.pgpass")
    assert "secret" not in done.stdout + done.stderr
    assert len(client.search_runs(["0"])) == before


def test_the_tracking_store_is_refused_as_storage(
    quick_command: Command, tracking_uri: str, dataset: Dataset, data_dir: Path
):
    done = quick_command("sweep", data_dir=data_dir, storage=tracking_uri, **SMALL)
    assert_one_sentence(done, "is the tracking store of MLflow.*pass another database")


def test_a_study_of_other_settings_is_refused(quick_command: Command, dataset: Dataset, data_dir: Path, tmp_path: Path):
    from glassliquid.sweep.storage import open_storage
    from glassliquid.sweep.study import open_study

    address = f"sqlite:///{tmp_path / 'study.db'}"
    open_study(open_storage(address), "mine", {"objective": "something else"})
    done = quick_command("sweep", data_dir=data_dir, storage=address, study="mine", **SMALL)
    assert_one_sentence(done, "study 'mine' exists with another search space or objective .*something else there")
