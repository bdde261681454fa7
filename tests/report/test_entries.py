"""Captions, results and tables of the report, from runs whose numbers are known."""

from dataclasses import replace

import pytest

from glassliquid.report import entries, log
from tests.report.runs import RESULTS, SETTINGS, training


def test_the_caption_gives_every_setting_of_the_logs_captions():
    assert entries.caption(training("a")) == (
        "version 5, step 1, trial 2; compact on d; initial learning rate 0.001, final 0.0001, schedule threshold at "
        "validation accuracy 0.9; batch size 50; L2 0.01; dropout 0.4; augmentation on; seed 3, 60 iterations"
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"schedule": "constant"}, "initial learning rate 0.001, schedule constant;"),
        ({"schedule": "step", "schedule_length": "55"}, "final 0.0001, schedule step over 55 iterations"),
        ({"schedule": "linear", "schedule_length": "None"}, "schedule linear over 60 iterations"),
        ({"augment": "false"}, "augmentation off"),
    ],
)
def test_other_schedules_are_told_too(settings: dict[str, str], said: str):
    assert said in entries.caption(training("a", params={**SETTINGS, **settings}))


def test_what_was_not_recorded_is_said_to_be_so():
    caption = entries.caption(replace(training("a"), params={}, tags={"stage": "train"}))
    assert caption.startswith("no version, step or trial given; not recorded on not recorded")
    assert "dropout not recorded" in caption
    assert entries.results(replace(training("a"), metrics={})) == (
        "Best validation accuracy not recorded; final not recorded; test not recorded; largest drop not recorded."
    )


def test_labels_that_were_typed_are_told_of_a_run_that_was_ended_before_it_set_them():
    typed = {**SETTINGS, "version": "'1'", "step": "none", "trial": "none", "dataset": "'d e'"}
    caption = entries.caption(replace(training("a", params=typed), tags={"stage": "train"}))
    assert caption.startswith("version 1; compact on d e;")


def test_results_have_the_count_and_the_interval():
    assert entries.results(training("a")) == (
        "Best validation accuracy 99.75 % in iteration 45; final 99.00 %; test 99.00 % (198 of 200, 95 % interval 96.4 to "
        "99.7 %); largest drop 1.25 %."
    )


def test_the_best_of_each_dataset_by_validation_accuracy_then_by_stability():
    runs = [
        training("low", metrics={**RESULTS, "best_val_accuracy": 0.9}),
        training("steady"),
        training("unsteady", metrics={**RESULTS, "largest_drop": 0.4}, collapsed=True),
        training("unscored", metrics={}),
        training("other", tags={"dataset": "e", "dataset_digest": "cafe"}),
        # The same name, but other pixels: not comparable.
        training("remade", tags={"dataset_digest": "f00d"}, metrics={**RESULTS, "best_val_accuracy": 1.0}),
    ]
    rows = log.best_rows(runs, {})
    assert [(row.dataset, row.digest, row.best.run_id, row.runs, row.collapsed) for row in rows] == [
        ("d", "beef", "steady", 4, 1),
        ("e", "cafe", "other", 1, 0),
        ("d", "f00d", "remade", 1, 0),
    ]
    assert rows[0].validation == "99.75 %"


def test_stability_by_schedule():
    constant = {**SETTINGS, "schedule": "constant"}
    runs = [
        training("a", params=constant, collapsed=True, metrics={**RESULTS, "final_val_accuracy": 0.5}),
        training("b", params=constant, metrics={**RESULTS, "best_val_accuracy": 0.6, "final_val_accuracy": 0.58}),
        training("c", params=constant, metrics={**RESULTS, "final_val_accuracy": 0.97}),
        training("d"),
        training("unfinished", metrics={"best_val_accuracy": 0.99}),
    ]
    first, second = log.stability_rows(runs)
    assert (first.schedule, first.runs, first.learned, first.collapsed) == ("constant", 3, 2, 1)
    assert (first.best, first.final) == ("99.75 %", "58.00 %")
    assert (second.schedule, second.runs, second.collapsed) == ("threshold", 1, 0)


def test_curves_of_every_iteration_are_drawn_while_they_are_few():
    few = [training("a", params={**SETTINGS, "iterations": "60"})] * 200
    many = [training("a", params={**SETTINGS, "iterations": "1500"})] * 200
    assert "loss" in log.drawn_metrics(few)
    assert log.drawn_metrics(many) == ("val_accuracy", "val_loss")
    assert "loss" in log.drawn_metrics([training("a", params={})])
