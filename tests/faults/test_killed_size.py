"""size, killed at random moments: the same command ends with the undisturbed command's table, and makes no ensemble twice."""

import pytest

from tests.faults.figures import Tally
from tests.faults.kills import Killer, Phase, changes
from tests.faults.workplace import Workplace, written

KILLS = 8
TINY = {
    "sizes": "64,100", "models": "structure", "simulations": 40, "liquid": 100, "glass_steps": 2_000,
    "liquid_steps": 4_000, "iterations": 4, "batch_size": 10, "engine": "lammps",
}  # fmt: skip
"""A minute on one core: two sizes, two coolings each, and the network that trains in a second."""


def finished(place: Workplace, stage: str) -> list[str]:
    """The finished runs of one stage."""
    return [run.info.run_id for run in place.runs(stage) if run.info.status == "FINISHED"]


@pytest.mark.faults
@pytest.mark.long
@pytest.mark.timeout(3000)
def test_killed_size(fault_seed: int, workplace):
    tally, place, undisturbed = Tally("size", "SIGKILL"), workplace(), workplace("undisturbed")
    undisturbed.run("size", data_dir=undisturbed.data, workers=1, **TINY)
    (reference,) = finished(undisturbed, "size")
    table = undisturbed.artifact(reference, "size.csv").read_text()
    killer, rounds = Killer(fault_seed, tally, KILLS, children=False), 0
    while killer.has_more:
        rounds += 1
        data = place.folder / f"data{rounds}"
        phases = [
            Phase(1, 8.0),
            Phase(2, 6.0, changes(lambda data=data: len(list(data.glob("ensembles/*/sim-*.gsd"))))),
            Phase(2, 3.0, changes(lambda data=data: len(list(data.glob("ensembles/*/inherent/sim-*.gsd"))))),
            Phase(3, 8.0, changes(lambda data=data: written(data.glob("runs/*/metrics.jsonl")))),
        ]
        killer.until_done(place, lambda data=data: place.start("size", data_dir=data, workers=1, **TINY), phases)
        found = finished(place, "size")[-1]
        tally.same(f"table of round {rounds}", place.artifact(found, "size.csv").read_text(), table)
        # Two networks were trained, and every evaluation is of one of them.
        trained = [
            run for run in finished(place, "train") if place.client.get_run(run).data.params["data_dir"] == str(data)
        ]
        tally.same(f"training runs of round {rounds}", len(trained), 2)
        tally.left += place.running() + place.left_behind()
    tally.left += map(str, place.orphans())
    tally.settle()
