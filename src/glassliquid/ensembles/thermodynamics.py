"""Energies of an ensemble along the cooling, and the glass transition temperature that was measured from them.

The latter stands in `transition.json` beside `ensemble.json`, so that figures of the ensemble can mark it.
"""

from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray

from glassliquid.ensembles.ensemble import Ensemble, cooling_curves
from glassliquid.errors import UserError
from glassliquid.files import read_json, write_json
from glassliquid.physics.potential import DENSITY
from glassliquid.physics.protocol import TEMPERATURE_COLD, TEMPERATURE_HOT, TIME_STEP
from glassliquid.settings import Field, restored, settings, stored

DESCRIPTION = "transition.json"


@settings
class MeasuredTransition:
    """The content of `transition.json`."""

    VERSION: ClassVar[int] = 1

    ensemble_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    """Of the ensemble that it was measured in."""
    observable: Annotated[str, Field(max_length=100)]
    """Which energy has two branches that cross."""
    temperature: Annotated[float, Field(gt=0, le=TEMPERATURE_HOT)]
    """T_g."""
    low: Annotated[float, Field(ge=0, le=TEMPERATURE_HOT)]
    """Lower end of its 95 % interval and of the equally good fits."""
    high: Annotated[float, Field(ge=0, le=TEMPERATURE_HOT)]
    """Upper end."""


def potential_energies(ensemble: Ensemble) -> NDArray[np.float64] | None:
    """Potential energies per particle at all 201 marks, shape (simulations, 201); None of an ensemble that was imported."""
    if ensemble.origin is not None:
        return None
    return np.array([curve.potential_energy for curve in cooling_curves(ensemble, len(ensemble.simulations))])


def cooling_rate(ensemble: Ensemble) -> float:
    """How fast it was cooled, -dT/dt [epsilon_AA / k_B / tau]."""
    return (TEMPERATURE_HOT - TEMPERATURE_COLD) / (ensemble.protocol.cooling_steps * TIME_STEP)


def density(ensemble: Ensemble) -> float:
    """Number density [1 / sigma_AA^2]."""
    return DENSITY if ensemble.origin is None else ensemble.protocol.particles / ensemble.origin.length**2


def record_transition(ensemble: Ensemble, measured: MeasuredTransition | None) -> None:
    """Keep T_g beside the ensemble; None, where none was found, removes an earlier one."""
    path = ensemble.folder / DESCRIPTION
    if measured is None:
        path.unlink(missing_ok=True)
    else:
        write_json(path, stored(measured))


def measured_transition(ensemble: Ensemble) -> MeasuredTransition | None:
    """What was kept; None if nothing was, or if it is of another ensemble.

    Raises:
        UserError: the file is damaged.
    """
    path: Path = ensemble.folder / DESCRIPTION
    if not path.exists():
        return None
    remedy = f"remove {path} and run transition again"
    found = restored(MeasuredTransition, read_json(path, "a measured T_g"), f"The values in {path}", remedy)
    if not found.low <= found.temperature <= found.high:
        raise UserError(f"The values in {path} are damaged (T_g is outside its interval): {remedy}.")
    return found if found.ensemble_digest == ensemble.digest else None
