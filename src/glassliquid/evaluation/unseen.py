"""Which simulations a model has never been trained on, and whether a dataset's images are of the kind that it knows."""

from dataclasses import dataclass

from glassliquid.datasets.description import Dataset, Label, Recipe
from glassliquid.datasets.sides import open_sides
from glassliquid.ensembles.ensemble import Ensemble, open_ensemble
from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError, listed
from glassliquid.layout import Layout
from glassliquid.settings import restored
from glassliquid.training.found_model import FoundModel


@dataclass(frozen=True)
class Unseen:
    """Simulations that a model was not trained on."""

    numbers: frozenset[int]
    """Their numbers in the ensemble that is looked at."""
    note: str | None
    """What a reader must know about the choice, if anything."""


def trained_recipe(found: FoundModel) -> Recipe:
    """How the images were made that a model was trained on.

    Raises:
        UserError: what the checkpoint says of it is missing or damaged.
    """
    recipe = restored(Recipe, found.state.data.get("recipe"), "The values in the checkpoint's recipe of its data")
    reads = found.model.reads
    if reads.mismatch(recipe):  # the network could not read samples that are made by it
        raise UserError(
            f"The checkpoint's recipe of its data is damaged (it is of {reads.of_recipe(recipe).summary}, but the network reads "
            f"{reads.summary}): choose another."
        )
    return recipe


def unseen_of_ensemble(ensemble: Ensemble, trained: Recipe, layout: Layout, label: str) -> Unseen:
    """The simulations of an ensemble that a model was never trained on.

    In the model's own ensemble those are the validation and test simulations, at whatever snapshot. In another one, all
    but those that repeat a simulation of the training: same seed and number of particles.

    Raises:
        UserError: there are none.
    """
    seen, note = _seen(ensemble, trained, layout)
    numbers = frozenset(member.number for member in ensemble.simulations) - seen
    if not numbers:
        raise _all_seen(f"the ensemble {ensemble.name}", label)
    return Unseen(numbers, note)


def unseen_of_dataset(dataset: Dataset, trained: Recipe, layout: Layout, label: str) -> Unseen:
    """The simulations of a dataset that a model was never trained on, as in `unseen_of_ensemble`.

    Raises:
        UserError: there are none.
    """
    numbers = frozenset(record.simulation for record in dataset.records if record.split is not Split.TRAIN)
    note = None
    if dataset.recipe.ensemble_digests != trained.ensemble_digests:
        try:
            sides = open_sides(dataset)
        except UserError:
            note = _unknown(dataset.recipe.ensembles, dataset.recipe.ensemble_digests, dataset.name)
        else:
            found = {each.label: _seen(sides.of(each.label), trained, layout) for each in dataset.records}
            numbers = frozenset(
                each.simulation for each in dataset.records if sides.member(each).number not in found[each.label][0]
            )
            note = next((said for _, said in found.values() if said), None)
    if not numbers:
        raise _all_seen(f"the dataset {dataset.name}", label)
    return Unseen(numbers, note)


def check_fits(found: FoundModel, dataset: Dataset) -> None:
    """Raise UserError unless the model can read the dataset's samples."""
    if reason := found.model.reads.mismatch(dataset.recipe):
        raise UserError(f"{found.label} cannot be used on {dataset.name}: {reason}, or choose another model.")


def differences(trained: Recipe, dataset: Dataset) -> str | None:
    """A note if the dataset's images show something else than the training's: another window, inherent structures, or others."""
    different = [
        f"{name} {getattr(dataset.recipe, name)}, in training {getattr(trained, name)}"
        for name in ("window", "inherent", "match")
        if getattr(dataset.recipe, name) != getattr(trained, name)
    ]
    return f"The images of {dataset.name} are drawn differently ({'; '.join(different)})." if different else None


def _seen(ensemble: Ensemble, trained: Recipe, layout: Layout) -> tuple[frozenset[int], str | None]:
    """Numbers of the simulations that a model was trained on, or may have been; and what a reader must know of it."""
    in_training = frozenset(member.number for member in ensemble.simulations if member.split is Split.TRAIN)
    seen: frozenset[int] = frozenset()
    note = None
    for name, digest in dict.fromkeys(trained.ensemble_of(label) for label in Label):
        if digest == ensemble.digest:
            seen |= in_training
        elif (original := _ensemble(layout, name, digest)) is None:
            seen |= in_training
            note = _unknown(name, (digest,), ensemble.name)
        elif original.protocol.particles == ensemble.protocol.particles:
            seeds = {member.seed for member in original.simulations if member.split is Split.TRAIN}
            seen |= {member.number for member in ensemble.simulations if member.seed in seeds}
        else:
            here, there = ensemble.protocol.particles, original.protocol.particles
            note = f"The simulations of {ensemble.name} have {here} particles, those of the training {there}."
    return seen, note


def _ensemble(layout: Layout, name: str, digest: str) -> Ensemble | None:
    """An ensemble, if it is here and still the same."""
    try:
        ensemble = open_ensemble(layout.ensemble(name))
    except UserError:
        return None
    return ensemble if ensemble.digest == digest else None


def _unknown(missing: str, digests: tuple[str, ...], used: str) -> str:
    return (
        f"The ensemble {missing} ({listed(digests)}) is not here, so it is unknown which simulations of {used} the model was trained "
        "on: only validation and test simulations are used."
    )


def _all_seen(where: str, label: str) -> UserError:
    return UserError(
        f"All simulations of {where} are in the training split of {label}, so its score there would mean nothing: choose data with other "
        "simulations, for example from an ensemble with another seed."
    )
