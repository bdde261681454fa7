"""Pictures of what a network of images looks at: attribution, the first layer's maps and filters."""

import numpy as np
from numpy.typing import NDArray

from glassliquid.datasets.description import CLASSES
from glassliquid.datasets.particles import shown_particles
from glassliquid.evaluation import explanation
from glassliquid.evaluation.particle_values import ATTRIBUTION
from glassliquid.plots import explanation as figures
from glassliquid.sessions.explained import Explained, ParticleNumbers, PictureFolder


def draw_attribution(explained: Explained, numbers: ParticleNumbers | None, target: PictureFolder) -> str:
    """Attribution of the chosen samples over their pixels and, if they are known, over their particles; returns a sentence."""
    recipe, chosen = explained.dataset.recipe, explained.chosen
    attribution = explanation.attribute(explained.found.model, explained.pixels[chosen])
    pictures = []
    for place, index in enumerate(chosen):
        shown = None if numbers is None else shown_particles(numbers.configurations[index], recipe)
        values: NDArray[np.float64] | None = (
            None if numbers is None or shown is None else numbers.values[ATTRIBUTION][index, shown.numbers]
        )
        pictures.append(
            figures.ExplainedImage(
                title=explained.title(index),
                pixels=explained.pixels[index],
                attribution=attribution.over_image(place, recipe.image_size),
                points=None if shown is None else shown.points,
                radii=None if shown is None else shown.radii,
                values=values,
            )
        )
    target.figure(figures.attribution_figure(pictures, explained.caption), "attribution.png")
    count = len(chosen) // len(CLASSES)
    return f"Attribution of {count} test image{'s' if count > 1 else ''} of each class is in attribution.png."


def draw_first_layer(explained: Explained, target: PictureFolder) -> None:
    """The channels of the first convolution for each sample, and its filters."""
    found, test = explained.found, explained.test
    maps = explanation.first_maps(found.model, explained.pixels[explained.chosen])
    for index, channels in zip(explained.chosen, maps, strict=True):
        title = f"First convolution of {found.label} on {explained.title(index)}. Light is high; each channel has its own scale"
        name = f"first_layer_{CLASSES[test.labels[index]]}_sim-{test.simulations[index]:05d}.png"
        target.figure(figures.maps_figure(explained.pixels[index], channels, title), name)
    filters = explanation.first_filters(found.model)
    title = (
        f"Filters of the first convolution of {found.label}: {filters.shape[2]} x {filters.shape[3]} pixels. Red, green and blue\n"
        "are the weights of these colours; grey is zero, lighter is positive; each filter has its own scale"
    )
    target.figure(figures.filters_figure(filters, title), "filters.png")
