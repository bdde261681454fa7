"""What `transition` is asked for.

Nothing slow is imported, so that `--help` answers at once.
"""

from pathlib import Path
from typing import Annotated

from glassliquid.ensembles.split import LARGEST_ENSEMBLE, SMALLEST_ENSEMBLE
from glassliquid.errors import UserError, listed
from glassliquid.layout import Layout
from glassliquid.models.networks import MODELS
from glassliquid.physics.engines import ENGINES
from glassliquid.physics.protocol import INTERVALS, check_snapshot
from glassliquid.settings import Absent, Choice, Field, FromText, settings, whole_numbers

DEFAULT_ENSEMBLE = "demo"
FEWEST_GUESSES = 5
"""A maximum needs lower accuracies on either side, and the roughness of the curve tells what the training alone does."""


def _ensembles(text: str) -> tuple[str, ...]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise ValueError
    return tuple(dict.fromkeys(names))


@settings
class TransitionJob:
    """Where the transition is looked for, and how."""

    ensemble: Annotated[
        tuple[str, ...] | None,
        FromText(_ensembles, "auto, the name of an ensemble, or several separated by commas"),
        Absent("auto"),
    ] = None
    """Ensemble; auto is demo, which is made if it is missing. With several, the networks are trained on the first, and all give T_g."""
    model: Annotated[str, Choice(MODELS.names)] = "compact"
    """Network that learns, in addition to structure."""
    inherent: bool = True
    """Give the networks inherent structures, which do not show the temperature; missing ones are made."""
    guesses: Annotated[
        tuple[int, ...] | None,
        FromText(whole_numbers, "auto or stored indices separated by commas in ascending order, such as 100,110,120"),
        Absent("auto"),
    ] = None
    """Snapshot indices to try as the first of the glass; auto is every tenth stored one."""
    repeats: Annotated[int, Field(ge=1, le=1000)] = 1
    """Number of training runs for each guess, each with its own seed."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Seed of the first training run of each guess; repeats count up from it."""
    iterations: Annotated[int, Field(ge=1, le=10**6)] = 20
    """Length of each training run, in iterations of 10 batches."""
    batch_size: Annotated[int, Field(ge=1, le=10**6)] = 80
    """Samples in a batch."""
    image_size: int = 128
    """Side of the images [pixels], for a network that reads images."""
    simulations: Annotated[int, Field(ge=SMALLEST_ENSEMBLE, le=LARGEST_ENSEMBLE)] = 400
    """Largest number of simulations that the networks learn from; the energies of all are used."""
    engine: Annotated[str | None, Choice(ENGINES.names), Absent("auto")] = None
    """Engine that simulates the demo ensemble if it is made; auto is the fastest that runs here."""
    device: str = "auto"
    """Device to train on: auto, cpu, cuda or mps."""
    data_dir: Path = Path("data")
    """Folder for all data."""

    def __post_init__(self) -> None:
        """Check what can be checked without reading anything."""
        from glassliquid.datasets.draw import DrawConfig

        DrawConfig(image_size=self.image_size)
        for name in self.ensembles:
            Layout(self.data_dir).ensemble(name)
        if self.engine is not None and self.ensemble is not None:
            raise UserError(
                f"engine is {self.engine}, which is for the demo ensemble that ensemble=auto makes: leave it out."
            )
        if self.guesses is None:
            return
        for index in self.guesses:
            check_snapshot("guesses", index)
        if list(self.guesses) != sorted(set(self.guesses)):
            raise UserError(f"guesses is {listed(self.guesses)}: give each index once, in ascending order.")
        if len(self.guesses) < FEWEST_GUESSES:
            raise UserError(
                f"guesses is {listed(self.guesses)}, but a maximum between two lower accuracies needs {FEWEST_GUESSES}: pass more, up "
                f"to {INTERVALS}, or auto."
            )

    @property
    def ensembles(self) -> tuple[str, ...]:
        """Names of the ensembles; the networks learn the first."""
        return self.ensemble or (DEFAULT_ENSEMBLE,)
