"""One trial from the side of the worker that runs it."""

import contextlib
import time
from collections.abc import Mapping
from typing import Any

from glassliquid.errors import Stopped
from glassliquid.sweep import study as kept
from glassliquid.sweep.algorithms import make_pruner, make_sampler
from glassliquid.sweep.space import SearchSpace
from glassliquid.sweep.storage import StorageSilent, answering

STORE_WITHIN_S = 300.0
"""How long the end of a trial waits for a storage that does not answer, before its result is given up."""
RETRY_AFTER_S = 2.0


class GivenUp(Stopped):
    """The pruner has given the trial up."""


class Trial:
    """A claimed trial: its settings, its reports, its end."""

    def __init__(
        self,
        storage: Any,
        study: str,
        row: kept.Row,
        space: SearchSpace,
        sampler: str,
        pruner: str,
        seed: int,
        iterations: int,
        eval_every: int,
    ) -> None:
        """Let the sampler choose the settings of the trial.

        Args:
            storage: from `open_storage`.
            study: name of the study.
            row: the claimed trial.
            space: what is searched.
            sampler: tpe, grid or random.
            pruner: median, hyperband or none.
            seed: of the sweep.
            iterations: how many a trial has, over all its repeats.
            eval_every: iterations between two reports.
        """
        import optuna

        chooses, gives_up = make_sampler(sampler, seed, row.slot), make_pruner(pruner, iterations, eval_every)
        self._study = kept.load_optuna_study(storage, study, chooses, gives_up)
        # Optuna's cache takes reports only on trials that this process has read.
        self._study.get_trials(deepcopy=False)
        self._trial = optuna.trial.Trial(self._study, row.trial_id)
        self.number = row.number
        self.settings = space.suggest(self._trial)

    def note(self, attributes: Mapping[str, Any]) -> None:
        """Keep facts beside the trial."""
        for key, value in attributes.items():
            self._trial.set_user_attr(key, value)

    def report(self, value: float, step: int) -> None:
        """Tell the pruner how the trial does; GivenUp if it ends here.

        A storage that does not answer at the moment only means that nothing is given up.
        """
        with contextlib.suppress(StorageSilent), answering():
            self._trial.report(value, step)
            if self._trial.should_prune():
                raise GivenUp

    def complete(self, value: float, facts: Mapping[str, Any]) -> bool:
        """The trial has its value; False if another command took it for dead meanwhile, so that it does not count."""
        return self._end("COMPLETE", facts, value)

    def give_up(self, facts: Mapping[str, Any]) -> bool:
        """The trial was pruned; the answer is that of `complete`."""
        return self._end("PRUNED", facts)

    def fail(self, error: str) -> bool:
        """The training could not be done with these settings; the answer is that of `complete`."""
        return self._end("FAIL", {kept.ERROR: error})

    def kill(self) -> bool:
        """The trial was stopped and is to be run again.

        A storage that does not answer is not waited for: the next command finds the trial, and that its owner is dead.
        """
        with contextlib.suppress(StorageSilent):
            return self._end("FAIL", {}, wait_s=0.0)
        return True

    def _end(
        self, state: str, facts: Mapping[str, Any], value: float | None = None, wait_s: float = STORE_WITHIN_S
    ) -> bool:
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        deadline = time.monotonic() + wait_s
        while True:
            try:
                with answering():
                    self.note(facts)
                    ended = self._study.tell(self._trial, value, TrialState[state], skip_if_finished=True)
                return bool(ended.state == TrialState[state])
            except UpdateFinishedTrialError:
                return False
            except StorageSilent:
                if time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_AFTER_S)
