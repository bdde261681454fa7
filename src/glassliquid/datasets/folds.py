"""Cross-validation over simulations: for each fold a dataset's simulations are dealt otherwise to training, validation and test."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from glassliquid.datasets.description import CLASSES, Dataset, Label
from glassliquid.ensembles.split import FRACTION_TEST, FRACTION_VALIDATION, Fold, Split
from glassliquid.errors import UserError

FOLDS_STREAM = 4
"""Branch of a training run's seed from which folds are drawn; the trainer has those before it."""
VALIDATION_OF_REST = FRACTION_VALIDATION / (1 - FRACTION_TEST)
"""Share of the simulations that a fold does not test: as many as validation has beside training in an ensemble."""

Classes = Mapping[int, frozenset[Label]]
"""Of which classes each simulation has images."""


def folded(dataset: Dataset, folds: int, include_test: bool, seed: int) -> list[Dataset]:
    """The dataset of each fold: every simulation is tested in one, and in training or validation in the others.

    The simulations of each kind (those that have images of the same classes) are put in a random order and dealt to the folds in
    turn, so that the folds differ by one simulation of a kind at most. Of those that a fold does not test, 15 in 85 are drawn for
    its validation. All of it follows from the seed and the dataset's table.

    Args:
        dataset: the dataset as it is.
        folds: how many, 2 or more.
        include_test: whether the simulations of its own test split take part; else no fold has an image of them.
        seed: of the training.

    Raises:
        UserError: there are too few simulations for so many folds.
    """
    classes = _classes(dataset, include_test)
    if folds > len(classes):
        raise UserError(
            f"folds is {folds}, but {dataset.name} has {len(classes)} simulations to test in them: pass {len(classes)} or fewer."
        )
    generator = np.random.default_rng([seed, FOLDS_STREAM])
    mixed = [int(number) for kind in _kinds(classes, classes) for number in generator.permutation(kind)]
    parts = []
    for fold in range(folds):
        splits = dict.fromkeys(mixed, Split.TRAIN) | dict.fromkeys(mixed[fold::folds], Split.TEST)
        for kind in _kinds(classes, (number for number in mixed if splits[number] is Split.TRAIN)):
            # One that is alone of its kind is needed for training.
            count = max(round(VALIDATION_OF_REST * len(kind)), min(1, len(kind) - 1))
            splits |= dict.fromkeys(generator.permutation(kind)[:count].tolist(), Split.VALIDATION)
        parts.append(replace(dataset, fold=Fold(fold + 1, folds, include_test, splits)))
    for part in parts:
        for split in Split:
            if 0 in (counts := part.class_counts(split)):
                raise UserError(
                    f"folds is {folds}, and fold {part.fold and part.fold.number} of {dataset.name} would have no "
                    f"{CLASSES[counts.index(0)]} image for {split}: pass fewer folds, or make a larger dataset."
                )
    return parts


def _classes(dataset: Dataset, include_test: bool) -> Classes:
    found: dict[int, set[Label]] = defaultdict(set)
    for record in dataset.records:
        if include_test or record.split is not Split.TEST:
            found[record.simulation].add(record.label)
    return {number: frozenset(labels) for number, labels in found.items()}


def _kinds(classes: Classes, numbers: Iterable[int]) -> list[list[int]]:
    """The simulations of each kind, in ascending order."""
    kinds: dict[tuple[Label, ...], list[int]] = defaultdict(list)
    for number in sorted(numbers):
        kinds[tuple(sorted(classes[number]))].append(number)
    return [kinds[kind] for kind in sorted(kinds)]
