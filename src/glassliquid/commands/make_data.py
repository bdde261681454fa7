"""make_data: simulate an ensemble (or continue one, or import one) and draw a dataset from it."""

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from glassliquid.datasets.build import save_image
from glassliquid.datasets.config import MakeDataConfig
from glassliquid.datasets.description import Dataset, Label
from glassliquid.datasets.make import make_data, plan_data
from glassliquid.datasets.source import MadeData, Source
from glassliquid.ensembles.ensemble import Ensemble, cooling_curves
from glassliquid.ensembles.inherent import inherent_energies, minimised_by
from glassliquid.ensembles.split import Split
from glassliquid.ensembles.thermodynamics import measured_transition
from glassliquid.inputs.images.decoded import read_image
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

        note_rehearsal("make_data", "A rehearsal: nothing was written.")
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
        if made.ensemble is not None and config.inherent:
            headline += " " + _record_inherent_energies(tracked, made.dataset, made.ensemble)
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
    print("This was a rehearsal, and nothing was written: leave dry_run out to make the data.")


def _record(tracked: "TrackedRun", made: MadeData, seconds: float) -> None:
    """What the data are, and what they were made with."""
    dataset, recipe, ensemble = made.dataset, made.dataset.recipe, made.ensemble
    tracked.dataset(dataset, context="made")
    tracked.tags({"ensemble": recipe.ensemble, "ensemble_digest": recipe.ensemble_digest})
    if ensemble is not None and ensemble.engine is not None:
        tracked.tags({"engine": ensemble.engine, "engine_version": ensemble.engine_version})
    if ensemble is not None and recipe.inherent:
        tracked.tags({"minimised_by": str(minimised_by(ensemble))})
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
    from glassliquid.plots.cooling import cooling_figure, mark_of
    from glassliquid.plots.images import examples_figure

    dataset, ensemble, recipe = made.dataset, made.ensemble, made.dataset.recipe
    # Two images only: opening the split would decode all of them, which the first training does.
    first = {record.label: record for record in reversed(dataset.records) if record.split is Split.TRAIN}
    pixels = {label: read_image(dataset, record) for label, record in first.items()}
    titles = {
        label: f"{label}: snapshot {index}, T = {temperature(index):.3g}"
        for label, index in ((Label.LIQUID, recipe.liquid), (Label.GLASS, recipe.glass))
    }
    figure = examples_figure(pixels[Label.LIQUID], pixels[Label.GLASS], titles[Label.LIQUID], titles[Label.GLASS])
    tracked.figure(figure, "examples.png")
    # Other people's files do not tell temperatures, energies and pressures.
    if ensemble is not None and ensemble.origin is None:
        curves = list(cooling_curves(ensemble, CURVES_IN_FIGURE))
        protocol = ensemble.protocol
        caption = f"{ensemble.name}: N = {protocol.particles}, {protocol.cooling_steps:,} cooling steps"
        mark = mark_of(measured_transition(ensemble))
        tracked.figure(cooling_figure(curves, caption, mark), "cooling.png")


def _record_inherent_energies(tracked: "TrackedRun", dataset: Dataset, ensemble: Ensemble) -> str:
    sentences, recipe = [], dataset.recipe
    for label, snapshot in ((Label.LIQUID, recipe.liquid), (Label.GLASS, recipe.glass)):
        energies = inherent_energies(ensemble, snapshot)
        mean, error = float(energies.mean()), float(energies.std(ddof=1) / len(energies) ** 0.5)
        tracked.metrics({f"inherent_energy_{label}": mean, f"inherent_energy_{label}_error": error})
        sentences.append(f"{mean:.4f} +- {error:.4f} below the {label}")
    return f"Inherent structures: e_IS is {' and '.join(sentences)} (mean and standard error)."


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
