"""The study without training: invented scores, several commands at once, and what is left of those that died."""

import functools
import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from glassliquid.errors import UserError
from glassliquid.sweep import study as kept
from glassliquid.sweep.space import Range, SearchSpace
from glassliquid.sweep.storage import open_storage, same_database
from glassliquid.sweep.study import Study, done, open_study
from glassliquid.sweep.trial import GivenUp, Trial

SPACE = SearchSpace(batch_sizes=(8, 16, 32), ranges=(Range(name="dropout", low=0.0, high=0.9),))
OWNER = {"host": "here", "process": "1 1.00"}
DEFINITION = {"objective": "score", "dropout": [0.0, 0.9], "batch_size": [8, 16, 32], "digest": "abc"}


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'study.db'}"


def opened(address: str, name: str = "study", definition: dict = DEFINITION) -> Study:
    return open_study(open_storage(address), name, definition)


workers_storage = functools.cache(open_storage)
"""A worker opens its storage once."""


def trial_of(address: str, row: kept.Row, sampler: str = "random", pruner: str = "none", seed: int = 0) -> Trial:
    return Trial(workers_storage(address), "study", row, SPACE, sampler, pruner, seed, 60, 5)


def score(settings: dict) -> float:
    """Best at a dropout of 0.3, whatever the batch size."""
    return 1 - abs(settings["dropout"] - 0.3)


def finish(address: str, row: kept.Row, **how: object) -> None:
    trial = trial_of(address, row, **how)
    assert trial.complete(score(trial.settings), {"run_id": "r"})


def sweep(study: Study, address: str, slots: int, points: list | None = None, **how: object) -> list[kept.Row]:
    study.queue(slots, points)
    while (row := study.claim(slots, OWNER)) is not None:
        finish(address, row, **how)
    return study.rows()


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_sweep_ends_at_the_number_asked_for_and_a_larger_number_adds_the_rest(address: str, sampler: str):
    assert len(done(sweep(opened(address), address, 4, sampler=sampler), 4)) == 4
    again = opened(address)
    assert not again.created
    rows = sweep(again, address, 6, sampler=sampler)
    assert [row.state for row in rows] == [kept.COMPLETE] * 6
    assert sorted(row.slot for row in rows) == list(range(6))
    # No setting is drawn twice by the command that went on.
    assert len({row.settings["dropout"] for row in rows}) == 6


def test_a_grid_is_complete_when_each_point_was_tried_once(address: str):
    points = SPACE.grid(0)
    rows = sweep(opened(address), address, len(points), points, sampler="grid")
    assert [row.settings for row in sorted(rows, key=lambda row: row.slot)] == points


def test_tpe_finds_the_maximum_of_a_simple_score(address: str):
    rows = sweep(opened(address), address, 40, sampler="tpe")
    near = sum(abs(row.settings["dropout"] - 0.3) < 0.1 for row in rows[20:])
    # Of 20 random draws from 0 to 0.9, 4.4 come so near on average, and 9 or more in 2 % of all cases.
    assert near >= 9


def test_a_trial_of_random_is_the_same_whoever_runs_it(address: str, tmp_path: Path):
    other = f"sqlite:///{tmp_path / 'other.db'}"
    first = {row.slot: row.settings for row in sweep(opened(address), address, 3)}
    study = opened(other)
    study.queue(3, None)
    claimed = [study.claim(3, OWNER) for _ in range(3)]
    for row in reversed(claimed):
        finish(other, row)
    assert {row.slot: row.settings for row in study.rows()} == first


def test_a_killed_trial_is_marked_and_run_again_with_its_settings(address: str):
    study = opened(address)
    study.queue(2, None)
    row = study.claim(2, OWNER)
    settings = trial_of(address, row).settings
    assert study.kill(row.trial_id)
    rows = sweep(study, address, 2)
    killed = [each for each in rows if each.state == kept.KILLED]
    assert [(each.number, each.settings) for each in killed] == [(row.number, settings)]
    again = next(each for each in rows if each.attributes.get(kept.AGAIN) == row.number)
    assert (again.state, again.settings, again.slot) == (kept.COMPLETE, settings, row.slot)
    assert len(done(rows, 2)) == 2


