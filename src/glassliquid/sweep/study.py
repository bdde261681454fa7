"""A study: every trial of a sweep, kept in a storage that many commands on many machines may share.

A sweep of n trials has n places, called slots. A slot is filled by queueing a trial for it, claimed by one worker, and
done when that trial has ended by itself. A trial whose worker died, or was stopped, is marked; its slot is then queued
again with the same settings. So nothing is lost or counted twice, whoever dies and whenever:

- Claiming is one transaction of the storage: only one command gets a queued trial.
- Should two commands queue a trial for the same slot at the same moment, the one with the lower number is run and the
  other one is discarded when it is its turn. Numbers are given in a transaction too, so all agree on which it is.
"""

import contextlib
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from glassliquid.errors import UserError

COMPLETE, PRUNED, FAILED, KILLED, RUNNING, WAITING = "COMPLETE", "PRUNED", "FAILED", "KILLED", "RUNNING", "WAITING"
DONE = (COMPLETE, PRUNED, FAILED)
"""States that end a trial for good; a killed one is run again."""

DEFINITION = "definition"
"""On the study: what is searched and what is held fixed."""
PARENT_RUN = "parent_run"
"""On the study, with a fingerprint of the tracking store behind it: the MLflow run there that its trials belong to."""
SLOT, OWNER, BEAT, ERROR, DISCARDED, AGAIN = "slot", "owner", "beat", "error", "discarded", "again_after"
"""On a trial: its slot, the process that claimed it, a number that grows while that process lives, why it failed, that it
was queued twice, and the trial that was killed before it."""

AHEAD = 64
"""Trials that wait for a worker, at least."""
SILENT_AFTER_S = 120.0
"""A command whose beats stopped for this long, watched from here, is dead."""


@dataclass(frozen=True)
class Row:
    """One trial as the storage has it."""

    trial_id: int
    """The storage's own id."""
    number: int
    """Its number in the study, from 0."""
    slot: int
    state: str
    settings: dict[str, Any]
    value: float | None
    """The objective, for a complete trial."""
    attributes: dict[str, Any] = field(repr=False)
    started: Any = None
    ended: Any = None


class Study:
    """A named study in a storage."""

    def __init__(self, study: Any, created: bool) -> None:
        """Wrap an Optuna study; `created` says whether this process made it."""
        self.optuna = study
        self.created = created
        self._storage = study._storage
        self._beats: dict[int, tuple[Any, float]] = {}

    @property
    def name(self) -> str:
        """The study's name."""
        return str(self.optuna.study_name)

    def parent_run(self, store: str) -> str | None:
        """The MLflow run that the trials belong to, for commands that use this tracking store."""
        run_id = self.optuna.user_attrs.get(_parent_key(store))
        return None if run_id is None else str(run_id)

    def adopt(self, run_id: str, store: str) -> None:
        """Let the trials belong to this MLflow run, for commands that use this tracking store."""
        self.optuna.set_user_attr(_parent_key(store), run_id)

    def rows(self) -> list[Row]:
        """All trials but discarded ones, by number."""
        trials = self.optuna.get_trials(deepcopy=False)
        return [_row(trial) for trial in trials if SLOT in trial.user_attrs and DISCARDED not in trial.user_attrs]

    def queue(self, slots: int, points: list[dict[str, float]] | None, ahead: int = AHEAD) -> None:
        """Queue trials for slots below `slots` that have none; one that was killed is queued with its settings again.

        A few at a time, again and again: each costs a transaction, and the storage counts all trials before it.

        Args:
            slots: how many trials the sweep is to have.
            points: the settings of each slot, for a grid; None lets the sampler choose.
            ahead: how many may wait.
        """
        rows = self.rows()
        active = _active(rows)
        waiting = sum(row.state == WAITING and row.slot < slots for row in active.values())
        killed = {row.slot: row for row in rows if row.state == KILLED}
        for slot in range(slots):
            if waiting >= ahead:
                return
            if slot in active:
                continue
            waiting += 1
            settings: dict[str, Any] = {} if points is None else dict(points[slot])
            attributes: dict[str, Any] = {SLOT: slot}
            if slot in killed:
                settings = killed[slot].settings or settings
                attributes[AGAIN] = killed[slot].number
            self.optuna.enqueue_trial(settings, user_attrs=attributes)

    def claim(self, slots: int, owner: Mapping[str, str]) -> Row | None:
        """Take a queued trial to run it; None if there is none now."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        rows = self.rows()
        active = _active(rows)
        for row in rows:
            if row.state != WAITING or row.slot >= slots:
                continue
            with contextlib.suppress(UpdateFinishedTrialError):
                if active[row.slot].number < row.number:
                    self._storage.set_trial_user_attr(row.trial_id, DISCARDED, True)
                    self._storage.set_trial_state_values(row.trial_id, TrialState.FAIL)
                elif self._storage.set_trial_state_values(row.trial_id, TrialState.RUNNING):
                    self._storage.set_trial_user_attr(row.trial_id, OWNER, dict(owner))
                    return row
        return None

    def beat(self, trial_id: int) -> None:
        """Show that the command that runs the trial lives."""
        from optuna.exceptions import UpdateFinishedTrialError

        with contextlib.suppress(UpdateFinishedTrialError):
            self._storage.set_trial_user_attr(trial_id, BEAT, time.time())

    def kill(self, trial_id: int) -> bool:
        """Mark a trial as killed; False if it has ended already."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        with contextlib.suppress(UpdateFinishedTrialError):
            return bool(self._storage.set_trial_state_values(trial_id, TrialState.FAIL))
        return False

    def silent(self, rows: list[Row], now: float) -> list[Row]:
        """Running trials whose beat has not changed for two minutes.

        Only `now`, the time of this process [s], counts: the clocks of two machines need not agree.
        """
        running = {row.trial_id: row for row in rows if row.state == RUNNING}
        for trial_id, row in running.items():
            beat = row.attributes.get(BEAT)
            if trial_id not in self._beats or self._beats[trial_id][0] != beat:
                self._beats[trial_id] = (beat, now)
        return [row for trial_id, row in running.items() if now - self._beats[trial_id][1] > SILENT_AFTER_S]


