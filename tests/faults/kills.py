"""SIGKILL at seeded moments: which phase of a command, how far into it, and which of its processes."""

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil

from tests.faults.figures import Tally
from tests.faults.workplace import PATIENCE_S, Workplace

MOST_A_ROUND = 8
"""After so many kills a command is left alone until it has completed, and is looked at."""
MOST_A_LIFE = 2
"""Where a worker alone was killed, the command continues, and is hurt again; at a third death it gives up, as it should."""
GROUP, ALONE, CHILD = "group", "alone", "child"


@dataclass(frozen=True)
class Phase:
    """A stretch of a command in which it may be killed."""

    weight: float
    """How often it is chosen, in comparison with the others."""
    lasts: float
    """The kill comes within this time after the phase has begun [s]."""
    watch: Callable[[], Callable[[], bool]] = lambda: lambda: True
    """Called when the command starts; what it returns says whether the phase has begun."""


def changes(state: Callable[[], object]) -> Callable[[], Callable[[], bool]]:
    """A phase that begins when a state is another one than at the command's start."""

    def watch() -> Callable[[], bool]:
        before = state()
        return lambda: state() != before

    return watch


class Killer:
    """Kills commands and counts."""

    def __init__(self, seed: int, tally: Tally, kills: int, children: bool = True) -> None:
        """Inject `kills` kills in all; the seed gives their moments.

        Args:
            seed: of the random moments.
            tally: counts.
            kills: how many.
            children: whether a child of the command may be killed alone, which the command then replaces.
        """
        self._weights = (6, 2, 2) if children else (8, 2, 0)
        self._random = random.Random(f"{seed} {tally.command}")
        self.tally, self._kills = tally, kills

    @property
    def has_more(self) -> bool:
        return self.tally.injected < self._kills

    def until_done(
        self,
        workplace: Workplace,
        start: Callable[[], subprocess.Popen[str] | None],
        phases: Sequence[Phase],
        after_kill: Callable[[], None] = lambda: None,
    ) -> None:
        """Start a command again and again, killing it, until it has completed by itself.

        Args:
            workplace: where it runs.
            start: starts it, or what continues with it; None if it turns out to be done.
            phases: where it may be killed.
            after_kill: looks at what a kill has left.
        """
        killed = 0
        while (process := start()) is not None:
            for hits in range(MOST_A_LIFE):
                if self.has_more and killed < MOST_A_ROUND and not (hits and _has_ended(process)):
                    was_killed = self._life(process, phases)
                    self.tally.injected += was_killed
                    killed += was_killed
            code = process.wait(timeout=PATIENCE_S)
            if code == 0:
                break
            assert code == -signal.SIGKILL, workplace.said(process)
            after_kill()
        self.tally.compared += 1

    def _life(self, process: subprocess.Popen[str], phases: Sequence[Phase]) -> bool:
        """Kill a process at a drawn moment; False if it ended before."""
        # All draws are made first, so that those of the next life do not depend on what happens in this one.
        (phase,) = self._random.choices(phases, [phase.weight for phase in phases])
        moment = self._random.uniform(0, phase.lasts)
        (target,) = self._random.choices([GROUP, ALONE, CHILD], self._weights)
        pick = self._random.random()
        begun = phase.watch()
        while not begun():
            if process.poll() is not None:
                return False
            time.sleep(0.01)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moment)
            return False
        return _kill(process, target, pick)


def _has_ended(process: subprocess.Popen[str]) -> bool:
    """Whether a command has ended, or is about to: a signal takes a moment."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(0.2)
    return process.poll() is not None


def _kill(process: subprocess.Popen[str], target: str, pick: float) -> bool:
    with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
        children = psutil.Process(process.pid).children(recursive=True)
        if target == CHILD and children:
            # The command itself continues: a worker that dies is replaced.
            children[int(pick * len(children))].kill()
        elif target == ALONE:
            os.kill(process.pid, signal.SIGKILL)
        else:
            os.killpg(process.pid, signal.SIGKILL)
        return True
    return False
