"""What a network's numbers have to do with physics, in words and tables."""

from collections.abc import Sequence

import numpy as np
from tabulate import tabulate

from glassliquid.datasets.description import Label
from glassliquid.evaluation.correlation import Correlation
from glassliquid.files import csv_text
from glassliquid.physics.fields import ParticleField
from glassliquid.physics.potential import SPECIES
from glassliquid.roc import CONFIDENCE

FEW = 20
"""Of fewer simulations a bootstrap knows too little."""


def csv_table(correlations: Sequence[Correlation]) -> str:
    """Every correlation with all its numbers, as comma-separated text."""
    head = (
        *("value", "field", "state", "label", "species", "correlation", "low", "high"),
        *("low_together", "high_together", "simulations", "particles"),
    )
    rows = (
        (
            *(each.value, each.field.name, each.field.state or "both", each.label.value, each.species),
            *(f"{number:.4f}" for number in (each.mean, *each.interval, *each.together)),
            *(each.simulations, each.particles),
        )
        for each in correlations
    )
    return csv_text(head, rows)


def markdown_table(correlations: Sequence[Correlation]) -> str:
    """A row for each of the network's numbers and each field, a column for each class and species."""
    groups = [(label, species) for label in (Label.LIQUID, Label.GLASS) for species in SPECIES]
    of_group: dict[tuple[Label, str], int] = {(each.label, each.species): each.simulations for each in correlations}
    rows: dict[tuple[str, ParticleField], dict[tuple[Label, str], str]] = {}
    for each in correlations:
        rows.setdefault((each.value, each.field), {})[each.label, each.species] = str(each)
    head = [f"{label}, {species} (n = {of_group.get((label, species), 0)})" for label, species in groups]
    lines = [(value, field, *(found.get(group, "") for group in groups)) for (value, field), found in rows.items()]
    return tabulate(lines, ("", "field", *head), "github", disable_numparse=True)


def sentence(correlations: Sequence[Correlation]) -> str:
    """What goes most with physics, and how sure that is."""
    defined = [each for each in correlations if np.isfinite(each.together[0])]
    if not defined:
        return "No correlation with the physical fields can be computed: the values differ between particles in fewer than two simulations."
    most = max(defined, key=lambda each: abs(each.mean))
    low, high = most.together
    where = (
        f"{most.value} with {most.field}, among the {most.species} particles of the {most.label}: {most.mean:+.2f} ({low:+.2f} to "
        f"{high:+.2f}, at {100 * CONFIDENCE:.0f} % confidence for all {len(defined)} in the table at once), the mean over "
        f"{most.simulations} simulations"
    )
    few = ", so few that the intervals are rough" if most.simulations < FEW else ""
    if low <= 0 <= high:
        return f"No rank correlation differs significantly from zero when all are considered; the largest is that of {where}{few}."
    sure = f", and the largest of all in {100 * most.largest:.0f} % of the resampled sets"
    return f"The largest rank correlation is that of {where}{sure}{few}."
