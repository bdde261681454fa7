"""`size`: what it makes at each size, what it refuses, and a whole run on small systems."""

import csv
import math
import re
from pathlib import Path

import pytest

from glassliquid.commands.size_job import SizeJob
from glassliquid.errors import UserError
from tests.commands.conftest import Command


def test_a_particle_keeps_its_pixels_at_every_size():
    """128 pixels at N = 256; the box grows as sqrt(N)."""
    job = SizeJob()
    assert [job.matched(n).image_size for n in job.sizes] == [128, 256, 512]


def test_both_coolings_differ_in_nothing_but_their_time_and_seed():
    job = SizeJob(sizes=(256,), name="try", simulations=(300,))
    glasses, matched = job.glasses(256), job.matched(256)
    assert (glasses.protocol.cooling_steps, matched.protocol.cooling_steps) == (10_000, 100_000)
    assert glasses.protocol.snapshots == matched.protocol.snapshots
    assert (glasses.seed, matched.seed, glasses.simulations) == (2, 1, 300)
    assert matched.glass_ensemble == glasses.ensemble != matched.ensemble
    assert (matched.match, matched.draws_inherent) == ("energy", True)
    # Candidates within the range are stored at every second index.
    assert {110, 112, 120, 130, 200} <= set(matched.protocol.snapshots)


def test_each_size_can_have_its_own_number_of_simulations():
    job = SizeJob(sizes=(4_096, 256), simulations=(300, 1_000))
    assert {n: (job.glasses(n).simulations, job.matched(n).simulations) for n in job.sizes} == {
        256: (1_000, 1_000),
        4_096: (300, 300),
    }


def test_windows_are_cut_out_of_the_largest_systems_at_the_same_pixels_for_a_particle():
    job = SizeJob(sizes=(256, 4_096), models=("compact",), windows=True)
    small, large = (job.matched(n) for n in job.sizes)
    assert (small.particles, small.window, small.image_size) == (4_096, 0.25, 128)
    assert (large.particles, large.window, large.image_size) == (4_096, 1.0, 512)
    assert small.ensemble == large.ensemble and small.name != large.name
    assert job.glasses(256) == job.glasses(4_096)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ({"models": ("compact", "resnet")}, r"models is 'resnet', which is not known: choose one of .*compact"),
        ({"liquid": 195}, r"liquid is 195 and liquid_range 10, but the glass is 200"),
        ({"sizes": (256, 16)}, r"particles is 16, but it must be at least 32|particles is 16, outside"),
        ({"glass_steps": 10_001}, r"cooling_steps is 10001, but it must be a positive multiple of 200"),
        ({"name": "../up"}, r"\.\./up"),
        ({"simulations": (2,)}, r"simulations is 2, but it must be at least 3"),
        (
            {"windows": True},
            r"graph, structure would read the particles of the whole box: pass only networks that read images",
        ),
        (
            {"windows": True, "models": ("compact",), "simulations": (300, 300, 300)},
            r"windows is true, .* pass one number of simulations",
        ),
        ({"simulations": (300, 400)}, r"simulations has 2 numbers, but sizes has 3: pass one number, or one for each"),
    ],
)
def test_mistakes_are_found_before_hours_go_into_the_first_size(mistake, message):
    with pytest.raises(UserError, match=message):
        SizeJob(**mistake)


@pytest.mark.slow
def test_a_whole_run_ends_with_a_table_a_figure_and_the_answer(command: Command, client, tmp_path):
    options = {
        "data_dir": tmp_path / "data",
        "sizes": "64,100",
        "models": "structure",
        "simulations": 40,
        "liquid": 100,
    }
    options |= {"glass_steps": 2_000, "liquid_steps": 4_000, "iterations": 2, "batch_size": 10, "name": "tiny"}
    done = command("size", **options)
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"It takes N = [\d,]+ particles|does not tell a glass from a liquid|no number of particles", done.stdout
    )
    assert done.stdout.count("| structure |") == 2
    experiment = client.get_experiment_by_name("Default")
    (run,) = client.search_runs([experiment.experiment_id], "tags.stage = 'size'")
    assert {"size.png", "size.csv"} <= {file.path for file in client.list_artifacts(run.info.run_id)}
    with Path(client.download_artifacts(run.info.run_id, "size.csv")).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["particles"] for row in rows] == ["64", "100"]
    for row in rows:
        assert float(row["auc_low"]) <= float(row["auc"]) <= float(row["auc_high"])
        assert not math.isnan(float(row["auc_predicted"]))
    children = client.search_runs([experiment.experiment_id], "tags.stage = 'make_data'")
    again = command("size", **options)
    assert again.returncode == 0, again.stderr
    assert "| structure |" in again.stdout
    # Nothing was made again.
    assert len(client.search_runs([experiment.experiment_id], "tags.stage = 'make_data'")) == len(children)
