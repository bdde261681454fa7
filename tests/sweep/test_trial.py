"""What becomes of a trial, without its training."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from glassliquid.errors import Stopped
from glassliquid.sweep import trial as trials
from glassliquid.sweep.study import RETRY_OF, State
from glassliquid.sweep.trial import RUN, TakenForDead, TrialRunner
from tests.sweep.test_study import opened


class Runner(TrialRunner):
    """One whose training is a function."""

    how: Any

    def _run(self, trial: optuna.Trial, slot: int) -> tuple[TrialState, float | None]:
        trial.set_user_attr(RUN, f"run {slot}")
        return self.how(trial)


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    study = opened(f"sqlite:///{tmp_path / 'study.db'}")
    return Runner(SimpleNamespace(slots=1), study, "parent", None, lambda: False)


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs that are marked as killed."""
    found: list[str] = []
    monkeypatch.setattr(trials, "mark_killed", found.append)
    return found


@pytest.mark.parametrize("notices", ["at its end", "when it notes what it found", "at a validation"])
def test_a_trial_that_another_command_killed_does_not_count_and_the_worker_goes_on(runner, marked, notices):
    def killed(_trial: optuna.Trial) -> tuple[TrialState, float | None]:
        runner.study.kill(runner.study.trials()[0])
        if notices == "when it notes what it found":
            raise UpdateFinishedTrialError
        if notices == "at a validation":
            raise TakenForDead
        return TrialState.COMPLETE, 0.9

    object.__setattr__(runner, "how", killed)
    runner.run_next()
    assert marked == ["run 0"]
    runner.study.retry_killed(1)
    object.__setattr__(runner, "how", lambda _: (TrialState.COMPLETE, 0.5))
    runner.run_next()
    first, second = runner.study.trials()
    assert (first.state, second.state, second.value) == (State.KILLED, State.COMPLETE, 0.5)
    assert second.attributes[RETRY_OF] == first.number
    assert marked == ["run 0"]


def test_a_trial_that_is_stopped_is_marked_and_the_worker_ends(runner, marked):
    def stopped(_trial: optuna.Trial) -> tuple[TrialState, float | None]:
        raise Stopped

    object.__setattr__(runner, "how", stopped)
    with pytest.raises(Stopped):
        runner.run_next()
    assert [trial.state for trial in runner.study.trials()] == [State.KILLED]
    assert marked == []
