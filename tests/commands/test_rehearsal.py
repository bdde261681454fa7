"""dry_run and overfit: what a run costs and whether a network can learn, of which nothing is kept."""

import re
from pathlib import Path

import pytest
from mlflow import MlflowClient

from glassliquid.layout import Layout
from tests.commands.conftest import Command
from tests.commands.test_bad_input import assert_one_sentence

SMALL = {"batch_size": 14, "batches_per_iteration": 2}


@pytest.fixture
def untouched(client: MlflowClient, own_dir: Path):
    """Whatever the test does, it makes no run, no registered model and no file but caches of the dataset."""

    def kept() -> tuple[int, int, list[Path]]:
        files = [path for path in own_dir.rglob("*") if not path.name.startswith(".")]
        return len(client.search_runs(["0"])), len(client.search_registered_models()), sorted(files)

    before = kept()
    yield
    assert kept() == before
    assert not Layout(own_dir).runs.exists()


def tried(quick_command: Command, entry_point: str, **options: object) -> str:
    """What a command prints that ends well."""
    done = quick_command(entry_point, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_rehearsal_of_train_tells_settings_sizes_time_and_memory(untouched, quick_command, own_dir: Path):
    said = tried(quick_command, "train", dry_run="true", data_dir=own_dir, iterations=600, repeats=2, **SMALL)
    assert "Training compact on data_liquid5 (28 training and 6 validation samples" in said
    assert "batch_size 14, learning_rate 0.001" in said
    assert "schedule_length auto" in said
    assert "patience none" in said
    assert "9,586 parameters" in said
    found = re.search(
        r"2 batches takes ([\d.e-]+) s, a validation ([\d.e-]+) s: 600 iterations take about (.*)\.", said
    )
    assert found, said
    # 120 validations; the words have no fractions of a second.
    total = 600 * float(found[1]) + 120 * float(found[2])
    once, _, twice = found[3].partition(", and 2 such training runs ")
    assert seconds(once) == pytest.approx(total, abs=1, rel=0.01)
    assert seconds(twice) == pytest.approx(2 * total, abs=1, rel=0.01)
    memory = float(re.search(r"Memory: ([\d.]+) [MG]B", said)[1])
    assert memory > 0


def test_a_rehearsal_of_sweep_counts_its_trainings(untouched, quick_command, own_dir: Path):
    options = {"dry_run": "true", "batch_sizes": "7,14", "trials": 3, "repeats": 2, "iterations": 2}
    said = tried(quick_command, "sweep", data_dir=own_dir, **options)
    assert "3 trials, 1 at a time, on" in said
    assert "With batches of 14" in said
    assert "6 training runs take at most" in said


def test_a_network_learns_a_few_images_by_heart(untouched, quick_command, own_dir: Path):
    said = tried(quick_command, "train", overfit=16, data_dir=own_dir, batches_per_iteration=5)
    assert re.search(r"compact has memorised 16 training images in \d+ iterations \(100 % of them right", said)


def test_one_that_does_not_ends_in_a_sentence(untouched, quick_command, own_dir: Path):
    rate = {"learning_rate": 0.0000001, "final_learning_rate": 0.0000001}
    done = quick_command("train", overfit=16, data_dir=own_dir, iterations=2, eval_every=1, **rate, **SMALL)
    assert_one_sentence(done, r"compact has learned \d+ of 16 training images in 2 iterations, but should memorise")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"overfit": 7}, "overfit is 7: pass an even number up to 28"),
        ({"overfit": 100}, "overfit is 100: pass an even number up to 28"),
        ({"overfit": 0}, "overfit is 0, outside the allowed range"),
        ({"dry_run": "yes"}, "dry_run is 'yes': pass true or false"),
        ({"dry_run": "true", "resume": "0" * 32}, "leave out resume"),
        ({"dry_run": "true", "dataset": "data_liquid6"}, r"no dataset 'data_liquid6' .*did you mean 'data_liquid5'"),
        ({"dry_run": "true", "batch_size": 29}, "batch_size is 29"),
    ],
)
def test_what_cannot_be_tried_is_refused(untouched, quick_command, own_dir: Path, options, message):
    assert_one_sentence(quick_command("train", data_dir=own_dir, **{"iterations": 1, **options}), message)


def seconds(words: str) -> int:
    """`1 min 5 s` as a number."""
    units = {"h": 3600, "min": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+) (h|min|s)\b", words))
