"""make_data: simulate an ensemble (or continue one, or import one) and draw a dataset from it."""

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glassliquid.datasets.build import save_image
from glassliquid.datasets.config import MakeDataConfig
from glassliquid.datasets.description import Dataset, Label, Recipe
from glassliquid.datasets.image_file import read_image
from glassliquid.datasets.make import make_data, plan_data
from glassliquid.datasets.matching import Matching, meeting_index
from glassliquid.datasets.pairing import minimiser_of
from glassliquid.datasets.sides import Sides
from glassliquid.datasets.source import MadeData, Source
from glassliquid.ensembles.ensemble import Ensemble, cooling_curves
from glassliquid.ensembles.inherent import inherent_energies, known_energies
from glassliquid.ensembles.split import Split
from glassliquid.ensembles.thermodynamics import measured_transition
from glassliquid.layout import Layout
from glassliquid.physics.protocol import temperature

if TYPE_CHECKING:
    from glassliquid.tracking.run import TrackedRun

CURVES_IN_FIGURE = 40
"""The cooling curve is the mean over at most this many simulations."""


def run(config: MakeDataConfig) -> None:
    """Make the data, and keep in MLflow what they are, how they look and what the cooling did."""
    from glassliquid.tracking.run import tracked_run
    from glassliquid.upkeep.housekeeping import housekeeping

    planned = plan_data(config)
    if config.dry_run:
        _rehearse(planned)
        from glassliquid.tracking.given_run import note_rehearsal

        note_rehearsal("make_data", "A dry run: nothing was written.")
        return
    with (
        tracked_run("make_data", f"make_data {config.name}") as tracked,
        housekeeping(tracked, Layout(config.data_dir).runs),
    ):
        started = time.monotonic()
        made = make_data(config, planned)
        _record(tracked, made, time.monotonic() - started)
        _draw_pictures(tracked, made)
        headline = _headline(made)
        if made.sides is not None and made.dataset.recipe.inherent:
            headline += " " + _record_inherent_energies(tracked, made.dataset, made.sides)
        if made.dataset.matching is not None:
            headline += " " + _record_matching(tracked, made.dataset, made.dataset.matching)
        tracked.describe(headline)
        print(headline)


def _rehearse(planned: Source) -> None:
    """Print how the input is understood; the picture lies outside of data_dir, where nothing is written."""
    remarks, picture = planned.rehearse()
    print("\n".join(remarks))
    if picture is not None:
        path = Path(tempfile.mkdtemp(prefix="glassliquid-rehearsal-")) / "first.png"
        save_image(picture, path)
        print(f"The first picture is {path}.")
    print("This was a dry run and nothing was written: leave out dry_run to make the data.")


def _record(tracked: "TrackedRun", made: MadeData, seconds: float) -> None:
    """What the data are, and what they were made with."""
    dataset, recipe, sides = made.dataset, made.dataset.recipe, made.sides
    tracked.dataset(dataset, context="made")
    tracked.tags({"ensemble": recipe.ensembles, "ensemble_digest": ",".join(recipe.ensemble_digests)})
    if sides is not None and sides.liquid.engine is not None:
        tracked.tags({"engine": sides.liquid.engine, "engine_version": sides.liquid.engine_version})
    if sides is not None and recipe.inherent:
        tracked.tags({"minimised_by": minimiser_of(sides)})
    tracked.file(dataset.description_path)
    tracked.metrics(
        {
            "simulations": len({record.simulation for record in dataset.records}),
            "images": len(dataset.records),
            "seconds": seconds,
            "skipped": made.skipped,
        }
    )


def _draw_pictures(tracked: "TrackedRun", made: MadeData) -> None:
    """Show an image of each class, and what the cooling did."""
    # Drawing is imported when there is something to draw: it takes as long as finding out that nothing is to do.
    from glassliquid.plots.cooling import Cooled, cooling_figure, mark_of
    from glassliquid.plots.images import examples_figure
    from glassliquid.plots.matching import matching_figure

    dataset, sides = made.dataset, made.sides
    # Two images only: opening the split would decode all of them, which the first training does.
    first = {record.label: record for record in reversed(dataset.records) if record.split is Split.TRAIN}
    pixels = {label: read_image(dataset, record) for label, record in first.items()}
    titles = {
        label: f"{label}: snapshot {record.snapshot}, T = {record.temperature:.3g}" for label, record in first.items()
    }
    figure = examples_figure(pixels[Label.LIQUID], pixels[Label.GLASS], titles[Label.LIQUID], titles[Label.GLASS])
    tracked.figure(figure, "examples.png")
    # Other people's files do not tell temperatures, energies and pressures.
    if sides is not None and all(each.origin is None for each in sides.both):
        ensembles = [
            Cooled(
                each.name,
                list(cooling_curves(each, CURVES_IN_FIGURE)),
                *_energies(each, dataset.recipe),
                mark_of(measured_transition(each)),
            )
            for each in sides.both
        ]
        cooled = " and ".join(f"{each.name} in {each.protocol.cooling_steps:,} steps" for each in sides.both)
        caption = f"N = {sides.liquid.protocol.particles}, cooled: {cooled}"
        tracked.figure(cooling_figure(ensembles, caption, _equal_energy(sides, dataset.recipe)), "cooling.png")
    if dataset.matching is not None:
        tracked.figure(matching_figure(dataset.matching, _matched(dataset.matching)), "matching.png")


