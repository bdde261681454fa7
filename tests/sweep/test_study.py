"""The study without training: invented scores, several commands at once, and what is left of those that died."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from glassliquid.errors import UserError
from glassliquid.sweep.algorithms import PRUNERS, SAMPLERS
from glassliquid.sweep.space import SearchSpace
from glassliquid.sweep.storage import open_storage, same_database
from glassliquid.sweep.study import ERROR, OWNER, RETRY_OF, State, Study, TrialRecord, finished, open_study
from glassliquid.sweep.trial import Pruned, TakenForDead, ValidationReports

SPACE = SearchSpace(batch_sizes=(8, 16, 32), dropout_low=0.0, dropout_high=0.9)
DEFINITION = {"objective": "score", "dropout": [0.0, 0.9], "batch_size": [8, 16, 32], "digest": "abc"}
ITERATIONS, EVAL_EVERY = 60, 5
ELSEWHERE = {"host": "elsewhere", "process": "1 1.00"}


class SuperfluousError(Exception):
    """Another one has taken the last slot."""


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'study.db'}"


def opened(address: str, name: str = "study", definition: dict = DEFINITION, pruner: str = "none") -> Study:
    study = open_study(open_storage(address), name, definition)
    study.optuna.pruner = PRUNERS.get(pruner)(ITERATIONS, EVAL_EVERY)
    return study


def score(settings: dict) -> float:
    """Best at a dropout of 0.3, whatever the batch size."""
    return 1 - abs(settings["dropout"] - 0.3)


def suggested(
    study: Study, trial: optuna.Trial, slots: int, sampler: str = "random", space: SearchSpace = SPACE
) -> dict:
    """Begin a trial as a worker does; its settings."""
    slot = study.begin(trial, slots)
    if slot is None:
        raise SuperfluousError
    study.optuna.sampler = SAMPLERS.get(sampler)(space, 0, slot)
    return space.suggest(trial)


def sweep(
    study: Study, slots: int, objective: Callable[[dict], float] = score, ran: list[int] | None = None, **how: object
) -> list[TrialRecord]:
    """Run what is missing, as a worker does, with an invented score."""

    def run(trial: optuna.Trial) -> float:
        value = objective(suggested(study, trial, slots, **how))
        if ran is not None:
            ran.append(trial.number)
        return value

    study.retry_killed(slots)
    while study.has_work(slots):
        study.optuna.optimize(run, n_trials=1, catch=(SuperfluousError,))
        study.retry_killed(slots)
    return study.trials()


def begun(study: Study, slots: int) -> tuple[TrialRecord, dict]:
    """A trial that runs, and its settings."""
    trial = study.optuna.ask()
    settings = suggested(study, trial, slots)
    return next(record for record in study.trials() if record.number == trial.number), settings


def watched(study: Study, since: int, until: int) -> list[int]:
    """Look every few seconds; the numbers of the trials that are taken for dead at the end."""
    trials = study.trials()
    for now in range(since, until, 10):
        study.abandoned(trials, now)
    return [trial.number for trial in study.abandoned(trials, until)]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_sweep_ends_at_the_number_asked_for_and_a_larger_number_adds_the_rest(address: str, sampler: str):
    assert len(finished(sweep(opened(address), 4, sampler=sampler), 4)) == 4
    again = opened(address)
    assert not again.created
    trials = sweep(again, 6, sampler=sampler)
    assert [trial.state for trial in trials] == [State.COMPLETE] * 6
    assert sorted(trial.slot for trial in trials) == list(range(6))
    # No setting is drawn twice by the command that continued.
    assert len({trial.settings["dropout"] for trial in trials}) == 6


def test_a_grid_is_complete_when_each_point_was_tried_once(address: str):
    points = SPACE.grid(0)
    trials = sweep(opened(address), len(points), sampler="grid")
    assert [trial.settings for trial in sorted(trials, key=lambda trial: trial.slot)] == points


def test_tpe_finds_the_maximum_of_a_simple_score(address: str):
    trials = sweep(opened(address), 40, sampler="tpe")
    near = sum(abs(trial.settings["dropout"] - 0.3) < 0.1 for trial in trials[20:])
    # Of 20 random draws from 0 to 0.9, 4.4 come so near on average, and 9 or more in 2 % of all cases.
    assert near >= 9


def test_a_trial_of_random_is_the_same_whoever_runs_it(address: str, tmp_path: Path):
    first = {trial.slot: trial.settings for trial in sweep(opened(address), 3)}
    study = opened(f"sqlite:///{tmp_path / 'other.db'}")
    asked = [study.optuna.ask() for _ in range(3)]
    for trial in reversed(asked):
        study.optuna.tell(trial, score(suggested(study, trial, 3)))
    assert {trial.slot: trial.settings for trial in study.trials()} == first


def test_a_killed_trial_is_marked_and_run_again_with_its_settings(address: str):
    study = opened(address)
    record, settings = begun(study, 2)
    assert study.kill(record)
    trials = sweep(study, 2)
    killed = [trial for trial in trials if trial.state == State.KILLED]
    assert [(trial.number, trial.settings) for trial in killed] == [(record.number, settings)]
    again = next(trial for trial in trials if trial.attributes.get(RETRY_OF) == record.number)
    assert (again.state, again.settings, again.slot) == (State.COMPLETE, settings, record.slot)
    assert len(finished(trials, 2)) == 2


def test_a_trial_that_died_before_it_began_is_run_and_not_shown(address: str):
    """Its worker died between the two calls that give it a trial and let it say who it is."""
    study = opened(address)
    study.optuna.ask()
    assert watched(study, 1000, 1120) == []
    assert watched(study, 1120, 1121) == [0]
    assert study.kill(study.trials()[0])
    trials = sweep(study, 2)
    assert [(trial.state, trial.slot) for trial in trials] == [(State.COMPLETE, 0), (State.COMPLETE, 1)]
    # What its place would have drawn is not lost either.
    other = sweep(opened(address, "other"), 2)
    assert [trial.settings for trial in trials] == [trial.settings for trial in other]


def test_a_trial_that_was_taken_for_dead_does_not_count_when_it_ends(address: str):
    study = opened(address)

    trial = study.optuna.ask()
    suggested(study, trial, 1)
    study.kill(study.trials()[0])
    assert study.optuna.tell(trial, 0.9, skip_if_finished=True).state == optuna.trial.TrialState.FAIL
    trials = sweep(study, 1)
    assert [each.state for each in trials] == [State.KILLED, State.COMPLETE]


def test_a_trial_that_was_taken_for_dead_ends_at_its_next_validation(address: str):
    study = opened(address)
    trial = study.optuna.ask()
    suggested(study, trial, 1)
    study.kill(study.trials()[0])
    with pytest.raises(TakenForDead, match="found no sign of life of this trial"):
        ValidationReports(trial, ITERATIONS)(5, {"val_accuracy": 0.5})


def test_killing_a_trial_that_has_ended_changes_nothing(address: str):
    study = opened(address)
    (trial,) = sweep(study, 1)
    assert not study.kill(trial)
    assert study.trials()[0].state == State.COMPLETE


def test_a_failed_trial_says_why_and_is_not_run_again(address: str):
    study = opened(address)
    trial = study.optuna.ask()
    suggested(study, trial, 1)
    trial.set_user_attr(ERROR, "The loss is nan.")
    study.optuna.tell(trial, state=optuna.trial.TrialState.FAIL)
    study.retry_killed(1)
    assert not study.has_work(1)
    assert [(each.state, each.attributes[ERROR]) for each in study.trials()] == [(State.FAILED, "The loss is nan.")]


def test_a_killed_trial_that_two_commands_queued_is_run_once(address: str):
    one, two = opened(address), opened(address)
    record, settings = begun(one, 1)
    one.kill(record)
    one.retry_killed(1)
    # The second command looked before the first one had queued anything.
    two.optuna.enqueue_trial(settings, user_attrs={"slot": 0, RETRY_OF: record.number})
    ran: list[int] = []
    assert len(finished(sweep(two, 2, ran=ran), 2)) == 2
    assert len(ran) == 2
    assert [trial.state for trial in one.trials()] == [State.KILLED, State.COMPLETE, State.COMPLETE]


def test_the_last_slot_that_two_workers_ask_for_is_run_once_and_kept_for_a_larger_sweep(address: str):
    study = opened(address)
    first, second = study.optuna.ask(), study.optuna.ask()
    study.optuna.tell(first, score(suggested(study, first, 1)))
    with pytest.raises(SuperfluousError):
        suggested(study, second, 1)
    study.optuna.tell(second, state=optuna.trial.TrialState.FAIL)
    assert not study.has_work(1)
    assert [trial.state for trial in study.trials()] == [State.COMPLETE]
    trials = sweep(study, 3)
    assert sorted(trial.slot for trial in trials) == [0, 1, 2]
    assert sorted(trial.settings["dropout"] for trial in trials) == sorted(
        trial.settings["dropout"] for trial in sweep(opened(address, "undisturbed"), 3)
    )


def test_a_study_of_the_version_before_goes_on(address: str):
    """It queued trials for slots ahead, and discarded one that two commands had queued."""
    study = opened(address)
    for slot in (0, 1, 1, 2):
        study.optuna.enqueue_trial({}, user_attrs={"slot": slot})
    done, killed, discarded = (study.optuna.ask() for _ in range(3))
    for trial in (done, killed):
        trial.set_user_attr(OWNER, ELSEWHERE)
        SPACE.suggest(trial)
    study.optuna.tell(done, 0.5)
    discarded.set_user_attr("discarded", True)
    for trial in (killed, discarded):
        study.optuna.tell(trial, state=optuna.trial.TrialState.FAIL)
    trials = sweep(study, 4)
    assert sorted(trial.slot for trial in finished(trials, 4)) == [0, 1, 2, 3]
    assert [trial.number for trial in trials if trial.state == State.KILLED] == [killed.number]


def test_the_median_pruner_gives_up_a_bad_trial_after_a_third_of_its_run_and_not_before(address: str):
    study = opened(address, pruner="median")
    steps = range(EVAL_EVERY, ITERATIONS + 1, EVAL_EVERY)
    for _ in range(6):
        trial = study.optuna.ask()
        reports = ValidationReports(trial, ITERATIONS)
        suggested(study, trial, 7)
        for step in steps:
            reports(step, {"val_accuracy": 0.95})
        study.optuna.tell(trial, 0.95)
    given_up_at: list[int] = []

    def bad(trial: optuna.Trial) -> float:
        suggested(study, trial, 7)
        reports = ValidationReports(trial, ITERATIONS)
        for step in steps:
            try:
                reports(step, {"val_accuracy": 0.5})
            except Pruned as pruned:
                given_up_at.append(step)
                raise optuna.TrialPruned from pruned
        return 0.5

    study.optuna.optimize(bad, n_trials=1)
    assert len(given_up_at) == 1 and 20 <= given_up_at[0] <= 25
    assert study.trials()[-1].state == State.PRUNED
    assert len(finished(study.trials(), 7)) == 7


def test_hyperband_gives_up_some_of_many_bad_trials(address: str):
    study = opened(address, pruner="hyperband")

    def worse_and_worse(trial: optuna.Trial) -> float:
        suggested(study, trial, 20)
        reports = ValidationReports(trial, ITERATIONS)
        try:
            for step in range(EVAL_EVERY, ITERATIONS + 1, EVAL_EVERY):
                reports(step, {"val_accuracy": 1 - 0.04 * trial.number})
        except Pruned as pruned:
            raise optuna.TrialPruned from pruned
        return 1 - 0.04 * trial.number

    study.optuna.optimize(worse_and_worse, n_trials=20)
    states = [trial.state for trial in study.trials()]
    assert states[0] == State.COMPLETE
    assert State.PRUNED in states


def test_a_silent_worker_elsewhere_is_noticed_by_its_beats(address: str):
    study = opened(address)
    for _ in range(2):
        study.optuna.ask().set_user_attr(OWNER, ELSEWHERE)
    quiet, living = study.trials()
    assert watched(study, 1000, 1001) == []
    study.beat(living)
    assert watched(study, 1001, 1119) == []
    study.beat(living)
    assert watched(study, 1119, 1121) == [quiet.number]
    assert watched(study, 1121, 1300) == [quiet.number, living.number]


def test_nobody_is_taken_for_dead_because_the_storage_was_away(address: str):
    study = opened(address)
    study.optuna.ask().set_user_attr(OWNER, ELSEWHERE)
    assert watched(study, 1000, 1010) == []
    assert study.abandoned(study.trials(), now=1250) == []
    assert watched(study, 1250, 1369) == []
    assert watched(study, 1369, 1371) == [0]


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
    optuna.create_study(storage=open_storage(address), study_name="study").ask()
    with pytest.raises(UserError, match="'study' that was not made by a sweep of this project"):
        opened(address)


def test_the_same_database_under_another_user_and_driver():
    assert same_database("postgresql://a:b@host/db", "postgresql+psycopg2://host/db")
    assert not same_database("postgresql://host/db", "postgresql://host/other")
    assert same_database("sqlite:////tmp/../tmp/x.db", "sqlite:////tmp/x.db")
    assert not same_database("sqlite:////tmp/x.db", "postgresql://host/x")


WORKER = """
import json
from tests.sweep.test_study import opened, sweep
ran = []
sweep(opened({address!r}), 30, ran=ran)
print(json.dumps(ran))
"""


@pytest.mark.slow
@pytest.mark.faults
def test_four_commands_share_a_postgresql_study_and_count_exactly(postgresql: str, start_python: Callable):
    processes = [start_python(WORKER.format(address=postgresql)) for _ in range(4)]
    answers: list[list[int]] = []
    threads = [threading.Thread(target=lambda p=p: answers.append(json.loads(p.stdout.read()))) for p in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    ran = [number for answer in answers for number in answer]
    assert len(answers) == 4 and sum(bool(answer) for answer in answers) > 1
    assert len(ran) == len(set(ran)) == 30
    trials = opened(postgresql).trials()
    assert sorted(trial.slot for trial in finished(trials, 30)) == list(range(30))
    assert {trial.number for trial in trials if trial.state == State.COMPLETE} == set(ran)


def test_a_study_whose_maker_was_killed_before_it_said_what_it_searches(address: str, monkeypatch):
    """The same command continues; one that searches something else is refused as always."""
    monkeypatch.setattr("glassliquid.sweep.study.time.sleep", lambda _: None)
    optuna.create_study(storage=open_storage(address), study_name="study", direction="maximize")
    assert not opened(address).created
    with pytest.raises(UserError, match="exists with another search space"):
        opened(address, definition={**DEFINITION, "digest": "other"})


def test_a_sweep_of_a_million_trials_queues_none_of_them(address: str):
    study = opened(address)
    study.retry_killed(1_000_000)
    assert study.has_work(1_000_000)
    assert study.trials() == []
    assert [begun(study, 1_000_000)[0].slot for _ in range(3)] == [0, 1, 2]