def test_a_trial_that_was_taken_for_dead_does_not_count_when_it_ends(address: str):
    study = opened(address)
    study.queue(1, None)
    trial = trial_of(address, study.claim(1, OWNER))
    study.kill(study.rows()[0].trial_id)
    assert not trial.complete(0.9, {"run_id": "r"})
    rows = sweep(study, address, 1)
    assert [each.state for each in rows] == [kept.KILLED, kept.COMPLETE]


def test_killing_a_trial_that_has_ended_changes_nothing(address: str):
    study = opened(address)
    row = sweep(study, address, 1)[0]
    assert not study.kill(row.trial_id)
    assert study.rows()[0].state == kept.COMPLETE


def test_a_failed_trial_says_why_and_is_not_run_again(address: str):
    study = opened(address)
    study.queue(1, None)
    assert trial_of(address, study.claim(1, OWNER)).fail("The loss is nan.")
    study.queue(1, None)
    assert study.claim(1, OWNER) is None
    assert [(row.state, row.attributes[kept.ERROR]) for row in study.rows()] == [(kept.FAILED, "The loss is nan.")]


def test_a_slot_that_two_commands_queued_is_run_once(address: str):
    one, two = opened(address), opened(address)
    one.queue(1, None)
    # The second command looked before the first one had queued anything.
    two.optuna.enqueue_trial({}, user_attrs={kept.SLOT: 0})
    one.queue(2, None)
    ran = []
    while (row := two.claim(2, OWNER)) is not None:
        finish(address, row)
        ran.append(row.slot)
    assert sorted(ran) == [0, 1]
    assert len(done(one.rows(), 2)) == 2


def test_the_median_pruner_gives_up_a_bad_trial_after_a_third_of_its_run_and_not_before(address: str):
    study = opened(address)
    study.queue(7, None)
    for _ in range(6):
        trial = trial_of(address, study.claim(7, OWNER), pruner="median")
        for step in range(5, 61, 5):
            trial.report(0.95, step)
        assert trial.complete(0.95, {})
    bad = trial_of(address, study.claim(7, OWNER), pruner="median")
    given_up_at = None
    for step in range(5, 61, 5):
        try:
            bad.report(0.5, step)
        except GivenUp:
            given_up_at = step
            break
    assert given_up_at is not None and 20 <= given_up_at <= 25
    assert bad.give_up({"best": 0.5})
    assert study.rows()[-1].state == kept.PRUNED
    assert len(done(study.rows(), 7)) == 7


def test_hyperband_gives_up_some_of_many_bad_trials(address: str):
    study = opened(address)
    states = []
    study.queue(20, None)
    for number in range(20):
        trial = trial_of(address, study.claim(20, OWNER), pruner="hyperband")
        try:
            for step in range(5, 61, 5):
                trial.report(1 - 0.04 * number, step)
            assert trial.complete(1 - 0.04 * number, {})
        except GivenUp:
            assert trial.give_up({})
        states.append(study.rows()[number].state)
    assert states[0] == kept.COMPLETE
    assert kept.PRUNED in states


def test_a_silent_command_is_noticed_by_its_beats(address: str):
    study = opened(address)
    study.queue(2, None)
    quiet, living = study.claim(2, OWNER), study.claim(2, OWNER)
    assert study.silent(study.rows(), now=1000) == []
    study.beat(living.trial_id)
    assert study.silent(study.rows(), now=1119) == []
    study.beat(living.trial_id)
    assert [row.number for row in study.silent(study.rows(), now=1121)] == [quiet.number]
    # A trial that was claimed by a command that died before it could say so is silent too.
    assert [row.number for row in study.silent(study.rows(), now=1300)] == [quiet.number, living.number]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dropout": [0.1, 0.9]}, "dropout is 0 to 0.9 there and 0.1 to 0.9 here"),
        ({"objective": "loss"}, "objective is score there and loss here"),
        ({"digest": "other"}, "digest is abc there and other here"),
        ({"l2": [0.1, 0.2]}, "l2 is not searched there and 0.1 to 0.2 here"),
    ],
)
def test_a_study_of_another_space_or_objective_is_refused(address: str, change: dict, message: str):
    opened(address)
    with pytest.raises(UserError, match=f"'study' exists with another search space or objective .*{message}"):
        opened(address, definition={**DEFINITION, **change})


