"""Datasets from a folder of existing images, of any size and mode: what is converted, and into which split it comes."""

import functools
import hashlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from glassliquid.datasets.build import MadeWith, Row, pixel_digest, publish_dataset, save_image
from glassliquid.datasets.description import Dataset, Label, Recipe, Record, file_name_of
from glassliquid.datasets.image_names import FoundImage, Unreadable, find_images
from glassliquid.datasets.picture import FORMATS, FULL_RANGE, UnusableImage, convert, grey_range, kind_of
from glassliquid.ensembles.split import Split
from glassliquid.ensembles.workers import WorkerPool, run_all
from glassliquid.errors import UserError
from glassliquid.physics.protocol import temperature
from glassliquid.progress_bar import ShowProgress

BLOCK = (Split.TRAIN,) * 14 + (Split.VALIDATION,) * 3 + (Split.TEST,) * 3
"""70 : 15 : 15 of every twenty consecutive simulations."""

IMAGES_PER_TASK = 20
NAMED_IN_MESSAGE = 5

LOOKED_AT = 200
"""Pictures of each label whose kinds are compared."""

FAINT = 16
"""Values of a colour between the darkest and the brightest; pictures of less are mostly of other units than they claim."""

DEEP = (*FORMATS["PNG"], *FORMATS["TIFF"], *FORMATS["PPM"])
"""Endings of files that may be 16-bit grey."""


@dataclass(frozen=True)
class ConvertTask:
    """Some images, to be converted into a dataset's folder."""

    source: Path
    images: tuple[tuple[FoundImage, Split], ...]
    recipe: Recipe
    folder: Path
    grey: tuple[int, int] = FULL_RANGE
    """Values of 16-bit grey that become 0 and 255."""


