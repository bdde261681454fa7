"""The whole page from runs made by hand: what is told, what is said to be missing, and that it needs nothing else."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from glassliquid.report.artifacts import Artifacts
from glassliquid.report.log import ResultsLog
from glassliquid.report.page import render
from tests.report.runs import EXPERIMENT, RESULTS, START, Page, past_run, training

CURVE = {"val_accuracy": [(5, 0.6), (10, 0.99)], "val_loss": [(5, 0.6), (10, 0.1)]}


def png(side: int = 64) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, format="PNG")
    return written.getvalue()


def page_of(runs, curves=None, files=None, allowance=10**7) -> Page:
    files = files or {}
    artifacts = Artifacts(
        lambda run: [name for owner, name in files if owner == run.run_id],
        lambda run, name: files.get((run.run_id, name)),
        allowance,
    )
    drawn = {run.run_id: CURVE for run in runs if run.stage in ("train", "trial")} if curves is None else curves
    return Page(render(ResultsLog(EXPERIMENT, runs, drawn, artifacts, START)))


def test_the_page_needs_nothing_else_and_every_link_in_it_leads_somewhere():
    files = {("m", "examples.png"): png(), ("t", "transfer.png"): png(), ("t", "transfer.csv"): b"a\n1\n"}
    runs = [past_run("m", "make_data"), training("a", 1), training("b", 30), past_run("t", "transfer_eval", 31)]
    page = page_of(runs, files=files)
    assert not page.tags & {"script", "link", "iframe", "object"}
    assert page.sources
    assert all(source.startswith("data:image/") for source in page.sources)
    inside = [link[1:] for link in page.links if link.startswith("#")]
    assert set(inside) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    outside = {link for link in page.links if not link.startswith("#")}
    assert outside == {f"http://localhost:5000/#/experiments/7/runs/{run.run_id}" for run in runs}


def test_the_days_are_sections_in_order_with_their_runs():
    page = page_of([training("a", 1), training("b", 30), training("c", 2)])
    days = [name for name in page.ids if name.startswith("day-")]
    assert days == sorted(days)
    assert len(days) == 2
    order = [name for name in page.ids if name.startswith(("day-", "run-"))]
    assert order == [days[0], "run-a", "run-c", days[1], "run-b"]
    assert "3 training runs on 1 dataset; 0 collapsed, 0 never learned, 0 runs of any kind did not finish" in page.text


def test_a_run_that_was_ended_before_its_step_began_is_told_as_one_of_this_project():
    tags = {"mlflow.project.entryPoint": "train"}
    page = page_of([training("a"), replace(training("killed", 1), tags=tags, params={}, metrics={}, status="KILLED")])
    assert "This run was started for train, and ended before that began: nothing was recorded." in page.text
    assert "not made by a command of this project" not in page.text
    page = page_of([training("a"), replace(training("begun", 1), tags=tags, params={}, metrics={}, status="RUNNING")])
    assert "This run was started for train, which is about to begin or was killed before it began." in page.text


def test_runs_that_never_learned_are_counted_and_marked():
    at_chance = {**RESULTS, "best_val_accuracy": 0.525}
    runs = [
        training("a"),
        training("b", 1, tags={"fate": "never learned"}, metrics=at_chance),
        training("c", 2, tags={"fate": "collapsed"}, collapsed=True),
        training("old", 3, collapsed=True),  # of a version that noted this alone
    ]
    page = page_of(runs)
    assert "4 training runs on 1 dataset; 2 collapsed, 1 never learned" in page.text
    assert "run b never learned" in page.text
    assert "run a never learned" not in page.text


def test_a_cross_validation_stands_above_its_folds():
    runs = [
        past_run("p", "train", tags={"folds": "2", "mlflow.note.content": "In 2 folds."}),
        training("f1", 1, tags={"mlflow.parentRunId": "p", "fold": "1"}),
        training("f2", 2, tags={"mlflow.parentRunId": "p", "fold": "2"}),
    ]
    page = page_of(runs)
    assert [name for name in page.ids if name.startswith("run-")] == ["run-p", "run-f1", "run-f2"]
    assert "2 training runs on 1 dataset" in page.text  # the parent trained none itself
    assert "cross-validation" in page.text


def test_a_run_that_was_ended_before_it_opened_its_dataset_was_trained_on_none():
    other = {"dataset": "e", "dataset_digest": "cafe"}
    early = [
        replace(training("killed", 3), tags={"stage": "train"}, params={"dataset": "d"}, metrics={}, status="KILLED"),
        replace(training("mistyped", 4), tags={"stage": "train"}, params={"dataset": "f"}, metrics={}, status="KILLED"),
    ]
    page = page_of([training("a"), training("b", 1), training("c", 2, tags=other), *early])
    assert "5 training runs on 2 datasets" in page.text
    assert "2 training runs on 2 datasets" in page_of(early).text


def test_a_dataset_is_a_row_with_its_picture():
    description = {
        "recipe": {"liquid": 5, "glass": 200, "ensemble": "demo", "inherent": False, "image_size": 128},
        "temperatures": {"liquid": 1.95125, "glass": 0.05},
        "images": {"train": 560, "validation": 120, "test": 120},
    }
    files = {("m", "examples.png"): png(), ("m", "dataset.json"): json.dumps(description).encode()}
    unused = past_run("unused", "make_data", 3, tags={"dataset": "e", "dataset_digest": "cafe"})
    runs = [past_run("m", "make_data"), past_run("again", "make_data", 1), training("a", 2), unused]
    page = page_of(runs, files=files)
    assert "1 training run on 1 dataset;" in page.text
    assert page.ids.count("dataset-cafe") == 1
    assert page.ids.count("dataset-beef") == 1
    assert "liquid 5 (T = 1.95)" in page.text
    assert "560 + 120 + 120 images of 128 pixels for train, validation, test" in page.text


def test_replicates_and_trials_stand_below_their_parents():
    parent = {"mlflow.parentRunId": "p"}
    runs = [
        past_run("p", "train", tags={"repeats": "2", "mlflow.note.content": "Two replicates, none collapsed."}),
        training("r1", 1, tags=parent),
        training("r2", 2, tags=parent, collapsed=True),
        past_run("s", "sweep", 3, tags={"mlflow.note.content": "Best: batch 50.\n\nmore"}),
        replace(training("x", 4, tags={"mlflow.parentRunId": "s"}), tags={"stage": "trial", "mlflow.parentRunId": "s"}),
    ]
    page = page_of(runs, files={("s", "trials.csv"): b"trial,best\n0,0.9916666666\n"})
    order = [name for name in page.ids if name.startswith("run-")]
    assert order == ["run-p", "run-r1", "run-r2", "run-s"]
    assert "2 training runs on 1 dataset; 1 collapsed" in page.text  # neither the parent nor the trial
    assert "sweep, 1 trials" in page.text
    assert "trial best 0 0.991667" in page.text
    assert "run s : Best: batch 50." in page.text
    assert "run r2 collapsed" in page.text


def test_a_transfer_evaluation_is_shown_with_its_sentence_and_table():
    note = "It holds to T = 0.84.\n\n| liquid | accuracy |\n| --- | --- |\n| 140 | 50.0 % |"
    run = past_run("t", "transfer_eval", tags={"sentence": "It holds to T = 0.84.", "mlflow.note.content": note})
    page = page_of([training("a"), run], files={("t", "transfer.png"): png(), ("t", "transfer.csv"): b""})
    assert "What transfer evaluations and sweeps found run t : It holds to T = 0.84." in page.text
    assert "liquid accuracy 140 50.0 %" in page.text
    assert len(page.sources) == 1


def test_a_run_that_lacks_something_says_so_and_the_others_are_told():
    runs = [
        training("good"),
        replace(training("killed", 1), status="KILLED", metrics={}),
        replace(training("bare", 2), params={}, metrics={}),
        past_run("t", "transfer_eval", 3),
        past_run("s", "sweep", 4),
        past_run("e", "train", 5, tags={"repeats": "3"}),
        past_run("m", "make_data", 6),
        replace(past_run("foreign", "", 7), tags={}),
        replace(past_run("failed", "train", 8), status="FAILED", tags={"stage": "train", "error": "batch_size is 0."}),
    ]
    page = page_of(runs, curves={"good": CURVE})
    for sentence in (
        "There is no curve of the validation accuracy",
        "There is no test accuracy",
        "There are no settings",
        "The run has no transfer.png or matrix.png.",
        "The run has no transfer.csv.",
        "There is no table of the trials: the run has no trials.csv that can be read.",
        "There are no replicates: none was started.",
        "no picture: the run that made it has no examples.png that can be read",
        "how it was made is not recorded",
        "This run was not made by a command of this project; only its name is known.",
    ):
        assert sentence in page.text, sentence
    assert "Best validation accuracy 99.75 %" in page.text
    assert "run-failed" not in page.ids  # it ended before it had done anything, and stands in the list only
    assert "run failed failed 2017-11-26 17:00 failed batch_size is 0." in page.text
    assert "batch_size is 0." in page.text
    assert "2 runs of any kind did not finish" in page.text


@pytest.mark.parametrize("content", [b"", b"not a picture", png()[:200], b"<svg onload='alert(1)'/>"])
def test_a_damaged_picture_is_said_to_be_missing(content: bytes):
    page = page_of(
        [past_run("t", "transfer_eval")], files={("t", "transfer.png"): content, ("t", "transfer.csv"): b"a"}
    )
    assert "transfer.png cannot be shown." in page.text
    assert page.sources == []


def test_pictures_beyond_the_allowance_are_left_out_and_counted():
    files = {(name, "examples.png"): png(200) for name in "mno"}
    runs = [past_run(name, "make_data", tags={"dataset_digest": name}) for name in "mno"]
    all_of_them = page_of(runs, files=files)
    one = len(all_of_them.sources[0])
    page = page_of(runs, files=files, allowance=int(1.5 * one))
    assert (len(all_of_them.sources), len(page.sources)) == (3, 1)
    assert "2 pictures are left out" in page.text


def test_what_runs_say_is_text_and_never_markup():
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)>{{ 7 * 7 }}"
    runs = [
        training("a", name=hostile, tags={"dataset": hostile, "version": hostile, "mlflow.note.content": hostile}),
        past_run("t", "transfer_eval", name=hostile, tags={"sentence": hostile, "mlflow.note.content": hostile}),
        past_run("s", "sweep", name=hostile, tags={"mlflow.note.content": hostile}),
        replace(past_run("f", "train", tags={"error": hostile}, name=hostile), status="FAILED"),
    ]
    page = page_of(runs, files={("s", "trials.csv"): f"a\n{hostile}\n".encode()})
    assert "script" not in page.tags
    assert page.handlers == []
    assert page.text.count("alert(1)") >= 8
    assert "{{ 7 * 7 }}" in page.text


def test_the_models_of_a_transfer_evaluation_stand_under_it_and_are_concluded_once():
    tags = {"sentence": "Both hold on one.", "mlflow.note.content": "Both hold on one."}
    child = {"sentence": "This one holds.", "mlflow.note.content": "This one holds.", "mlflow.parentRunId": "t"}
    page = page_of(
        [training("a"), past_run("t", "transfer_eval", tags=tags), past_run("c", "transfer_eval", 1, tags=child)],
        files={("t", "matrix.png"): png(), ("t", "transfer.csv"): b"", ("c", "transfer.csv"): b""},
    )
    assert "What transfer evaluations and sweeps found run t : Both hold on one. How to read this page" in page.text
    assert page.text.count("This one holds.") == 1
    assert "The run has no" not in page.text  # the matrix is with its parent


def test_a_sweep_is_concluded_by_its_best_trial_and_links_into_another_page_are_left_out():
    note = "compact on d: batch size 20\n\n[Compare the trials](#/compare-runs?runs=1)\n\nBest of 6 trials: trial 5.\n\nIts accuracy is 56 %."
    page = page_of([training("a"), past_run("s", "sweep", tags={"mlflow.note.content": note})])
    assert (
        "What transfer evaluations and sweeps found run s : Best of 6 trials: trial 5. Its accuracy is 56 %."
        in page.text
    )
    assert "compare-runs" not in page.text


def test_a_dataset_says_the_tg_of_its_ensemble_where_it_was_measured():
    recipe = {"liquid": 5, "glass": 200, "ensemble": "demo", "inherent": False, "image_size": 128}
    described = {"recipe": recipe, "temperatures": {"liquid": 1.95, "glass": 0.05}, "images": {"train": 2}}
    files = {("m", "dataset.json"): json.dumps(described).encode(), ("t", "transition.png"): png()}
    maker = past_run("m", "make_data", tags={"ensemble_digest": "cafe"})
    metrics = {"glass_transition": 0.82, "glass_transition_low": 0.71, "glass_transition_high": 0.93}

    def measured(digest: str):
        return past_run("t", "transition", 1, metrics=metrics, tags={"ensemble_digest": digest})

    page = page_of([maker, measured("cafe")], files=files)
    assert "T_g = 0.820 (95 % interval 0.710 to 0.930), measured in the run run t" in page.text
    assert len(page.sources) == 1
    assert "T_g" not in page_of([maker, measured("other")], files=files).text
