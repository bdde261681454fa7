"""What a training run is called."""

import pytest

from glassliquid.sessions.training_job import TrainJob
from glassliquid.training.config import TrainConfig

SHOWN = 22
"""Letters of a name that MLflow's table of runs shows."""


def job(dataset: str = "data_liquid5", version: str | None = None, **config: object) -> TrainJob:
    return TrainJob(config=TrainConfig(**config), dataset=dataset, version=version)


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (job(), "data_liquid5 compact"),
        (job(batch_size=50, dropout=0.25), "batch 50, dropout 0.25 data_liquid5 compact"),
        (job(model="graph", depth=3), "depth 3 graph data_liquid5"),
        (job(version="7", learning_rate=0.00001), "V7 rate 0.00001 data_liquid5 compact"),
    ],
)
def test_a_name_begins_with_what_is_special(made: TrainJob, name: str):
    assert made.run_name == name


def test_runs_that_differ_in_one_setting_have_names_that_differ_where_they_can_be_seen():
    jobs = [
        job(),
        job(batch_size=50),
        job(dropout=0.3),
        job(seed=4),
        job(model="graph"),
        job(augment=False),
        job(dataset="data_liquid171"),
        job(schedule="linear"),
    ]
    assert len({each.run_name[:SHOWN] for each in jobs}) == len(jobs)
