"""How many inputs are generated: few and always the same in the quick tests, many and from a seed in the long run."""

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings

SEED_VARIABLE = "HOSTILE_SEED"
"""Set for the long run (make hostile SEED=...)."""
IS_LONG = SEED_VARIABLE in os.environ
SCALE = float(os.environ.get("HOSTILE_SCALE", "1"))


def inputs(quick: int, long: int) -> Callable[[Any], Any]:
    """Decorates a property: how many inputs it is tried on."""
    count = max(1, round((long if IS_LONG else quick) * SCALE))
    chosen = settings(
        max_examples=count,
        derandomize=not IS_LONG,
        deadline=None,  # the guard has one, with a reason
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
        print_blob=True,
    )

    def decorate(test: Any) -> Any:
        return seed(int(os.environ[SEED_VARIABLE]))(chosen(test)) if IS_LONG else chosen(test)

    return decorate
