"""visualize: show what a network looks at, in pictures and as a number for each particle."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from glassliquid.commands.jobs import VisualizeJob
from glassliquid.datasets.description import CLASSES, Dataset, Label
from glassliquid.datasets.make import require_dataset
from glassliquid.datasets.particles import ShownParticles, shown_particles
from glassliquid.datasets.sides import open_sides
from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError
from glassliquid.evaluation import explanation
from glassliquid.evaluation.predict import predict_logits
from glassliquid.evaluation.scores import GLASS, glass_probabilities
from glassliquid.evaluation.unseen import check_fits
from glassliquid.files import csv_text, remove_abandoned, replacing, write_text
from glassliquid.inputs import Samples
from glassliquid.inputs.images.decoded import load_split
from glassliquid.layout import Layout
from glassliquid.physics.potential import SPECIES
from glassliquid.plots import explanation as figures
from glassliquid.progress_bar import progress_bar
from glassliquid.tracking.find_model import find_model
from glassliquid.tracking.run import TrackedRun, tracked_run
from glassliquid.training.device import choose_device
from glassliquid.training.found_model import FoundModel
from glassliquid.upkeep.housekeeping import housekeeping

PARTICLES = "particles.csv"
COLUMNS = ("simulation", "snapshot", "label", "p_glass", "particle", "species", "x", "y", "attribution")
"""`particle` counts from 0 as in the trajectory's frame, x and y are in the box [sigma_AA], attribution in logits."""
EXTREMES = 6
"""Images in a row of the most certain and the most wrong."""
FIGURE_DPI = 110
PARTS = 3
"""Attribution, filters and extremes."""


def run(job: VisualizeJob) -> None:
    """Draw everything into the run and into a folder under data_dir, and print where it is."""
    with (
        tracked_run("visualize", job.called("visualize")) as tracked,
        housekeeping(tracked, Layout(job.data_dir).runs),
    ):
        dataset = require_dataset(job.dataset, job.data_dir, make_default=False)
        found = find_model(job.model_address, Layout(job.data_dir).runs)
        check_fits(found, dataset)
        explanation.images_of(found.model)
        explanation.convolutions(found.model)
        test = load_split(dataset, Split.TEST)
        tracked.dataset(dataset, context="explanation")
        tracked.tags({"model": job.model_address, "model_label": found.label, "trained_on": found.state.data["name"]})
        slug = re.sub(r"[^A-Za-z0-9]+", "-", found.label).strip("-")
        target = _Target(tracked, Layout(job.data_dir).pictures(f"{dataset.name}-{slug}"))
        remove_abandoned(target.folder)
        p_glass = _glass_probability(found, test)
        with progress_bar("Explaining", "parts") as show:
            show(0, PARTS)
            headline = _explain(job, dataset, found, test, p_glass, target)
            show(1, PARTS, "attribution")
            _first_layer(found, test, p_glass, _samples(test, job.samples), target)
            show(2, PARTS, "filters")
            headline += " " + _extremes(found, dataset, test, p_glass, target)
            show(3, PARTS, "extremes")
        tracked.describe(headline)
        print(f"{headline}\nThe pictures are in {target.folder}.")


def _glass_probability(found: FoundModel, test: Samples) -> NDArray[np.float64]:
    """P(glass) of all test images, found where it is fastest; the network is on the CPU again afterwards."""
    device = choose_device("auto")
    logits = predict_logits(found.model.to(device), torch.from_numpy(test.values), device)
    found.model.cpu()
    return glass_probabilities(logits)


@dataclass(frozen=True)
class _Target:
    """Keeps what is drawn in the run and in a folder."""

    tracked: TrackedRun
    folder: Path

    def figure(self, figure: Any, name: str) -> None:
        """Keep a figure."""
        with replacing(self.folder / name) as partial:
            figure.savefig(partial, format="png", dpi=FIGURE_DPI)
        self.tracked.file(self.folder / name)

    def text(self, text: str, name: str) -> None:
        """Keep a text."""
        write_text(self.folder / name, text)
        self.tracked.file(self.folder / name)


def _explain(
    job: VisualizeJob,
    dataset: Dataset,
    found: FoundModel,
    test: Samples,
    p_glass: NDArray[np.float64],
    target: _Target,
) -> str:
    """Attribution of the samples, over the pictures and by particle; returns what the headline says of it."""
    chosen = _samples(test, job.samples)
    attribution = explanation.attribute(found.model, test.values[chosen])
    particles, lacking = _particles(dataset, chosen)
    size = dataset.recipe.image_size
    values = [
        None if shown is None else attribution.over_discs(place, shown.points, shown.radii)
        for place, shown in enumerate(particles)
    ]
    pictures = [
        figures.ExplainedImage(
            title=_title(test, p_glass, index),
            pixels=test.values[index],
            attribution=attribution.over_image(place, size),
            points=None if shown is None else shown.points,
            radii=None if shown is None else shown.radii,
            values=value,
        )
        for place, (index, shown, value) in enumerate(zip(chosen, particles, values, strict=True))
    ]
    caption = f"{found.label}, trained on {found.state.data['name']}, looks at {dataset.name} (test images)"
    target.figure(figures.attribution_figure(pictures, caption), "attribution.png")
    text = (
        f"**{found.label}**, trained on {found.state.data['name']}, on {dataset.name}: attribution of {job.samples} "
        f"test image{'s' if job.samples > 1 else ''} of each class in attribution.png"
    )
    if lacking is not None:
        return f"{text}. There are no numbers per particle: {lacking}"
    first = dataset.split_range(Split.TEST).start
    rows = _rows(dataset, first, chosen, p_glass, particles, values)
    target.text(csv_text(COLUMNS, rows), PARTICLES)
    return f"{text}, and as a number per particle in {PARTICLES}."


