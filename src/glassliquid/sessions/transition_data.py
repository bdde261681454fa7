"""The ensembles of `transition`, the guesses that are tried, and the energies along the cooling."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from glassliquid.command_line import option
from glassliquid.datasets.config import MakeDataConfig
from glassliquid.datasets.sources.simulate import Simulate
from glassliquid.ensembles.ensemble import Ensemble, check_stored, open_ensemble
from glassliquid.ensembles.inherent import known_energies, make_inherent
from glassliquid.ensembles.split import Split
from glassliquid.ensembles.thermodynamics import density, potential_energies
from glassliquid.ensembles.workers import WorkerPool
from glassliquid.errors import UserError, listed
from glassliquid.evaluation.glass_transition import INHERENT, POTENTIAL, Observable
from glassliquid.layout import Layout
from glassliquid.physics.protocol import INTERVALS, temperature
from glassliquid.progress_bar import progress_bar
from glassliquid.sessions.cooling_samples import by_split
from glassliquid.sessions.transition_job import DEFAULT_ENSEMBLE, FEWEST_GUESSES, TransitionJob

EVERY = 10
"""Guesses are the stored snapshots nearest to every so many indices, unless others are asked for; e_IS is measured there too."""
SAME_DENSITY = 0.01
"""Relative difference of number densities up to which they count as one: files of others round the sides of their boxes."""


@dataclass(frozen=True)
class EnergyCurve:
    """One energy along the cooling."""

    observable: Observable
    temperatures: tuple[float, ...]
    """Set temperatures of the marks, falling."""
    energies: NDArray[np.float64]
    """Per particle, shape (simulations, marks)."""


def open_ensembles(job: TransitionJob, pool: WorkerPool) -> list[Ensemble]:
    """The ensembles that are named; the demo ensemble is made, or completed, if none is.

    Raises:
        UserError: one is missing or incomplete, or their densities differ.
    """
    layout = Layout(job.data_dir)
    if job.ensemble is None:
        folder = layout.ensemble(DEFAULT_ENSEMBLE)
        if not folder.exists() or open_ensemble(folder).missing():
            print(f"The ensemble {DEFAULT_ENSEMBLE} is not complete yet: simulating what is missing first.", flush=True)
            Simulate(MakeDataConfig(engine=job.engine, data_dir=job.data_dir)).complete(pool)
    found = [open_ensemble(layout.ensemble(name)) for name in job.ensembles]
    for ensemble in found:
        if missing := ensemble.missing():
            raise UserError(
                f"The ensemble {ensemble.name!r} lacks {len(missing)} of its {len(ensemble.simulations)} simulations: repeat the make_data command that began it."
            )
        if not np.isclose(density(ensemble), density(found[0]), rtol=SAME_DENSITY):
            raise UserError(
                f"ensemble is {listed(job.ensembles)}, but {found[0].name} has the density {density(found[0]):.4g} and {ensemble.name} "
                f"{density(ensemble):.4g}: T_g depends on the density, so name ensembles with the same density."
            )
    return found


def chosen_guesses(job: TransitionJob, ensemble: Ensemble) -> tuple[int, ...]:
    """The guesses, ascending.

    Raises:
        UserError: the ensemble does not store one of them, or stores too few snapshots.
    """
    stored = ensemble.protocol.snapshots
    if job.guesses is None:
        guesses = _every_tenth(ensemble)[1:]
        if len(guesses) < FEWEST_GUESSES:
            raise UserError(
                f"The ensemble {ensemble.name!r} stores {len(stored)} snapshots ({listed(stored)}), but at least {FEWEST_GUESSES + 1} "
                f"are needed to look for a transition: make an ensemble that stores more, with make_data {option('snapshots', 'auto')}."
            )
        return guesses
    for index in job.guesses:
        check_stored(ensemble, "guesses", index)
    if job.guesses[0] == stored[0]:
        raise UserError(
            f"guesses begins with {stored[0]}, before which {ensemble.name!r} stores no snapshot that could be the liquid: begin with a "
            "later one."
        )
    return job.guesses


def _every_tenth(ensemble: Ensemble) -> tuple[int, ...]:
    """The stored snapshots nearest to every tenth index, ascending; the first and the last are among them."""
    stored = ensemble.protocol.snapshots
    nearest = {min(stored, key=lambda index: abs(index - wanted)) for wanted in range(0, INTERVALS + 1, EVERY)}
    return tuple(sorted({stored[0], *nearest, stored[-1]}))


def samples_of(ensemble: Ensemble, guesses: Sequence[int]) -> tuple[int, ...]:
    """The snapshots that are learned: the guesses, and both ends of what is stored."""
    stored = ensemble.protocol.snapshots
    return tuple(sorted({stored[0], *guesses, stored[-1]}))


def learning_part(job: TransitionJob, ensemble: Ensemble) -> Ensemble:
    """The ensemble with those simulations alone that the networks learn, the training split first.

    Raises:
        UserError: a split has none of them.
    """
    members = by_split(ensemble.simulations[: job.simulations])
    for split in Split:
        if split not in {each.split for each in members}:
            raise UserError(
                f"simulations is {job.simulations}, but none of the first {len(members)} of {ensemble.name!r} is in its {split} split: "
                "pass a larger number."
            )
    return replace(ensemble, simulations=members)


def require_inherent(part: Ensemble, snapshots: Sequence[int], pool: WorkerPool) -> None:
    """Make the inherent structures that are missing: of every tenth snapshot, for the energies, and of these."""
    with progress_bar(f"minimising {part.name}", "simulations") as progress:
        make_inherent(part, sorted({*_every_tenth(part), *snapshots}), pool, progress)


def energy_curves(ensemble: Ensemble, part: Ensemble) -> Iterator[EnergyCurve]:
    """The energies that there are: the potential energy at all marks, and e_IS where it was made.

    Args:
        ensemble: all of its simulations give their potential energy.
        part: the simulations whose inherent structures count.
    """
    if (potential := potential_energies(ensemble)) is not None:
        marks = tuple(temperature(index) for index in range(INTERVALS + 1))
        yield EnergyCurve(POTENTIAL, marks, potential)
    snapshots, inherent = known_energies(part)
    if snapshots:
        yield EnergyCurve(INHERENT, tuple(temperature(index) for index in snapshots), inherent)
