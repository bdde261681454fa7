"""The tables of a sweep, from trials whose numbers are known."""

from glassliquid.sweep.study import State, TrialRecord
from glassliquid.sweep.table import as_csv, markdown

DONE = {"largest_drop": 0.025, "loss": 0.1, "best_iteration": 7, "seconds": 12.5, "run_id": "0123456789abcdef"}
TRIALS = [
    TrialRecord(0, 0, 0, State.COMPLETE, {"batch_size": 50, "dropout": 0.25}, 0.5, DONE),
    TrialRecord(1, 1, 0, State.COMPLETE, {"batch_size": 100, "dropout": 0.5}, 0.975, DONE),
    TrialRecord(2, 2, 0, State.FAILED, {"batch_size": 20, "dropout": 0.5}, None, {"error": 'a "bad", one'}),
]


def test_the_file_has_every_trial_in_order_and_quotes_what_needs_it():
    head, first, _, last = as_csv(TRIALS, ("batch_size", "dropout"), 40).splitlines()
    assert head == (
        "trial,state,val_accuracy,low,high,largest_drop,best_iteration,fate,batch_size,dropout,seconds,run_id,again_after,error"
    )
    assert first.startswith("0,COMPLETE,0.5,0.35")
    assert first.endswith(",0.025,7,,50,0.25,12.5,0123456789abcdef,,")
    assert last == '2,FAILED,,,,,,,20,0.5,,,,"a ""bad"", one"'


def test_the_page_has_the_complete_trials_best_first_in_columns_that_line_up():
    lines = markdown(TRIALS, ("batch_size", "dropout"), 40).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| 1      ", "| 0      "]
    assert "97.50 % (39 of 40, 95 % interval 87.1 to 99.6 %)" in lines[2]
    assert "2.5 %" in lines[2]
