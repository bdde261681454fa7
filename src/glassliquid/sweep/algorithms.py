"""How the next setting is chosen and when a trial is given up."""

from typing import Any

import numpy as np

SAMPLERS = ("tpe", "grid", "random")
PRUNERS = ("median", "hyperband", "none")

STARTUP_TRIALS = 5
"""The median of fewer trials says little."""
WARMUP_SHARE = 1 / 3
"""No trial is given up in this part of its run: networks may sit at chance for a while before they learn."""


def make_sampler(name: str, seed: int, slot: int) -> Any:
    """The Optuna sampler of one trial.

    It draws from the sweep's seed and the trial's place in the sweep alone, so a sweep that was continued does not draw
    again what it drew before, and a trial of `random` is the same whichever worker runs it. The points of `grid` are
    fixed when they are queued; its sampler only stands by.
    """
    import optuna

    word = int(np.random.SeedSequence([seed, slot]).generate_state(1, np.uint32)[0])
    if name == "tpe":
        # Trials that run at the moment count as bad ones there, so that workers do not try the same point at once.
        return optuna.samplers.TPESampler(seed=word)
    return optuna.samplers.RandomSampler(seed=word)


def make_pruner(name: str, iterations: int, eval_every: int) -> Any:
    """The Optuna pruner; values are reported every `eval_every` of `iterations` iterations."""
    import optuna

    if name == "median":
        return optuna.pruners.MedianPruner(
            n_startup_trials=STARTUP_TRIALS, n_warmup_steps=round(WARMUP_SHARE * iterations), interval_steps=eval_every
        )
    if name == "hyperband":
        shortest = min(max(eval_every, round(WARMUP_SHARE * iterations)), iterations)
        return optuna.pruners.HyperbandPruner(min_resource=shortest, max_resource=iterations, reduction_factor=3)
    return optuna.pruners.NopPruner()
