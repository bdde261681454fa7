"""Which simulations a model has never been trained on, and whether a dataset's images are of the kind that it knows."""

from dataclasses import dataclass

from glassliquid.datasets.description import Dataset, Recipe
from glassliquid.ensembles.ensemble import Ensemble, open_ensemble
from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError
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
            f"The checkpoint's recipe of its data is damaged (it is of {reads.of_recipe(recipe).summary}, and the network reads "
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
    held_out = frozenset(member.number for member in ensemble.simulations if member.split is not Split.TRAIN)
    note = None
    if ensemble.digest == trained.ensemble_digest:
        numbers = held_out
    elif (original := _ensemble(trained, layout)) is None:
        numbers = held_out
        note = _unknown(trained, ensemble.name)
    else:
        seeds = {member.seed for member in original.simulations if member.split is Split.TRAIN}
        same_size = original.protocol.particles == ensemble.protocol.particles
        numbers = frozenset(
            member.number for member in ensemble.simulations if not (same_size and member.seed in seeds)
        )
    if not numbers:
        raise _all_seen(f"the ensemble {ensemble.name}", label)
    return Unseen(numbers, note)


def unseen_of_dataset(dataset: Dataset, trained: Recipe, layout: Layout, label: str) -> Unseen:
    """The simulations of a dataset that a model was never trained on, as in `unseen_of_ensemble`.

    Raises:
        UserError: there are none.
    """
    present = frozenset(record.simulation for record in dataset.records)
    held_out = frozenset(record.simulation for record in dataset.records if record.split is not Split.TRAIN)
    note = None
    if dataset.recipe.ensemble_digest == trained.ensemble_digest:
        numbers = held_out
    elif (ensemble := _ensemble(dataset.recipe, layout)) is None:
        numbers = held_out
        note = _unknown(dataset.recipe, dataset.name)
    else:
        found = unseen_of_ensemble(ensemble, trained, layout, label)
        numbers, note = found.numbers & present, found.note
    if not numbers:
        raise _all_seen(f"the dataset {dataset.name}", label)
    return Unseen(numbers, note)


def check_fits(found: FoundModel, dataset: Dataset) -> None:
    """Raise UserError unless the model can read the dataset's samples."""
    if reason := found.model.reads.mismatch(dataset.recipe):
        raise UserError(f"{found.label} cannot be used on {dataset.name}: {reason}, or choose another model.")


def differences(trained: Recipe, dataset: Dataset) -> str | None:
    """A note if the dataset's images show something else than the training's: another window, or inherent structures."""
    different = [
        f"{name} {getattr(dataset.recipe, name)}, in training {getattr(trained, name)}"
        for name in ("window", "inherent")
        if getattr(dataset.recipe, name) != getattr(trained, name)
    ]
    return f"The images of {dataset.name} are drawn differently ({'; '.join(different)})." if different else None


def _ensemble(recipe: Recipe, layout: Layout) -> Ensemble | None:
    """The ensemble that a recipe names, if it is here and still the same."""
    try:
        ensemble = open_ensemble(layout.ensemble(recipe.ensemble))
    except UserError:
        return None
    return ensemble if ensemble.digest == recipe.ensemble_digest else None


def _unknown(missing: Recipe, used: str) -> str:
    return (
        f"The ensemble {missing.ensemble} ({missing.ensemble_digest}) is not here, so it cannot be told which simulations of "
        f"{used} the model was trained on: only validation and test simulations are used."
    )


def _all_seen(where: str, label: str) -> UserError:
    return UserError(
        f"All simulations of {where} are in the training split of {label}, so that its score there would say nothing: choose "
        "data with other simulations, for example of an ensemble with another seed."
    )