def open_study(storage: Any, name: str, definition: Mapping[str, Any]) -> Study:
    """The study of that name, made if there is none.

    Args:
        storage: from `open_storage`.
        name: its name.
        definition: what is searched and what is held fixed, as JSON values.

    Raises:
        UserError: a study of that name searches something else, or was not made by a sweep.
    """
    import optuna

    try:
        study = optuna.create_study(storage=storage, study_name=name, direction="maximize")
        study.set_user_attr(DEFINITION, dict(definition))
        return Study(study, created=True)
    except optuna.exceptions.DuplicatedStudyError:
        study = load_optuna_study(storage, name)
    kept = _definition(study)
    if kept is None and not study.trials and not study.user_attrs:
        # Its maker was killed between the two calls above. Whoever comes now says the same, or is refused below.
        study.set_user_attr(DEFINITION, dict(definition))
        kept = _definition(study)
    if kept is None:
        raise UserError(
            f"The storage has a study {name!r} that no sweep of this project made: pass another name, such as -P "
            f"study={name}-2."
        )
    keys = sorted(kept.keys() | definition.keys())
    changed = [
        f"{key} is {_shown(kept.get(key))} there and {_shown(definition.get(key))} here"
        for key in keys
        if kept.get(key) != definition.get(key)
    ]
    if changed:
        raise UserError(
            f"The study {name!r} exists with another search space or objective ({'; '.join(changed)}): pass its own settings "
            f"to continue it, or another name, such as -P study={name}-2."
        )
    return Study(study, created=False)


def load_optuna_study(storage: Any, name: str, sampler: Any = None, pruner: Any = None) -> Any:
    """The Optuna study of that name, which is there already."""
    import optuna

    return optuna.load_study(study_name=name, storage=storage, sampler=sampler, pruner=pruner)


def done(rows: list[Row], slots: int) -> list[Row]:
    """The trials that have ended for good, one of each slot at most, by number."""
    return [row for row in _active(rows).values() if row.state in DONE and row.slot < slots]


def _active(rows: list[Row]) -> dict[int, Row]:
    """Slot to the trial that fills it: the lowest number that was not killed."""
    active: dict[int, Row] = {}
    for row in rows:
        if row.state != KILLED:
            active.setdefault(row.slot, row)
    return active


def _parent_key(store: str) -> str:
    # The store's address may hold a password.
    return f"{PARENT_RUN}:{hashlib.sha256(store.encode()).hexdigest()[:16]}"


def _definition(study: Any) -> dict[str, Any] | None:
    """What a study searches; another command may have made it this very moment and is about to say so."""
    for _ in range(50):
        if DEFINITION in study.user_attrs:
            return dict(study.user_attrs[DEFINITION])
        if study.trials:
            return None
        time.sleep(0.1)
    return None


def _row(trial: Any) -> Row:
    state = str(trial.state.name)
    if state == "FAIL":
        # What failed by itself says why; what was stopped or killed could not.
        state = FAILED if ERROR in trial.user_attrs else KILLED
    settings = trial.params or trial.system_attrs.get("fixed_params", {})
    value = trial.value if state == COMPLETE else None
    return Row(
        trial._trial_id,
        trial.number,
        int(trial.user_attrs[SLOT]),
        state,
        dict(settings),
        value,
        dict(trial.user_attrs),
        trial.datetime_start,
        trial.datetime_complete,
    )


def _shown(value: Any) -> str:
    if isinstance(value, list) and len(value) == 2 and all(isinstance(bound, float) for bound in value):
        return f"{value[0]:g} to {value[1]:g}"
    return "not searched" if value is None else str(value)
