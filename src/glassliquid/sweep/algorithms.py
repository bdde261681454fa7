"""How the next settings are chosen, and when a trial is given up: add a function to add a sampler or a pruner."""

import warnings
from collections.abc import Callable
from typing import Any

from glassliquid.registry import Registry
from glassliquid.sweep.space import SearchSpace

SAMPLERS: Registry[Callable[[SearchSpace, int, int], Any]] = Registry("sampler")
"""From the search space, the sweep's seed and the trial's slot to the Optuna sampler of that trial.

A sampler draws from the seed and the slot alone, so a sweep that was continued does not draw again what it drew before, and a
trial of `random` is the same whichever worker runs it.
"""
PRUNERS: Registry[Callable[[int, int], Any]] = Registry("pruner")
"""From the iterations of a trial, and those between two of its reports, to an Optuna pruner."""

STARTUP_TRIALS = 5
"""The median of fewer trials says little."""
WARMUP_SHARE = 1 / 3
"""No trial is given up in this part of its run: networks may sit at chance for a while before they learn."""


def _word(seed: int, slot: int) -> int:
    import numpy as np

    return int(np.random.SeedSequence([seed, slot]).generate_state(1, np.uint32)[0])


@SAMPLERS.register("tpe")
def _tpe(_space: SearchSpace, seed: int, slot: int) -> Any:
    """Learns from earlier trials. Running ones count as bad there, so that workers do not try the same point at once."""
    from optuna.samplers import TPESampler

    return TPESampler(seed=_word(seed, slot))


@SAMPLERS.register("grid")
def _grid(space: SearchSpace, seed: int, slot: int) -> Any:
    """The slot's point of the grid. Optuna's own GridSampler may give two workers the same one (docs/LOG.md)."""
    from optuna.samplers import PartialFixedSampler, RandomSampler

    with warnings.catch_warnings():  # it is called experimental
        warnings.simplefilter("ignore")
        return PartialFixedSampler(dict(space.grid(seed)[slot]), RandomSampler())


@SAMPLERS.register("random")
def _random(_space: SearchSpace, seed: int, slot: int) -> Any:
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=_word(seed, slot))


@PRUNERS.register("median")
def _median(iterations: int, eval_every: int) -> Any:
    from optuna.pruners import MedianPruner

    return MedianPruner(
        n_startup_trials=STARTUP_TRIALS, n_warmup_steps=round(WARMUP_SHARE * iterations), interval_steps=eval_every
    )


@PRUNERS.register("hyperband")
def _hyperband(iterations: int, eval_every: int) -> Any:
    from optuna.pruners import HyperbandPruner

    shortest = min(max(eval_every, round(WARMUP_SHARE * iterations)), iterations)
    return HyperbandPruner(min_resource=shortest, max_resource=iterations, reduction_factor=3)


@PRUNERS.register("none")
def _none(_iterations: int, _eval_every: int) -> Any:
    from optuna.pruners import NopPruner

    return NopPruner()
