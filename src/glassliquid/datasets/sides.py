"""The two ensembles of a dataset: one gives its liquids, one its glasses; most often they are the same."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from glassliquid.datasets.description import Dataset, Label, Record
from glassliquid.ensembles.ensemble import Ensemble, Simulation, open_ensemble
from glassliquid.ensembles.split import LARGEST_ENSEMBLE, Split
from glassliquid.errors import UserError
from glassliquid.layout import Layout
from glassliquid.physics.potential import box_length, species_counts

NUMBERED_ON = LARGEST_ENSEMBLE
"""Glasses of another ensemble are numbered on from here in a dataset's rows: simulation 7 is 100007."""


@dataclass(frozen=True)
class Sample:
    """A snapshot that is to be drawn."""

    path: Path
    """The file that holds it."""
    snapshot: int
    label: Label
    simulation: int
    """Number of its simulation in the dataset."""
    split: Split


@dataclass(frozen=True)
class Sides:
    """The ensembles whose liquids and whose glasses a dataset shows."""

    liquid: Ensemble
    glass: Ensemble

    @property
    def are_one(self) -> bool:
        """Whether both classes are of one ensemble."""
        return self.liquid.folder == self.glass.folder

    @property
    def both(self) -> tuple[Ensemble, ...]:
        """Each ensemble once."""
        return (self.liquid,) if self.are_one else (self.liquid, self.glass)

    def of(self, label: Label) -> Ensemble:
        """The ensemble of a class."""
        return self.glass if label is Label.GLASS else self.liquid

    @cached_property
    def offset(self) -> int:
        """What is added to the number of a glass, so that numbers tell independent simulations apart.

        Nothing if the ensembles have simulations of the same seed, which `check_sides` wants to have the same numbers.
        """
        return 0 if self.are_one or _shared_seeds(self) else NUMBERED_ON

    def number(self, label: Label, simulation: Simulation) -> int:
        """The number of a simulation in a dataset's rows of a class."""
        return simulation.number + (self.offset if label is Label.GLASS else 0)

    def path(self, label: Label, simulation: Simulation, inherent: bool) -> Path:
        """The file of a simulation's snapshots, or of its inherent structures."""
        ensemble = self.of(label)
        return ensemble.inherent_path(simulation) if inherent else ensemble.path(simulation)

    def sample(self, label: Label, simulation: Simulation, snapshot: int, inherent: bool) -> Sample:
        """A snapshot of a simulation, or its inherent structure, for a class."""
        path, number = self.path(label, simulation, inherent), self.number(label, simulation)
        return Sample(path, snapshot, label, number, simulation.split)

    def member(self, record: Record) -> Simulation:
        """The simulation of a row; UserError if there is none of its number."""
        members = self.of(record.label).simulations
        place = record.simulation - 1 - (self.offset if record.label is Label.GLASS else 0)
        if not 0 <= place < len(members):
            raise UserError(
                f"A row of the dataset belongs to simulation {record.simulation}, but the ensemble {self.of(record.label).name!r} has 1 to "
                f"{len(members)}: remove the dataset's folder and make it again."
            )
        return members[place]


def check_sides(sides: Sides) -> None:
    """Raise UserError unless samples of the two ensembles may stand side by side.

    They must be of one number of particles, composition, box and engine; and simulations of the same seed, which start from
    the same liquid, must be in the same split.
    """
    if sides.are_one:
        return
    names = f"The ensembles {sides.liquid.name!r} and {sides.glass.name!r}"
    here, there = _nature(sides.liquid), _nature(sides.glass)
    if different := [f"{name} is {here[name]} and {there[name]}" for name in here if here[name] != there[name]]:
        raise UserError(
            f"{names} do not fit together ({'; '.join(different)}), so more than their structure would tell liquid from "
            "glass: choose ensembles that differ only in the cooling."
        )
    members = {each.seed: each for each in sides.glass.simulations}
    for each in sides.liquid.simulations:
        other = members.get(each.seed)
        if other is not None and (other.number, other.split) != (each.number, each.split):
            raise UserError(
                f"{names} have a simulation of the same seed ({each.seed}), for {each.split} there and for {other.split} here (numbers "
                f"{each.number} and {other.number}), so the same simulation would be in two splits: make one of them with another seed."
            )


def open_sides(dataset: Dataset) -> Sides:
    """The ensembles that a dataset was drawn from.

    Raises:
        UserError: one of them is gone, or is another one by now.
    """
    layout = Layout(dataset.folder.parents[1])
    found = {label: _opened(layout, dataset, *dataset.recipe.ensemble_of(label)) for label in Label}
    return Sides(found[Label.LIQUID], found[Label.GLASS])


def recipe_names(sides: Sides) -> dict[str, str]:
    """The fields of `Recipe` that name the ensembles."""
    glass = {} if sides.are_one else {"glass_ensemble": sides.glass.name, "glass_ensemble_digest": sides.glass.digest}
    return {"ensemble": sides.liquid.name, "ensemble_digest": sides.liquid.digest, **glass}


def _opened(layout: Layout, dataset: Dataset, name: str, digest: str) -> Ensemble:
    ensemble = open_ensemble(layout.ensemble(name))
    if ensemble.digest != digest:
        raise UserError(
            f"The ensemble {name!r} in {ensemble.folder} is not the one that {dataset.name} was drawn from (digest "
            f"{ensemble.digest}, not {digest}): make the dataset again from it."
        )
    return ensemble


def _nature(ensemble: Ensemble) -> dict[str, str]:
    """What two ensembles must have in common, in words."""
    particles, origin = ensemble.protocol.particles, ensemble.origin
    side = box_length(particles) if origin is None else origin.length
    a = species_counts(particles)[0] if origin is None else origin.particles_a
    return {
        "N": str(particles),
        "the number of A particles": str(a),
        "the side of the box": f"{side:.6g}",
        "the density": f"{particles / side**2:.6g}",
        "the engine": ensemble.engine or "unknown (imported)",
    }


def _shared_seeds(sides: Sides) -> bool:
    return not {each.seed for each in sides.liquid.simulations}.isdisjoint(
        each.seed for each in sides.glass.simulations
    )
