"""main, killed at random moments: the same command ends with the model of the undisturbed chain, trained once."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.faults.figures import Tally
from tests.faults.kills import Killer, Phase, changes
from tests.faults.test_killed_readers import rows
from tests.faults.test_killed_train import CURVES
from tests.faults.workplace import Workplace, points, weights, written

KILLS = 12


def trained(place: Workplace, data: Path) -> list[str]:
    """The finished training runs on the data of a folder."""
    runs = place.runs("train")
    return [
        run.info.run_id for run in runs if run.info.status == "FINISHED" and run.data.params["data_dir"] == str(data)
    ]


@pytest.mark.faults
@pytest.mark.long
@pytest.mark.timeout(3000)
def test_killed_main(fault_seed: int, workplace, small_demo: Callable[[Workplace], None]):
    tally, place, undisturbed = Tally("main", "SIGKILL"), workplace(), workplace("undisturbed")
    for each in (place, undisturbed):
        small_demo(each)
    undisturbed.run("main", data_dir=undisturbed.data, workers=1)
    (reference,) = trained(undisturbed, undisturbed.data)
    (asked,) = undisturbed.runs("transfer_eval")
    expected, table = (
        weights(undisturbed.artifact(reference, "checkpoints/best.safetensors")),
        rows(undisturbed, asked.info.run_id),
    )
    killer, rounds = Killer(fault_seed, tally, KILLS, children=False), 0
    while killer.has_more:
        rounds += 1
        data = place.folder / f"data{rounds}"
        phases = [
            Phase(1, 8.0),
            Phase(2, 6.0, changes(lambda data=data: len(list(data.glob("ensembles/demo/sim-*.gsd"))))),
            Phase(4, 8.0, changes(lambda data=data: written(data.glob("runs/*/metrics.jsonl")))),
            Phase(3, 15.0, changes(lambda data=data: len(trained(place, data)) if data.exists() else 0)),
        ]
        killer.until_done(place, lambda data=data: place.start("main", data_dir=data, workers=1), phases)
        (run_id,) = trained(place, data)
        mine = weights(place.artifact(run_id, "checkpoints/best.safetensors"))
        equal = mine.keys() == expected.keys() and all(torch.equal(mine[key], expected[key]) for key in expected)
        tally.same(f"weights of round {rounds}", equal, True)
        for key in CURVES:
            theirs = points(undisturbed.client, reference, key)
            tally.count(f"{key} of round {rounds}", points(place.client, run_id, key), theirs)
        versions = place.client.search_model_versions("name = 'glass-liquid'")
        tally.count(f"versions of round {rounds}", [v.run_id for v in versions if v.run_id == run_id], [run_id])
        found = [run.info.run_id for run in place.runs("transfer_eval") if run.info.status == "FINISHED"]
        tally.same(f"table of round {rounds}", rows(place, found[-1]), table)
        assert place.runs("main")[-1].info.status == "FINISHED"
        tally.left += place.running() + place.left_behind()
    tally.left += map(str, place.orphans())
    tally.settle()
