"""sweep, killed at random moments: every trial of the undisturbed sweep is complete once, with the same curve.

The quick tests kill one in test_two_at_once.py.
"""

from collections.abc import Iterable

import optuna
import pytest
from mlflow.entities import Run

from glassliquid.sweep.storage import open_storage
from glassliquid.sweep.study import Study, finished
from tests.faults.figures import Tally
from tests.faults.kills import Killer, Phase, changes
from tests.faults.workplace import Workplace, points, written

OPTIONS = {
    "trials": 4, "jobs": 2, "sampler": "grid", "batch_sizes": "4,8", "iterations": 16, "eval_every": 4,
    "batches_per_iteration": 10, "pruner": "none", "seed": 5, "data_dir": "data", "learning_rate": 0.01,
}  # fmt: skip
KILLS_OF_A_LANE = 12


def complete(place: Workplace, study: str) -> list[Run]:
    """The runs of the trials that count."""
    return [
        run
        for run in place.runs("trial")
        if run.data.tags.get("study") == study and run.data.tags.get("optuna_state") == "COMPLETE"
    ]


def told(place: Workplace, runs: Iterable[Run]) -> list[str]:
    """Settings, curve and score of trials, in an order that does not depend on which was run first."""
    names = ("batch_size", "dropout", "seed")
    return sorted(
        str(
            (
                [run.data.params[name] for name in names],
                run.data.metrics["best_val_accuracy"],
                points(place.client, run.info.run_id, "loss"),
                points(place.client, run.info.run_id, "val_loss"),
            )
        )
        for run in runs
    )


@pytest.mark.faults
@pytest.mark.long
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("lane", ["a", "b"])
def test_killed_sweep(lane: str, fault_seed: int, workplace, dataset):
    tally = Tally(f"sweep {lane}", "SIGKILL")
    killer, place = Killer(fault_seed, tally, KILLS_OF_A_LANE), workplace()
    place.take(dataset)
    undisturbed = workplace("undisturbed")
    undisturbed.take(dataset)
    undisturbed.run("sweep", study="s", **OPTIONS)
    expected = told(undisturbed, complete(undisturbed, "s"))
    assert len(expected) == OPTIONS["trials"]
    phases = [
        Phase(2, 6.0),
        Phase(5, 8.0, changes(lambda: written(place.data.glob("runs/*/metrics.jsonl")))),
        Phase(3, 6.0, changes(lambda: written(place.folder.glob("mlruns/0/*/artifacts/trials.csv")))),
    ]  # fmt: skip
    rounds = 0
    while killer.has_more:
        rounds += 1
        study = f"s{rounds}"
        killer.until_done(place, lambda study=study: place.start("sweep", study=study, **OPTIONS), phases)
        trials = complete(place, study)
        tally.count(f"trials of {study}", told(place, trials), expected)
        storage = open_storage(f"sqlite:///{place.data / 'sweeps' / study / 'study.db'}")
        stored = Study(optuna.load_study(storage=storage, study_name=study), created=False)
        ended = finished(stored.trials(), OPTIONS["trials"])
        tally.count(f"slots of {study}", sorted(trial.slot for trial in ended), range(OPTIONS["trials"]))
        tally.count(
            f"runs of {study}",
            sorted(trial.attributes["run_id"] for trial in ended),
            sorted(run.info.run_id for run in trials),
        )
        tally.count(
            f"finished trials of {study}",
            [
                run.info.run_id
                for run in place.runs("trial")
                if run.data.tags.get("study") == study and run.info.status == "FINISHED"
            ],
            [run.info.run_id for run in trials],
        )
        (parent,) = [run for run in place.runs("sweep") if run.data.tags.get("study") == study]
        tally.same(f"status of {study}", parent.info.status, "FINISHED")
        best = parent.data.tags["best_run"]
        versions = [v.run_id for v in place.client.search_model_versions("name = 'glass-liquid'") if v.run_id == best]
        tally.count(f"versions of {study}", versions, [best])
        tally.left += place.running() + place.left_behind()
    tally.left += [str(path) for path in place.data.glob("runs/*/*.safetensors")]
    tally.left += map(str, place.orphans())
    tally.left += place.left_for_ever("tidy")
    tally.settle()
