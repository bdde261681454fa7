"""Two commands on the same ensemble, dataset, study or chain at once: each ends well or says why not, and all is there once.

Two commands that continue one run are in test_machine_faults.py.
"""

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterable

import pytest

from glassliquid.datasets.description import Dataset, open_dataset
from tests.commands.test_bad_input import assert_one_sentence
from tests.conftest import SIMULATIONS, contents
from tests.faults import test_killed_make_data, test_killed_sweep
from tests.faults.conftest import CHAIN_SIMULATIONS
from tests.faults.figures import Tally
from tests.faults.workplace import PATIENCE_S, Workplace, wait_for


def ended(place: Workplace, processes: Iterable[subprocess.Popen[str]]) -> list[int]:
    """Wait for commands; their exit codes."""
    codes = [process.wait(timeout=PATIENCE_S) for process in processes]
    assert not any("Traceback" in place.said(process) for process in processes)
    return codes


@pytest.mark.faults
def test_four_commands_make_data_of_one_ensemble(workplace, ensemble, dataset: Dataset):
    """One ensemble and one tracking database for all, neither of them there yet; three want the same name, one another thing by it."""
    tally, place = Tally("make_data", "four commands at once", injected=3), workplace()
    options = {**test_killed_make_data.OPTIONS, "workers": 1, "data_dir": "data"}
    wanted = [("mine", 5), ("mine", 5), ("mine", 60), ("other", 5)]
    processes = [place.start("make_data", name=name, liquid=liquid, **options) for name, liquid in wanted]
    codes = ended(place, processes)
    made = {name: open_dataset(place.data / "datasets" / name) for name in ("mine", "other")}
    # Whoever came first has the name; the others find their dataset there, or are told that it is another one.
    expected = [0 if made[name].recipe.liquid == liquid else 2 for name, liquid in wanted]
    assert codes == expected, [place.said(process) for process in processes]
    for process, code in zip(processes, codes, strict=True):
        if code:
            said = subprocess.CompletedProcess([], code, "", place.said(process))
            assert_one_sentence(said, "The dataset 'mine' was made differently")
    trajectories = {name: data for name, data in contents(place.data / "ensembles" / "small").items() if "gsd" in name}
    tally.same("trajectories", trajectories, {k: v for k, v in contents(ensemble.folder).items() if "gsd" in k})
    pictures = {name: {k: v for k, v in contents(made[name].folder).items() if "png" in k} for name in made}
    assert {name: len(files) for name, files in pictures.items()} == {"mine": 2 * SIMULATIONS, "other": 2 * SIMULATIONS}
    expected_pictures = {k: v for k, v in contents(dataset.folder).items() if "png" in k}
    tally.same("other", pictures["other"], expected_pictures)
    if made["mine"].recipe.liquid == 5:
        tally.same("mine", pictures["mine"], expected_pictures)
    tally.compared += 4
    statuses = sorted(run.info.status for run in place.runs("make_data"))
    tally.count("statuses", enumerate(statuses), enumerate(sorted("FAILED" if code else "FINISHED" for code in codes)))
    tally.left += place.running() + place.left_behind() + [str(path) for path in place.temporary.iterdir()]
    tally.settle()


@pytest.mark.faults
def test_two_sweeps_of_one_study_and_one_of_them_is_killed(workplace, dataset: Dataset):
    """The second waits, takes the study over where the first was killed, and ends it as an undisturbed sweep does."""
    tally, place = Tally("sweep", "two commands at once", injected=2), workplace()
    place.take(dataset)
    options = {**test_killed_sweep.OPTIONS, "trials": 2, "study": "s"}
    first = place.start("sweep", **options)
    wait_for(lambda: list(place.data.glob("runs/*/metrics.jsonl")))
    second = place.start("sweep", **options)
    wait_for(lambda: "Another command is sweeping" in place.said(second))
    os.killpg(first.pid, signal.SIGKILL)
    assert ended(place, [second]) == [0], place.said(second)
    trials = test_killed_sweep.complete(place, "s")
    settings = {(run.data.params["batch_size"], run.data.params["dropout"]) for run in trials}
    assert len(trials) == len(settings) == 2
    statuses = [run.info.status for run in place.runs("trial")]
    tally.count("finished trials", enumerate(statuses.count("FINISHED") * [""]), enumerate(2 * [""]))
    # One run is the study's; the command that came later has opened it again.
    (parent,) = place.runs("sweep")
    tally.same("status", parent.info.status, "FINISHED")
    assert len(re.findall(r"^\|.*", place.said(second), re.MULTILINE)) == 4  # head, line, two trials
    best = parent.data.tags["best_run"]
    versions = [version.run_id for version in place.client.search_model_versions("name = 'glass-liquid'")]
    tally.count("versions", versions, [best])
    tally.compared += 1
    tally.left += (
        place.running() + place.left_behind() + [str(path) for path in place.data.glob("runs/*/*.safetensors")]
    )
    tally.left += map(str, place.orphans())
    tally.settle()


@pytest.mark.faults
@pytest.mark.long
@pytest.mark.timeout(3000)
def test_two_chains(workplace, small_demo: Callable[[Workplace], None]):
    """Both end with the same model, trained once on one ensemble and one dataset; a third one has nothing left to do."""
    tally, place = Tally("main", "two commands at once", injected=1), workplace()
    small_demo(place)
    both = [place.start("main", data_dir=place.data, workers=1) for _ in range(2)]
    assert ended(place, both) == [0, 0], [place.said(process) for process in both]
    trained = place.runs("train")
    for entry_point in ("train", "evaluate", "transfer_eval"):
        tally.count(f"runs of {entry_point}", [run.info.status for run in place.runs(entry_point)], ["FINISHED"])
    tally.same("statuses", {run.info.status for run in place.client.search_runs(["0"])}, {"FINISHED"})
    versions = [version.run_id for version in place.client.search_model_versions("name = 'glass-liquid'")]
    tally.count("versions", sorted(versions), sorted(run.info.run_id for run in trained))
    assert place.client.get_model_version_by_alias("glass-liquid", "data_liquid5").run_id in versions
    simulated = sorted(path.name for path in (place.data / "ensembles" / "demo").glob("sim-*.gsd"))
    tally.count("simulations", simulated, [f"sim-{number:05d}.gsd" for number in range(1, CHAIN_SIMULATIONS + 1)])
    assert place.run("main", data_dir=place.data, workers=1).count("(reused)") == 4
    tally.compared += 3
    # The steps of a chain are `mlflow run`s, which leave folders among the temporary files.
    tally.left += place.running() + place.left_behind() + [str(path) for path in place.temporary.iterdir()]
    tally.settle()