def test_a_study_that_somebody_else_made_is_refused(address: str):
    import optuna

    optuna.create_study(storage=open_storage(address), study_name="study").ask()
    with pytest.raises(UserError, match="'study' that no sweep of this project made"):
        opened(address)


def test_the_same_database_under_another_user_and_driver():
    assert same_database("postgresql://a:b@host/db", "postgresql+psycopg2://host/db")
    assert not same_database("postgresql://host/db", "postgresql://host/other")
    assert same_database("sqlite:////tmp/../tmp/x.db", "sqlite:////tmp/x.db")
    assert not same_database("sqlite:////tmp/x.db", "postgresql://host/x")


WORKER = """
import json, sys
from glassliquid.sweep.storage import open_storage
from glassliquid.sweep.study import open_study
from tests.sweep.test_study import DEFINITION, finish
address, slots, owner = {address!r}, 30, {{"host": "here", "process": {name!r}}}
study = open_study(open_storage(address), "study", DEFINITION)
ran = []
while True:
    study.queue(slots, None)
    row = study.claim(slots, owner)
    if row is None:
        break
    finish(address, row)
    ran.append(row.number)
print(json.dumps(ran))
"""


@pytest.mark.slow
@pytest.mark.faults
def test_four_commands_share_a_postgresql_study_and_count_exactly(postgresql: str, start_python: Callable):
    processes = [start_python(WORKER.format(address=postgresql, name=f"{n}")) for n in range(4)]
    answers: list[list[int]] = []
    threads = [threading.Thread(target=lambda p=p: answers.append(json.loads(p.stdout.read()))) for p in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    ran = [number for answer in answers for number in answer]
    assert len(answers) == 4 and sum(bool(answer) for answer in answers) > 1
    assert len(ran) == len(set(ran)) == 30
    rows = opened(postgresql).rows()
    assert sorted(row.slot for row in done(rows, 30)) == list(range(30))
    assert {row.number for row in rows if row.state == kept.COMPLETE} == set(ran)


def test_a_study_whose_maker_was_killed_before_it_said_what_it_searches(address: str, monkeypatch):
    """The same command goes on; one that searches something else is refused as always."""
    import optuna

    monkeypatch.setattr(kept.time, "sleep", lambda _: None)
    optuna.create_study(storage=open_storage(address), study_name="study", direction="maximize")
    assert not opened(address).created
    with pytest.raises(UserError, match="exists with another search space"):
        opened(address, definition={**DEFINITION, "digest": "other"})


def test_a_million_trials_are_not_queued_at_once(address: str):
    study = opened(address)
    study.queue(1_000_000, None)
    assert len(study.rows()) == kept.AHEAD
    # As many wait again as were claimed.
    assert {study.claim(1_000_000, OWNER).slot for _ in range(3)} == {0, 1, 2}
    study.queue(1_000_000, None)
    assert sorted(row.slot for row in study.rows()) == list(range(kept.AHEAD + 3))


@pytest.mark.parametrize("nowhere", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_database_that_each_process_would_have_for_itself_is_refused(nowhere: str):
    with pytest.raises(UserError, match=r"names no file.*sqlite:///FILE"):
        open_storage(nowhere)


def test_a_sweep_for_fewer_trials_is_not_held_up_by_what_waits_for_more(address: str):
    study = opened(address)
    study.queue(1000, None)
    claimed = [study.claim(1000, OWNER) for _ in range(2)]
    assert all(study.kill(row.trial_id) for row in claimed)
    study.queue(2, None)
    assert {study.claim(2, OWNER).slot for _ in range(2)} == {0, 1}