def split_of(simulation: int, seed: int) -> Split:
    """The split of a simulation, from its number and the seed alone.

    So it is the same in every folder of images of the same simulations, whichever of them a folder has.
    """
    return _block(simulation // len(BLOCK), seed)[simulation % len(BLOCK)]


def listing_digest(images: list[FoundImage], source: Path, seed: int) -> str:
    """Fingerprint of what is imported: names and sizes of the images, and the seed of the split."""
    digest = hashlib.sha256(f"{seed}\n".encode())
    for image in images:
        digest.update(os.fsencode(f"{image.file} {(source / image.file).stat().st_size}\n"))
        name = PurePosixPath(image.file).stem
        if image.split is not None or image.label not in image.file.lower() or not _ends_with(name, image.simulation):
            # Only then: datasets from before there were other ways to tell are known by the names alone.
            digest.update(f"{image.label} {image.simulation} {image.split}\n".encode())
        if image.page:
            digest.update(f"page {image.page}\n".encode())
    return digest.hexdigest()[:16]


def _ends_with(name: str, number: int) -> bool:
    """Whether this is the last number of a name."""
    return (numbers := re.findall(r"\d+", name)) != [] and int(numbers[-1]) == number


def import_images(
    folder: Path,
    source: Path,
    recipe: Recipe,
    seed: int,
    skip_unreadable: bool,
    pool: WorkerPool,
    progress: ShowProgress,
    found: tuple[list[FoundImage], list[Unreadable]] | None = None,
) -> tuple[Dataset, list[Unreadable]]:
    """Make a dataset of existing images, or find that it is there already; the folder appears whole.

    Args:
        folder: where the dataset is or will be.
        source: the folder of images.
        recipe: says what the images show and how large they become.
        seed: of the split.
        skip_unreadable: leave out what cannot be read, instead of refusing the folder.
        pool: where images are converted.
        progress: called with the progress.
        found: what `find_images` gave; None: what it gives without further settings.

    Returns:
        The dataset, and what was left out of it.

    Raises:
        UserError: images cannot be read and may not be skipped, or a label or a split has no image.
    """
    images, unreadable = found or find_images(source)
    left_out: list[Unreadable] = list(unreadable)

    def fill(partial: Path) -> tuple[list[Row], MadeWith]:
        named = [(image, image.split or split_of(image.simulation, seed)) for image in images]
        tasks = [
            ConvertTask(source, tuple(named[start : start + IMAGES_PER_TASK]), recipe, partial)
            for start in range(0, len(named), IMAGES_PER_TASK)
        ]
        ranges = [each for _, each in run_all(pool, ranges_of_grey, tasks) if each is not None]
        if ranges:
            grey = min(low for low, _ in ranges), max(high for _, high in ranges)
            print(f"Pictures of 16-bit grey: the values from {grey[0]} to {grey[1]} become 0 to 255.", flush=True)
            tasks = [replace(task, grey=grey) for task in tasks]
        rows: list[Row] = []
        flat = faint = 0
        for done, (_, (made, damaged, of_one_colour, of_few)) in enumerate(
            run_all(pool, convert_images, tasks), start=1
        ):
            rows += made
            left_out.extend(damaged)
            flat += of_one_colour
            faint += of_few
            progress(done, len(tasks))
        left_out.sort(key=lambda each: each.file)
        if left_out and not skip_unreadable:
            raise UserError(f"{_complaint(source, left_out)}: repair or remove them, or pass skip_unreadable=true.")
        if faint:
            print(
                f"{faint} of {len(rows)} pictures use fewer than {FAINT} of the 256 values: check that they were saved with their full range.",
                flush=True,
            )
        if flat:
            print(f"{flat} of {len(rows)} pictures have a single colour: check what they show.", flush=True)
        if repeated := _repeated(rows):
            print(repeated, flush=True)
        _check_complete(source, rows, own_split=bool(images) and images[0].split is not None)
        return rows, {"skipped": tuple({"file": each.file, "reason": each.reason} for each in left_out)}

    return publish_dataset(folder, recipe, fill), left_out


def kinds_of_pictures(source: Path, images: list[FoundImage]) -> str | None:
    """A sentence if the pictures of the two labels differ in their format, mode or size, by which they could be told apart."""
    kinds: dict[Label, set[str]] = {}
    for label in Label:
        of_label = [image for image in images if image.label is label]
        some = of_label[:: len(of_label) // LOOKED_AT + 1]
        kinds[label] = {kind for each in some if (kind := kind_of(source / each.file, each.page))}
    if not all(kinds.values()) or set.intersection(*kinds.values()):
        return None
    found = "; ".join(f"{label}: {min(kinds[label])}" for label in Label)
    return f"The two labels differ in format, mode or size ({found}): a network may learn to tell them apart by that alone."


def ranges_of_grey(task: ConvertTask) -> tuple[int, int] | None:
    """The smallest and the largest value in the pictures of 16-bit grey; None if there are none."""
    deep = [image for image, _ in task.images if image.file.lower().endswith(DEEP)]
    ranges = [found for each in deep if (found := grey_range(task.source / each.file, each.page)) is not None]
    return (min(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else None


def convert_images(task: ConvertTask) -> tuple[list[Row], list[Unreadable], int, int]:
    """Convert each image and save it as PNG.

    Returns:
        The rows of the table, what could not be read, and how many images are of one colour, and of hardly more.
    """
    rows: list[Row] = []
    unreadable: list[Unreadable] = []
    flat = faint = 0
    indices = {Label.GLASS: task.recipe.glass, Label.LIQUID: task.recipe.liquid}
    for image, split in task.images:
        try:
            pixels = convert(task.source / image.file, task.recipe.image_size, task.grey, image.page)
        except UnusableImage as error:
            unreadable.append(Unreadable(image.name, str(error)))
            continue
        is_flat = bool((pixels == pixels[0, 0]).all())
        flat += is_flat
        faint += not is_flat and int(pixels.max()) - int(pixels.min()) < FAINT
        file_name = file_name_of(split, image.label, image.simulation)
        save_image(pixels, task.folder / file_name)
        snapshot = indices[image.label]
        record = Record(file_name, image.label, image.simulation, snapshot, temperature(snapshot), split)
        rows.append((record, pixel_digest(pixels)))
    return rows, unreadable, flat, faint


@functools.lru_cache(maxsize=4096)
def _block(number: int, seed: int) -> tuple[Split, ...]:
    order = np.random.default_rng([seed, number]).permutation(len(BLOCK))
    return tuple(BLOCK[place] for place in order)


def _complaint(source: Path, unreadable: list[Unreadable]) -> str:
    named = "; ".join(f"{each.file} {each.reason}" for each in unreadable[:NAMED_IN_MESSAGE])
    more = f"; and {len(unreadable) - NAMED_IN_MESSAGE} more" if len(unreadable) > NAMED_IN_MESSAGE else ""
    return f"{source} has {len(unreadable)} image(s) that cannot be used ({named}{more})"


def _repeated(rows: list[Row]) -> str | None:
    """A sentence if pictures of several simulations are the same, but for those that are all of one colour with many others."""
    first: dict[str, Record] = {}
    pairs = [
        (known, record)
        for record, pixels in rows
        if (known := first.setdefault(pixels, record)).simulation != record.simulation
    ]
    if not pairs:
        return None
    one, other = pairs[0]
    return (
        f"{len(pairs)} of {len(rows)} pictures are identical to one of another simulation, such as {other.label} {other.simulation} and "
        f"{one.label} {one.simulation}: if they are copies, the network is tested on what it was trained on."
    )


def _check_complete(source: Path, rows: list[Row], own_split: bool) -> None:
    for label in Label:
        if not any(record.label is label for record, _ in rows):
            raise UserError(f"{source} has no usable image of {label}: a dataset needs both glass and liquid.")
    if len({pixels for _, pixels in rows}) == 1 and len(rows) > len(Label):
        raise UserError(
            f"{source} has {len(rows)} images that all look the same: check how they were saved, and their range."
        )
    for split in Split:
        for label in Label:
            count = sum(record.split is split and record.label is label for record, _ in rows)
            if count:
                continue
            if own_split:
                raise UserError(
                    f"{source} has no image of {label} for {split}: add some to its folder {split}, or rename all of these folders."
                )
            simulations = {record.simulation for record, _ in rows}
            of_label = {record.simulation for record, _ in rows if record.label is label}
            seed = " or pass another seed" if len(of_label) >= len(Split) else ""
            raise UserError(
                f"The images of {label} in {source} come from {len(of_label)} of {len(simulations)} simulations, and none is in the split "
                f"{split}: add images of more simulations{seed}."
            )
