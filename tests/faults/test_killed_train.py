"""train, killed at random moments: the run ends with the weights, points and model of the undisturbed one, each once."""

import subprocess

import pytest
import torch

from tests.faults.conftest import long, short
from tests.faults.figures import Tally
from tests.faults.kills import Killer, Phase, changes
from tests.faults.workplace import CURVES, FINALS, TRAINING, Workplace, points, weights, written


def has_state(place: Workplace, run_id: str) -> bool:
    return (place.data / "runs" / run_id / "current.safetensors").exists() or place.artifact(
        run_id, "checkpoints/current.safetensors"
    ).exists()


def compare(tally: Tally, place: Workplace, run_id: str, undisturbed: Workplace) -> None:
    """Weights bit for bit, every point once, one model, one version."""
    client = place.client
    (reference,) = (run.info.run_id for run in undisturbed.runs("train"))
    for name in ("current.safetensors", "best.safetensors"):
        mine = weights(place.artifact(run_id, f"checkpoints/{name}"))
        theirs = weights(undisturbed.artifact(reference, f"checkpoints/{name}"))
        equal = mine.keys() == theirs.keys() and all(torch.equal(mine[key], theirs[key]) for key in theirs)
        tally.same(f"weights of {run_id}, {name}", equal, True)
    for key in (*CURVES, *FINALS):
        tally.count(f"{key} of {run_id}", points(client, run_id, key), points(undisturbed.client, reference, key))
    speeds = [step for step, _ in points(client, run_id, "images_per_second")]
    tally.count(f"images_per_second of {run_id}", speeds, range(1, TRAINING["iterations"] + 1))
    models = client.search_logged_models(["0"], f"source_run_id = '{run_id}'")
    tally.count(f"models of {run_id}", [str(model.status) for model in models], ["READY"])
    versions = [v.run_id for v in client.search_model_versions("name = 'glass-liquid'") if v.run_id == run_id]
    tally.count(f"versions of {run_id}", versions, [run_id])
    left = {path.name for path in (place.data / "runs" / run_id).iterdir()}
    tally.left += sorted(left - {".lock", "metrics.jsonl", "metrics.sent"})


@pytest.mark.faults
@pytest.mark.parametrize(("lane", "kills"), [short("", 2), long("a", 32), long("b", 32)])
def test_killed_train(lane: str, kills: int, fault_seed: int, workplace, undisturbed: Workplace, dataset):
    tally = Tally(f"train {lane}".strip(), "SIGKILL")
    killer, place = Killer(fault_seed, tally, kills), workplace()
    place.take(dataset)
    seen: list[str] = []

    def go_on() -> subprocess.Popen[str] | None:
        """The command, or the line that continues its run, as the documentation tells it."""
        known = [] if not (place.folder / "mlflow.db").exists() else place.runs("train")
        fresh = [run for run in known if run.info.run_id not in seen]
        if fresh and fresh[-1].info.status == "FINISHED":
            return None  # killed in its last moment, with everything done
        for run in reversed(fresh):
            if has_state(place, run.info.run_id):
                return place.start("train", resume=run.info.run_id)
        return place.start("train", **TRAINING)

    phases = [
        Phase(2, 6.0),
        # The journals grow with every iteration; the checkpoints are put into the store where a training run's conclusion begins.
        Phase(5, 5.0, changes(lambda: written(place.data.glob("runs/*/metrics.jsonl")))),
        Phase(3, 4.0, changes(lambda: written(place.folder.glob("mlruns/0/*/artifacts/checkpoints/*")))),
    ]
    while killer.has_more:
        killer.until_done(place, go_on, phases)
        finished = [run.info.run_id for run in place.runs("train") if run.info.status == "FINISHED"]
        tally.count("finished run", [run for run in finished if run not in seen][1:], [])
        fresh = [run for run in finished if run not in seen]
        seen += [run.info.run_id for run in place.runs("train") if run.info.run_id not in seen]
        compare(tally, place, fresh[0], undisturbed)
        tally.left += place.running() + place.left_behind()
    tally.left += map(str, place.orphans())
    if kills > 10:
        tally.left += place.left_for_ever("tidy")
    tally.settle()
