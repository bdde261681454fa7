"""A study: every trial of a sweep, kept in an Optuna storage that many commands on many machines may share.

A sweep of n trials has n slots. Optuna numbers trials in a transaction, and new trials fill the slots in the order of their
numbers. A trial whose worker died or was stopped is queued again with the same settings, for the same slot. So all
commands read from the list of trials alone which trial fills which slot: nothing is lost or counted twice, whoever dies
and whenever. Where two workers ask for the last slot, or two commands queue the same killed trial, the one with the higher
number ends before it begins.
"""

import contextlib
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from glassliquid.command_line import option
from glassliquid.errors import UserError
from glassliquid.tracking.liveness import identity_tags, is_here, living_process

DEFINITION = "definition"
"""On the study: what is searched and what is held fixed."""
PARENT_RUN = "parent_run"
"""On the study, with a fingerprint of the tracking store behind it: the MLflow run there that its trials belong to."""
SLOT, OWNER, BEAT, ERROR, RETRY_OF = "slot", "owner", "beat", "error", "again_after"
"""On a trial: its slot, if it was queued for one; the process that runs it; a number that grows while that process lives; why
it failed; the number of the killed trial that it repeats."""

SILENT_AFTER_S = 120.0
"""A worker whose beats stopped for this long, watched from here, is dead."""
BLIND_AFTER_S = 30.0
"""Who has not looked for this long, because the storage was away, watches from the beginning."""


class State(StrEnum):
    """How a trial stands. What Optuna calls FAIL is FAILED if the trial says why, and KILLED if it could not."""

    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAILED = "FAILED"
    KILLED = "KILLED"
    RUNNING = "RUNNING"
    WAITING = "WAITING"


FINISHED = (State.COMPLETE, State.PRUNED, State.FAILED)
"""States that end a trial for good; a killed one is run again."""


@dataclass(frozen=True)
class TrialRecord:
    """One trial as the storage has it."""

    trial_id: int
    """The storage's own id."""
    number: int
    """Its number in the study, from 0."""
    slot: int
    state: State
    settings: dict[str, Any]
    value: float | None
    """The objective, for a complete trial."""
    attributes: dict[str, Any] = field(repr=False)

    @property
    def owner(self) -> Mapping[str, str] | None:
        """Identity tags of the process that runs it; None if it died before it could say so, or has not begun."""
        return self.attributes.get(OWNER)


class Study:
    """A named study in a storage."""

    def __init__(self, study: optuna.Study, created: bool) -> None:
        """Wrap an Optuna study; `created` says whether this process made it."""
        self.optuna = study
        self.created = created
        self._beats: dict[int, tuple[Any, float]] = {}
        self._looked_at = 0.0

    @property
    def name(self) -> str:
        """The study's name."""
        return str(self.optuna.study_name)

    def parent_run(self, store: str) -> str | None:
        """The MLflow run that the trials belong to, for commands that use this tracking store."""
        run_id = self.optuna.user_attrs.get(_parent_key(store))
        return None if run_id is None else str(run_id)

    def set_parent_run(self, run_id: str, store: str) -> None:
        """Let the trials belong to this MLflow run, for commands that use this tracking store."""
        self.optuna.set_user_attr(_parent_key(store), run_id)

    def trials(self) -> list[TrialRecord]:
        """All trials by number, but those that ended before they began."""
        return [trial for trial in self._all() if trial.state != State.KILLED or trial.owner is not None]

    def has_work(self, slots: int) -> bool:
        """Whether a worker that asks for a trial now would get one of the first `slots` slots."""
        trials = self._all()
        waiting = any(trial.state == State.WAITING and trial.slot < slots for trial in _current(trials).values())
        return waiting or _next_slot(trials) < slots

    def retry_killed(self, slots: int) -> None:
        """Queue each killed trial of the first `slots` slots again with its settings, unless that was done."""
        trials = self._all()
        current = _current(trials)
        for slot in range(min(slots, _next_slot(trials))):
            if slot not in current:
                begun = [trial for trial in trials if trial.slot == slot and trial.owner is not None]
                settings = next((trial.settings for trial in reversed(begun) if trial.settings), {})
                retry_of = {RETRY_OF: begun[-1].number} if begun else {}
                self.optuna.enqueue_trial(settings, user_attrs={SLOT: slot, **retry_of})

    def begin(self, trial: optuna.Trial, slots: int) -> int | None:
        """Own a trial that Optuna has given to this process; its slot, or None if it is one too many."""
        current = _current(self._all()).values()
        slot = next((each.slot for each in current if each.number == trial.number and each.slot < slots), None)
        if slot is not None:
            trial.set_user_attr(OWNER, identity_tags())
        return slot

    def beat(self, trial: TrialRecord) -> None:
        """Show that the worker of a trial lives."""
        with contextlib.suppress(UpdateFinishedTrialError):
            self.optuna._storage.set_trial_user_attr(trial.trial_id, BEAT, time.time())

    def kill(self, trial: TrialRecord) -> bool:
        """Mark a trial as killed; False if it has ended already."""
        with contextlib.suppress(UpdateFinishedTrialError):
            return self.optuna._storage.set_trial_state_values(trial.trial_id, TrialState.FAIL)
        return False

    def abandoned(self, trials: Sequence[TrialRecord], now: float) -> list[TrialRecord]:
        """Running trials whose worker is dead: at once if it ran on this machine, after two minutes without a beat elsewhere.

        Only `now`, the time of this process [s], counts: the clocks of two machines need not agree, nor one be right.
        """
        if now - self._looked_at > BLIND_AFTER_S:
            self._beats.clear()
        self._looked_at = now
        running = [trial for trial in trials if trial.state == State.RUNNING]
        for trial in running:
            beat = trial.attributes.get(BEAT)
            if trial.trial_id not in self._beats or self._beats[trial.trial_id][0] != beat:
                self._beats[trial.trial_id] = (beat, now)
        return [
            trial
            for trial in running
            if (
                living_process(trial.owner) is None
                if trial.owner is not None and is_here(trial.owner)
                else now - self._beats[trial.trial_id][1] > SILENT_AFTER_S
            )
        ]

    def _all(self) -> list[TrialRecord]:
        records, next_slot = [], 0
        for trial in sorted(self.optuna.get_trials(deepcopy=False), key=lambda trial: trial.number):
            slot = int(trial.user_attrs.get(SLOT, next_slot))
            next_slot = max(next_slot, slot + 1)
            records.append(_record(trial, slot))
        return records


