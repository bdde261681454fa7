"""What a network looks at, drawn: attribution over images and particles, first-layer maps, filters, extreme images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from glassliquid.plots.axes import add_caption, show_image

EVIDENCE_COLOURS = "PiYG"
"""Pink for liquid, white for nothing, green for glass: apart from the particles' orange and blue."""
MOST_COLUMNS = 8


@dataclass(frozen=True, kw_only=True)
class ExplainedImage:
    """An image and what each place of it adds to the network's evidence for glass."""

    title: str
    """What it is and what the network says."""
    pixels: NDArray[np.uint8]
    """RGB, shape (size, size, 3)."""
    attribution: NDArray[np.float64]
    """Of its pixels [logits], shape (size, size)."""
    points: NDArray[np.float64] | None
    """Particles' places in the image: x to the right, y down [pixels], shape (k, 2); None if they are not known."""
    radii: NDArray[np.float64] | None
    """Their radii [pixels], shape (k,)."""
    values: NDArray[np.float64] | None
    """Their attribution [logits], shape (k,)."""


def attribution_figure(images: Sequence[ExplainedImage], caption: str) -> Figure:
    """One row per image: the original, the attribution laid over it, and, where known, over its particles.

    Each row has its own scale and colour bar: a network may hold ten times as much evidence against one image as for another,
    which would be white on a common scale. The strongest hundredth of the pixels may saturate. Over the image the colours are
    paler than on the bar, because it shines through.
    """
    columns = 3 if any(image.points is not None for image in images) else 2
    figure = Figure(figsize=(4 * columns + 1.3, 4.2 * len(images) + 0.6), layout="compressed")
    grid: Any = figure.subplots(len(images), columns, squeeze=False)
    for row, image in zip(grid, images, strict=True):
        limit = max(float(np.quantile(np.abs(image.attribution), 0.99)), 1e-12)
        shading = {"cmap": EVIDENCE_COLOURS, "vmin": -limit, "vmax": limit}
        size = len(image.pixels)
        show_image(row[0], image.pixels, image.title)
        grey = np.repeat(image.pixels.mean(axis=2, keepdims=True), 3, axis=2) / 255
        show_image(row[1], 0.35 + 0.65 * grey, "attribution over the image")
        row[1].imshow(image.attribution, alpha=0.75, interpolation="nearest", extent=(0, size, size, 0), **shading)
        if image.points is not None:
            _draw_particles(row[2], image, shading)
            row[2].set_title("attribution of the particles", fontsize=10)
        elif columns == 3:
            row[2].text(0.5, 0.5, "no trajectory", ha="center", transform=row[2].transAxes)
        if columns == 3:
            row[2].set(xlim=(0, size), ylim=(size, 0), xticks=[], yticks=[], aspect="equal")
        colours = ScalarMappable(Normalize(-limit, limit), EVIDENCE_COLOURS)
        bar = figure.colorbar(colours, ax=row, extend="both", aspect=18, pad=0.02)
        bar.set_label("evidence [logits], own scale\nliquid (dot)  <  0  <  glass", fontsize=10)
    add_caption(figure, caption, fontsize=11)
    return figure


def maps_figure(pixels: NDArray[np.uint8], maps: NDArray[np.floating], caption: str) -> Figure:
    """An image and what each channel of the first convolution makes of it, each in its own grey scale (light is high)."""
    return _tiles({"original": pixels, **_channels(maps)}, 2.0, caption)


def filters_figure(filters: NDArray[np.floating], caption: str) -> Figure:
    """The filters of the first convolution as colours: grey is zero, each filter in its own scale."""
    largest = np.maximum(np.abs(filters).max(axis=(1, 2, 3), keepdims=True), 1e-12)
    return _tiles(_channels((0.5 + filters / (2 * largest)).transpose(0, 2, 3, 1)), 1.5, caption)


def extremes_figure(rows: Sequence[tuple[str, Sequence[tuple[NDArray[np.uint8], str]]]], caption: str) -> Figure:
    """Rows of images with titles, each row with a heading, such as the most certain and the most wrong."""
    columns = max(len(images) for _, images in rows)
    figure = Figure(figsize=(max(2.1 * columns + 0.5, 6), 2.6 * len(rows) + 0.5), layout="constrained")
    grid: Any = figure.subplots(len(rows), columns, squeeze=False)
    for places, (heading, images) in zip(grid, rows, strict=True):
        for place in places[len(images) :]:
            place.axis("off")
        for place, (pixels, title) in zip(places, images, strict=False):
            show_image(place, pixels, title)
        if images:
            places[0].set_ylabel(heading, fontsize=11)
        else:
            places[0].text(0, 0.5, f"{heading}: none")
    add_caption(figure, caption, fontsize=11)
    return figure


def _draw_particles(axes: Any, image: ExplainedImage, shading: dict[str, Any]) -> None:
    from matplotlib.collections import EllipseCollection

    assert image.radii is not None
    sizes, angles = 2 * image.radii, np.zeros(len(image.radii))
    places = {"units": "xy", "offsets": image.points, "offset_transform": axes.transData}
    discs = EllipseCollection(sizes, sizes, angles, **places, cmap=shading["cmap"], edgecolors="0.35", linewidths=0.4)
    discs.set_array(image.values)
    discs.set_clim(shading["vmin"], shading["vmax"])
    axes.add_collection(discs)
    assert image.points is not None
    assert image.values is not None
    # Seen in grey too, where both ends of the colours are dark.
    axes.plot(*image.points[image.values < 0].T, linestyle="none", marker=".", markersize=2.5, color="black")


def _channels(images: NDArray[np.floating]) -> dict[str, NDArray[np.floating]]:
    return {f"channel {number}": image for number, image in enumerate(images, start=1)}


def _tiles(images: Mapping[str, NDArray[Any]], side: float, caption: str) -> Figure:
    """Small pictures with their titles, in rows of equal length, each `side` inches wide."""
    rows = -(-len(images) // MOST_COLUMNS)
    columns = -(-len(images) // rows)
    figure = Figure(figsize=(max(side * columns, 5), (side + 0.3) * rows + 0.5), layout="constrained")
    axes: list[Any] = list(np.ravel(figure.subplots(rows, columns, squeeze=False)))
    for place, (title, image) in zip(axes, images.items(), strict=False):
        show_image(place, image, title)
    for unused in axes[len(images) :]:
        unused.axis("off")
    add_caption(figure, caption, fontsize=11)
    return figure