def _energies(ensemble: Ensemble, recipe: Recipe) -> tuple[list[int], NDArray[np.float64] | None]:
    """What is known of e_IS along the cooling, if this dataset is of inherent structures."""
    return known_energies(ensemble) if recipe.inherent else ([], None)


def _equal_energy(sides: Sides, recipe: Recipe) -> tuple[float, float] | None:
    """Index and e_IS at which the liquids of one ensemble have the energy of the other's glasses, if that is known."""
    if sides.are_one or not recipe.inherent:
        return None
    indices, energies = known_energies(sides.liquid)
    glass = float(inherent_energies(sides.glass, [recipe.glass]).mean())
    index = meeting_index(indices, energies.mean(axis=0), glass)
    return None if index is None else (index, glass)


def _record_inherent_energies(tracked: "TrackedRun", dataset: Dataset, sides: Sides) -> str:
    sentences, recipe = [], dataset.recipe
    for label, snapshot in ((Label.LIQUID, recipe.liquid), (Label.GLASS, recipe.glass)):
        energies = inherent_energies(sides.of(label), [snapshot])[:, 0]
        mean, error = float(energies.mean()), float(energies.std(ddof=1) / len(energies) ** 0.5)
        tracked.metrics({f"inherent_energy_{label}": mean, f"inherent_energy_{label}_error": error})
        sentences.append(f"{mean:.4f} +- {error:.4f} below the {label}")
    text = f"Inherent structures: e_IS is {' and '.join(sentences)} (mean and standard error)."
    if (found := _equal_energy(sides, recipe)) is not None:
        index, energy = found
        tracked.metrics({"equal_energy_index": index})
        text += (
            f" The liquids of {sides.liquid.name} have the energy of the glasses of {sides.glass.name} ({energy:.4f}) at index {index:.1f} "
            f"(T = {temperature(index):.3g})."
        )
    return text


def _record_matching(tracked: "TrackedRun", dataset: Dataset, matching: Matching) -> str:
    tracked.tags({"match": dataset.recipe.match})
    tracked.metrics({"pairs": matching.pairs, "match_tolerance": matching.tolerance})
    for name, split in matching.splits.items():
        found = {"pairs": split.pairs, "auc_before": split.auc_before, "auc": split.auc}
        found |= {"auc_low": split.auc_low, "auc_high": split.auc_high}
        tracked.metrics({f"energy_{name}_{key}": value for key, value in found.items()})
    return _matched(matching)


def _matched(matching: Matching) -> str:
    parts = (
        f"{name} {split.pairs} pairs of {split.glasses} glasses and {split.liquids} liquids, area {split.auc_before:.3f} before and "
        f"{split.auc:.3f} after (95 % interval {split.auc_low:.3f} to {split.auc_high:.3f})"
        for name, split in matching.splits.items()
    )
    return f"Matched in energy within {matching.tolerance:.2g}; area under the ROC curve of e_IS alone (0.5 is chance): {'; '.join(parts)}."


def _headline(made: MadeData) -> str:
    recipe, counts = made.dataset.recipe, {split.value: len(made.dataset.split_range(split)) for split in Split}
    simulations = len({record.simulation for record in made.dataset.records})
    return (
        f"Dataset {made.dataset.name} ({made.dataset.digest}{', null: both classes are of one state' if recipe.null else ''}): liquid "
        f"{recipe.liquid} (T = {temperature(recipe.liquid):.3g}) against glass {recipe.glass} (T = "
        f"{temperature(recipe.glass):.3g}) of {simulations} simulations, "
        f"{counts['train']} + {counts['validation']} + {counts['test']} images of {recipe.image_size} pixels for training, "
        "validation and testing." + (f" {made.skipped} unreadable images were left out." if made.skipped else "")
    )