def _particles(dataset: Dataset, chosen: list[int]) -> tuple[list[ShownParticles | None], str | None]:
    """The particles of the chosen images; without trajectories, none and the reason."""
    first = dataset.split_range(Split.TEST).start
    try:
        sides = open_sides(dataset)
        return [shown_particles(dataset, sides, dataset.records[first + index]) for index in chosen], None
    except UserError as error:
        return [None] * len(chosen), str(error)


def _rows(
    dataset: Dataset,
    first: int,
    chosen: list[int],
    p_glass: NDArray[np.float64],
    particles: list[ShownParticles | None],
    values: list[NDArray[np.float64] | None],
) -> Iterator[tuple[object, ...]]:
    for index, shown, value in zip(chosen, particles, values, strict=True):
        if shown is None or value is None:
            continue
        record = dataset.records[first + index]
        image = (record.simulation, record.snapshot, record.label.value, f"{p_glass[index]:.6g}")
        for number, kind, (x, y), amount in zip(shown.numbers, shown.types, shown.positions, value, strict=True):
            yield (*image, number, SPECIES[kind], f"{x:.6f}", f"{y:.6f}", f"{amount:.6g}")


def _first_layer(
    found: FoundModel, test: Samples, p_glass: NDArray[np.float64], chosen: list[int], target: _Target
) -> None:
    """The channels of the first convolution for each sample, and its filters."""
    maps = explanation.first_maps(found.model, test.values[chosen])
    for index, channels in zip(chosen, maps, strict=True):
        title = f"First convolution of {found.label} on {_title(test, p_glass, index)}. Light is high; each channel has its own scale"
        name = f"first_layer_{CLASSES[test.labels[index]]}_sim-{test.simulations[index]:05d}.png"
        target.figure(figures.maps_figure(test.values[index], channels, title), name)
    filters = explanation.first_filters(found.model)
    title = (
        f"Filters of the first convolution of {found.label}: {filters.shape[2]} x {filters.shape[3]} pixels. Red, green and blue\n"
        "are the weights of these colours; grey is zero, lighter is positive; each filter has its own scale"
    )
    target.figure(figures.filters_figure(filters, title), "filters.png")


def _extremes(found: FoundModel, dataset: Dataset, test: Samples, p_glass: NDArray[np.float64], target: _Target) -> str:
    """The test images that the network is surest of and most wrong about; returns a sentence on them."""
    worst = explanation.most_wrong(p_glass, test.labels, EXTREMES)
    wrong = int(np.count_nonzero((p_glass > 0.5) != (test.labels == GLASS)))
    heading = (
        f"Most wrong\n({wrong} of {len(test)} are wrong)" if wrong else f"Least certain\n(none of {len(test)} is wrong)"
    )
    rows = [
        (f"Most certain, {label}", explanation.most_certain(p_glass, test.labels, CLASSES.index(label), EXTREMES))
        for label in Label
    ]
    pictures = [
        (text, [(test.values[index], _title(test, p_glass, index, "\n")) for index in indices])
        for text, indices in [*rows, (heading, worst)]
    ]
    caption = f"{found.label} on the test images of {dataset.name}"
    target.figure(figures.extremes_figure(pictures, caption), "certain_and_wrong.png")
    return f"Of {len(test)} test images {wrong} are classified wrongly; the surest and the worst are in certain_and_wrong.png."


def _samples(test: Samples, count: int) -> list[int]:
    """The first so many test images of each class, liquid first.

    Raises:
        UserError: there are not so many.
    """
    chosen: list[int] = []
    for label in (Label.LIQUID, Label.GLASS):
        places = np.flatnonzero(test.labels == CLASSES.index(label))[:count]
        if len(places) < count:
            raise UserError(f"samples is {count}, and the test split has {len(places)} {label} images: pass fewer.")
        chosen += [int(place) for place in places]
    return chosen


def _title(test: Samples, p_glass: NDArray[np.float64], index: int, separator: str = ", ") -> str:
    return (
        f"{CLASSES[test.labels[index]]}, simulation {test.simulations[index]}{separator}P(glass) = {p_glass[index]:.3g}"
    )
