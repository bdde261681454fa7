"""The linear model on g(r) beside training runs, from runs whose numbers are known."""

import pytest

from glassliquid.report.linear import LinearScore, linear_scores
from glassliquid.report.log import best_rows
from tests.report.runs import RESULTS, SETTINGS, past_run, training
from tests.report.test_log import page_of

TESTED = {"structure_test_accuracy": 1.0, "structure_test_images": 200.0}


def test_its_score_is_taken_from_whichever_run_knows_it():
    trained_there = {"trained_on": "d"}
    line = past_run("l", "baseline", tags={"baseline": "beef"}, metrics=RESULTS)
    evaluated = past_run("e", "evaluate", 1, tags=trained_there, metrics=TESTED)
    itself = training("s", 2, params={**SETTINGS, "model": "'structure'"}, metrics={**RESULTS, "test_accuracy": 0.5})
    assert linear_scores([line]) == {"beef": LinearScore(198, 200)}
    assert linear_scores([line, evaluated]) == {"beef": LinearScore(200, 200)}
    assert linear_scores([line, evaluated, itself]) == {"beef": LinearScore(100, 200)}
    # Of a network that was trained elsewhere the line was, too.
    assert linear_scores([past_run("e", "evaluate", tags={"trained_on": "far"}, metrics=TESTED)]) == {}
    assert linear_scores([training("a"), past_run("m", "make_data"), past_run("f", "baseline")]) == {}


@pytest.mark.parametrize(
    ("right", "said"), [(200, "no better than"), (120, "better than"), (198, "no better than"), (199, "no better than")]
)
def test_a_training_run_is_compared_with_it_in_words(right: int, said: str):
    beside = LinearScore(right, 200).beside(training("a"))
    assert beside == f"compact is {said} the linear model on g(r)"


def test_what_cannot_be_compared_is_not():
    score = LinearScore(50, 100)
    assert score.beside(training("a")) == ""  # 200 images there
    assert score.beside(training("a", metrics={})) == ""
    assert LinearScore(50, 200).beside(training("a", params={"model": "structure"})) == ""


def test_the_page_says_it_in_the_table_and_at_the_run():
    line = past_run("l", "baseline", tags={"baseline": "beef"}, metrics={**RESULTS, "test_accuracy": 1.0})
    page = page_of([training("a"), line, training("b", 1, tags={"dataset": "e", "dataset_digest": "cafe"})])
    score = "100.00 % (200 of 200, 95 % interval 98.1 to 100.0 %)"
    assert f"{score}: compact is no better than the linear model on g(r)" in page.text
    assert "unknown: no run in this report trained it on these data" in page.text
    said = f"Compact is no better than the linear model on g(r), which has {score} on the same test split."
    assert page.text.count(said) == 1
    rows = best_rows([training("a")], {})
    assert (rows[0].linear, rows[0].verdict) == ("unknown: no run in this report trained it on these data", "")
