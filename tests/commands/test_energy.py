"""make_data with two ensembles, matched in energy, through the real command line."""

import json
import shutil

import pytest

from glassliquid.datasets.description import open_dataset
from tests.commands.conftest import Command
from tests.conftest import PROTOCOL, SIMULATIONS

NAMED = {"liquid_ensemble": "slow", "glass_ensemble": "small"}
SNAPSHOTS = ",".join(map(str, PROTOCOL.snapshots))


@pytest.fixture(scope="module")
def folder(ensemble, tmp_path_factory, command: Command):
    """The shared ensemble, and one that is cooled ten times as slowly."""
    data = tmp_path_factory.mktemp("data")
    shutil.copytree(ensemble.folder, data / "ensembles" / "small", ignore=shutil.ignore_patterns("inherent"))
    done = command(
        "make_data", name="slow", ensemble="slow", particles=PROTOCOL.particles, simulations=SIMULATIONS, seed=2,
        cooling_steps=10 * PROTOCOL.cooling_steps, snapshots=SNAPSHOTS, image_size=32, data_dir=data, workers=2,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return data


def test_a_matched_dataset_says_what_energy_tells_and_where_energies_meet(folder, command: Command, client):
    done = command(
        "make_data", name="same", match="energy", liquid=60, inherent="true", snapshots=SNAPSHOTS, image_size=32,
        data_dir=folder, workers=2, **NAMED,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    dataset = open_dataset(folder / "datasets" / "same")
    assert "area under the ROC curve of e_IS alone (0.5 is chance): train" in done.stdout
    assert "The liquids of slow have the energy of the glasses of small" in done.stdout
    (run,) = client.search_runs(["0"], "tags.match = 'energy'")
    metrics = run.data.metrics
    assert metrics["pairs"] == dataset.matching.pairs == len(dataset.records) / 2
    for split in ("train", "validation", "test"):
        assert metrics[f"energy_{split}_auc_low"] <= 0.5 <= metrics[f"energy_{split}_auc_high"]
    # Slowly cooled, the liquid has the fast glass's energy between T = 2 and the glass's own temperature.
    assert 0 < metrics["equal_energy_index"] < 195
    assert {"cooling.png", "matching.png"} <= {file.path for file in client.list_artifacts(run.info.run_id)}
    assert (
        json.loads((folder / "datasets" / "same" / "dataset.json").read_text())["recipe"]["glass_ensemble"] == "small"
    )
    # Of every stored snapshot in both ensembles.
    for name in ("slow", "small"):
        assert len(list((folder / "ensembles" / name / "inherent").glob("sim-*.gsd"))) == SIMULATIONS


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"match": "energy", "null": "true"}, "null is true, and match is energy"),
        ({"match": "temperature"}, "match is 'temperature', which is not known: choose one of none, energy"),
        ({"liquid_range": 5}, "liquid_range is 5, but match is none, which has no use for it: pass match=energy"),
        ({"null": "true", "glass_ensemble": "small"}, "null data come from one ensemble"),
        ({**NAMED, "particles": 64}, "particles is 64, but liquid_ensemble and glass_ensemble exist already"),
        ({**NAMED, "liquid_ensemble": "gone"}, "There is no ensemble 'gone' in"),
        ({**NAMED, "liquid": 61}, "liquid is 61, which the ensemble 'slow' does not store (nearest:"),
        ({"liquid_ensemble": "../x"}, "ensemble is '../x'"),
        ({"match": "energy", "match_tolerance": 0}, "match_tolerance is 0, but it must be greater than zero"),
        (
            {"liquid_ensemble": "slow", "ensemble": "small", "particles": 64, "snapshots": SNAPSHOTS},
            "The ensembles 'slow' and 'small' do not fit together (N is 100 and 64;",
        ),
        (
            {"match": "energy", "ensemble": "slow", "liquid": 195, "liquid_range": 5, "snapshots": SNAPSHOTS},
            "liquid_range is 5, so glass 200 is itself a candidate",
        ),
    ],
)
def test_mistakes_end_in_a_sentence(folder, quick_command: Command, options, message):
    before = sorted(path.name for path in (folder / "datasets").iterdir())
    done = quick_command("make_data", name="wrong", data_dir=folder, **options)
    assert done.returncode != 0
    assert message in done.stderr
    assert sorted(path.name for path in (folder / "datasets").iterdir()) == before
