"""The engines: each module is one, and its name is what `engine` takes."""

import functools
from typing import TYPE_CHECKING

from glassliquid.registry import Registry

if TYPE_CHECKING:  # names are asked for before anything is simulated
    from glassliquid.physics.engine import Engine

REFERENCE = "lammps"
"""The engine that the others are compared with; it made all ensembles that record no engine."""

ENGINES: Registry[type["Engine"]] = Registry("engine", __name__)


@functools.cache
def engine_of_this_process(name: str) -> "Engine":
    """The instance that this process keeps for all its simulations: making one takes a tenth of a small simulation's time.

    Raises:
        UserError: there is no such engine, or it cannot run on this machine.
    """
    return ENGINES.get(name)()


def best_engine() -> str:
    """The name of the fastest engine that can run on this machine.

    Raises:
        UserError: none can; the message is that of the reference engine.
    """
    for name in sorted(ENGINES, key=lambda name: -ENGINES.get(name).speed):
        if ENGINES.get(name).obstacle() is None:
            return name
    return engine_of_this_process(REFERENCE).name


def prepare() -> None:
    """Let the engine that `auto` takes do what else the first simulation on this machine would wait for, such as compiling.

    Raises:
        UserError: no engine can run on this machine.
    """
    engine_of_this_process(best_engine()).prepare()
