"""Datasets from a folder of existing images: labels and simulations from the files' names, any size and mode.

The label is `glass` or `liquid` in a file's name, or in the name of a folder that it is in; the simulation is the last number
in the file's name. So `glass.00012.png` and `liquid.00012.png` are one simulation, and lie in one split.
"""

import functools
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from glassliquid.datasets.build import MadeWith, Row, pixel_digest, publish_dataset, save_image
from glassliquid.datasets.description import LARGEST_NUMBER, Dataset, Label, Recipe, Record, file_name_of
from glassliquid.datasets.picture import FORMATS, UnusableImage, convert
from glassliquid.ensembles.split import Split
from glassliquid.ensembles.workers import WorkerPool, run_all
from glassliquid.errors import UserError, listed
from glassliquid.physics.protocol import temperature
from glassliquid.progress_bar import ShowProgress

BLOCK = (Split.TRAIN,) * 14 + (Split.VALIDATION,) * 3 + (Split.TEST,) * 3
"""70 : 15 : 15 of every twenty consecutive simulations."""

IMAGES_PER_TASK = 20
NAMED_IN_MESSAGE = 5

_ENDINGS = tuple(ending for endings in FORMATS.values() for ending in endings)


@dataclass(frozen=True)
class FoundImage:
    """An image by its name."""

    file: str
    """Path relative to the folder, with slashes."""
    label: Label
    simulation: int


@dataclass(frozen=True)
class Unreadable:
    """An image that cannot be used."""

    file: str
    reason: str


@dataclass(frozen=True)
class ConvertTask:
    """Some images, to be converted into a dataset's folder."""

    source: Path
    images: tuple[tuple[FoundImage, Split], ...]
    recipe: Recipe
    folder: Path


def find_images(folder: Path) -> tuple[list[FoundImage], list[Unreadable]]:
    """The images below a folder by name, and those whose names do not tell what they are or that are no plain files.

    Hidden files, links to folders within and files with other endings are passed over.

    Raises:
        UserError: there is no folder, or no image in it.
    """
    if not folder.is_dir():
        raise UserError(f"input is {str(folder)!r}, which is no folder: pass the folder that has the images.")
    found: dict[tuple[Label, int], FoundImage] = {}
    unreadable: list[Unreadable] = []
    for file in sorted(_files(folder)):
        try:
            _check_file(folder, folder / file)
            image = _named(file)
            known = found.setdefault((image.label, image.simulation), image)
            if known is not image:
                raise UnusableImage(f"is {image.label} of simulation {image.simulation}, as {known.file} is")
        except UnusableImage as error:
            unreadable.append(Unreadable(file, str(error)))
    if not found and not unreadable:
        raise UserError(
            f"{folder} has no images: they are called such as glass.00012.png and liquid.00012.png (endings: {listed(_ENDINGS)})."
        )
    return sorted(found.values(), key=lambda image: (image.simulation, image.label)), unreadable


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
    return digest.hexdigest()[:16]


def import_images(
    folder: Path,
    source: Path,
    recipe: Recipe,
    seed: int,
    skip_unreadable: bool,
    pool: WorkerPool,
    progress: ShowProgress,
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

    Returns:
        The dataset, and what was left out of it.

    Raises:
        UserError: images cannot be read and may not be skipped, or a label or a split has no image.
    """
    images, unreadable = find_images(source)
    left_out: list[Unreadable] = list(unreadable)

    def fill(partial: Path) -> tuple[list[Row], MadeWith]:
        named = [(image, split_of(image.simulation, seed)) for image in images]
        tasks = [
            ConvertTask(source, tuple(named[start : start + IMAGES_PER_TASK]), recipe, partial)
            for start in range(0, len(named), IMAGES_PER_TASK)
        ]
        rows: list[Row] = []
        for done, (_, (made, damaged)) in enumerate(run_all(pool, convert_images, tasks), start=1):
            rows += made
            left_out.extend(damaged)
            progress(done, len(tasks))
        left_out.sort(key=lambda each: each.file)
        if left_out and not skip_unreadable:
            raise UserError(f"{_complaint(source, left_out)}: repair or remove them, or pass skip_unreadable=true.")
        _check_complete(source, rows)
        return rows, {"skipped": tuple({"file": each.file, "reason": each.reason} for each in left_out)}

    return publish_dataset(folder, recipe, fill), left_out


def convert_images(task: ConvertTask) -> tuple[list[Row], list[Unreadable]]:
    """Convert each image and save it as PNG; return the rows of the table, and what could not be read."""
    rows: list[Row] = []
    unreadable = []
    indices = {Label.GLASS: task.recipe.glass, Label.LIQUID: task.recipe.liquid}
    for image, split in task.images:
        try:
            pixels = convert(task.source / image.file, task.recipe.image_size)
        except UnusableImage as error:
            unreadable.append(Unreadable(image.file, str(error)))
            continue
        file_name = file_name_of(split, image.label, image.simulation)
        save_image(pixels, task.folder / file_name)
        snapshot = indices[image.label]
        record = Record(file_name, image.label, image.simulation, snapshot, temperature(snapshot), split)
        rows.append((record, pixel_digest(pixels)))
    return rows, unreadable


def _files(folder: Path) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            if not name.startswith(".") and name.lower().endswith(_ENDINGS):
                yield Path(parent, name).relative_to(folder).as_posix()


def _check_file(folder: Path, path: Path) -> None:
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UnusableImage("is a link out of the folder")
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise UnusableImage(f"cannot be opened ({error.strerror})") from error
    # Opening a pipe would wait for ever.
    if not stat.S_ISREG(mode):
        raise UnusableImage("is not a plain file")


def _named(file: str) -> FoundImage:
    """What the name tells."""
    name = PurePosixPath(file)
    for part in (name.name, *reversed(name.parts[:-1])):
        labels = [label for label in Label if label in part.lower()]
        if len(labels) > 1:
            raise UnusableImage(f"has both glass and liquid in {part!r}")
        if labels:
            break
    else:
        raise UnusableImage("has neither glass nor liquid in its name or its folder's")
    numbers = re.findall(r"\d+", name.stem)
    if not numbers:
        raise UnusableImage("has no number in its name that would tell its simulation")
    if len(numbers[-1]) > 12 or int(numbers[-1]) > LARGEST_NUMBER:
        raise UnusableImage(f"has the number {numbers[-1][:20]} in its name, and the largest is {LARGEST_NUMBER:,}")
    return FoundImage(file, labels[0], int(numbers[-1]))


@functools.lru_cache(maxsize=4096)
def _block(number: int, seed: int) -> tuple[Split, ...]:
    order = np.random.default_rng([seed, number]).permutation(len(BLOCK))
    return tuple(BLOCK[place] for place in order)


def _complaint(source: Path, unreadable: list[Unreadable]) -> str:
    named = "; ".join(f"{each.file} {each.reason}" for each in unreadable[:NAMED_IN_MESSAGE])
    more = f"; and {len(unreadable) - NAMED_IN_MESSAGE} more" if len(unreadable) > NAMED_IN_MESSAGE else ""
    return f"{source} has {len(unreadable)} image(s) that cannot be used ({named}{more})"


def _check_complete(source: Path, rows: list[Row]) -> None:
    for label in Label:
        if not any(record.label is label for record, _ in rows):
            raise UserError(f"{source} has no usable image of {label}: a dataset needs both glass and liquid.")
    for split in Split:
        if not any(record.split is split for record, _ in rows):
            raise UserError(
                f"None of the {len({record.simulation for record, _ in rows})} simulations in {source} fell into the split "
                f"{split}: pass another seed, or more images."
            )
