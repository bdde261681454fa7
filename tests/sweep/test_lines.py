"""The printed command lines, read back by the real options."""

import importlib
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from glassliquid.parameters import from_texts
from glassliquid.sessions.training_job import TrainJob
from glassliquid.sweep.job import SweepJob, sweep_line, train_line
from glassliquid.sweep.space import SearchSpace, configured
from glassliquid.training.config import TrainConfig

JOB = SweepJob(
    config=TrainConfig(model="cnn2018", l2=0.00001, augment=False, iterations=7, schedule_length=5, patience=3, seed=4),
    space=SearchSpace(batch_sizes=(8, 4), dropout_low=0.1, dropout_high=1 / 3, learning_rate_range=(0.00001, 0.1)),
    dataset="some data",
    data_dir=Path("a folder/it's"),
    trials=7,
    sampler="random",
    pruner="none",
    repeats=3,
    jobs=2,
    study="night",
    register_as=None,
    version="5",
)


def options_of(line: str, entry_point: str) -> dict:
    """What the command's options make of the line, as `mlflow run` hands its parameters on."""
    words = shlex.split(line)
    while "=" in words[0]:
        words.pop(0)
    assert words[:5] == ["mlflow", "run", ".", "-e", entry_point]
    assert words[5::2] == ["-P"] * len(words[6::2])
    arguments = [part for word in words[6::2] for part in (f"--{word.partition('=')[0]}", word.partition("=")[2])]
    command = importlib.import_module(f"entrypoints.{entry_point}").main
    return command.make_context(entry_point, arguments).params


@pytest.mark.parametrize("rate", [0.1 + 0.2, 1e-5, 0.0012345678901234567])
def test_the_line_of_a_trial_gives_exactly_its_settings(rate: float):
    settings = {"batch_size": 8, "dropout": 0.1 + 1e-17, "learning_rate": rate, "eta_threshold": 0.83}
    line = train_line(JOB, settings, threads=1)
    assert line.startswith("OMP_NUM_THREADS=1 mlflow run . -e train ")
    assert "e-" not in line.partition("-P")[2].replace("-P ", "")
    assert from_texts(TrainJob, options_of(line, "train")) == JOB.training(configured(JOB.config, settings))


def test_a_line_names_no_threads_where_they_make_no_difference():
    assert train_line(JOB, {"batch_size": 8, "dropout": 0.2}, threads=None).startswith("mlflow run . -e train ")


def test_the_line_of_a_sweep_gives_exactly_the_sweep():
    assert from_texts(SweepJob, options_of(sweep_line(JOB), "sweep")) == JOB


def test_the_lines_of_a_search_over_a_networks_own_settings_give_exactly_these():
    space = SearchSpace(batch_sizes=(8,), widths=(16, 32), cutoffs=(1.3, 1.5))
    job = replace(JOB, config=TrainConfig(model="graph", depth=3), space=space)
    assert from_texts(SweepJob, options_of(sweep_line(job), "sweep")) == job
    settings = {"batch_size": 8, "dropout": 0.2, "width": 32, "cutoff": 1.3}
    line = train_line(job, settings, threads=None)
    assert {"width=32", "cutoff=1.3", "depth=3"} <= set(shlex.split(line))
    assert from_texts(TrainJob, options_of(line, "train")) == job.training(configured(job.config, settings))
    assert "width 16, 32; cutoff 1.3, 1.5;" in job.caption


def test_a_line_that_continues_is_not_limited_in_time():
    assert sweep_line(replace(JOB, max_hours=0.5)) == sweep_line(JOB)
    assert "max_hours" not in train_line(replace(JOB, max_hours=0.5), {"batch_size": 8, "dropout": 0.2}, threads=None)