def open_study(storage: BaseStorage, name: str, definition: Mapping[str, Any]) -> Study:
    """The study of that name, made if there is none.

    Args:
        storage: from `open_storage`.
        name: its name.
        definition: what is searched and what is held fixed, as JSON values.

    Raises:
        UserError: a study of that name searches something else, or was not made by a sweep.
    """
    try:
        study = optuna.create_study(storage=storage, study_name=name, direction="maximize")
        study.set_user_attr(DEFINITION, dict(definition))
        return Study(study, created=True)
    except DuplicatedStudyError:
        study = optuna.load_study(storage=storage, study_name=name)
    present = _definition(study)
    if present is None and not study.trials and not study.user_attrs:
        # Its maker was killed between the two calls above. Whoever comes now says the same, or is refused below.
        study.set_user_attr(DEFINITION, dict(definition))
        present = _definition(study)
    if present is None:
        raise UserError(
            f"The storage has a study {name!r} that was not made by a sweep of this project: pass another name, such as "
            f"{option('study', f'{name}-2')}."
        )
    changed = [
        f"{key} is {_shown(present.get(key))} there and {_shown(definition.get(key))} here"
        for key in sorted(present.keys() | definition.keys())
        if present.get(key) != definition.get(key)
    ]
    if changed:
        raise UserError(
            f"The study {name!r} exists with another search space or objective ({'; '.join(changed)}): pass its own settings "
            f"to continue it, or another name, such as {option('study', f'{name}-2')}."
        )
    return Study(study, created=False)


def finished(trials: Sequence[TrialRecord], slots: int) -> list[TrialRecord]:
    """The trials that have ended for good, one of each slot at most, by number."""
    return [trial for trial in _current(trials).values() if trial.state in FINISHED and trial.slot < slots]


def _current(trials: Sequence[TrialRecord]) -> dict[int, TrialRecord]:
    """Slot to the trial that fills it: the lowest number that was not killed."""
    current: dict[int, TrialRecord] = {}
    for trial in trials:
        if trial.state != State.KILLED:
            current.setdefault(trial.slot, trial)
    return current


def _next_slot(trials: Sequence[TrialRecord]) -> int:
    """The slot of the next new trial."""
    return max((trial.slot for trial in trials), default=-1) + 1


def _record(trial: FrozenTrial, slot: int) -> TrialRecord:
    attributes = dict(trial.user_attrs)
    name = trial.state.name
    state = State(name) if name != "FAIL" else State.FAILED if ERROR in attributes else State.KILLED
    settings = dict(trial.params or trial.system_attrs.get("fixed_params", {}))
    value = trial.value if state == State.COMPLETE else None
    return TrialRecord(trial._trial_id, trial.number, slot, state, settings, value, attributes)


def _parent_key(store: str) -> str:
    # The store's address may hold a password.
    return f"{PARENT_RUN}:{hashlib.sha256(store.encode()).hexdigest()[:16]}"


def _definition(study: optuna.Study) -> dict[str, Any] | None:
    """What a study searches; another command may have made it just now, before recording what it searches."""
    for _ in range(50):
        if DEFINITION in study.user_attrs:
            return dict(study.user_attrs[DEFINITION])
        if study.trials:
            return None
        time.sleep(0.1)
    return None


def _shown(value: Any) -> str:
    if isinstance(value, list) and len(value) == 2 and all(isinstance(bound, float) for bound in value):
        return f"{value[0]:g} to {value[1]:g}"
    return "not searched" if value is None else str(value)
