"""Draw the images of an ensemble's snapshots into a dataset folder."""

import hashlib
import itertools
import math
import shutil
import uuid
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glassliquid.command_line import option
from glassliquid.datasets.description import (
    CLASSES,
    DESCRIPTION,
    TABLE,
    Dataset,
    Label,
    Recipe,
    Record,
    description,
    file_name_of,
    open_dataset,
    write_table,
)
from glassliquid.datasets.digest import content_digest
from glassliquid.datasets.draw import DrawConfig, draw
from glassliquid.datasets.pairing import matched_samples, minimise_snapshots, minimiser_of
from glassliquid.datasets.sides import Sample, Sides, check_sides
from glassliquid.ensembles.ensemble import Ensemble
from glassliquid.ensembles.split import Split
from glassliquid.ensembles.workers import WorkerPool, run_all
from glassliquid.errors import UserError, listed
from glassliquid.files import PARTIAL_SUFFIX, locked, remove_partials, write_json
from glassliquid.layout import check_dataset_name
from glassliquid.physics.protocol import Protocol, temperature
from glassliquid.progress_bar import ShowProgress
from glassliquid.trajectories.trajectory import read_configurations

TASKS_PER_WORKER = 16
"""Tasks are so large that each worker gets about this many: in the end none waits long for another's last one."""
MOST_SAMPLES_PER_TASK = 80
NULL_STREAM = 2
"""Branch of the ensemble's seed from which the classes of a null dataset are drawn."""

Row = tuple[Record, str]
"""A row of the table, and the SHA-256 of the image's pixels."""
MadeWith = dict[str, Any]
"""Fields of `Description`: what made the images, or what was left out of them."""


@dataclass(frozen=True)
class DrawTask:
    """Some samples, to be drawn into a folder; those of one file stand together."""

    samples: tuple[Sample, ...]
    recipe: Recipe
    folder: Path


def check_recipe(protocol: Protocol, ensemble: str, liquid: int, glass: int, null: bool) -> None:
    """Raise UserError unless the ensemble of this protocol and name stores both snapshots, and they differ unless `null`."""
    for what, snapshot in (("liquid", liquid), ("glass", glass)):
        protocol.check_stored(what, snapshot, ensemble)
    if liquid == glass and not null:
        raise UserError(f"liquid and glass are both {liquid}: choose two different snapshot indices.")


def labels_of(ensemble: Ensemble, null: bool) -> dict[int, tuple[Label, ...]]:
    """The classes that each simulation is drawn for, by its number: both, but for a null dataset one.

    There, the halves of each split (of an odd number one more glass) follow from the ensemble's seed alone.

    Raises:
        UserError: a split has too few simulations for two classes.
    """
    if not null:
        return {member.number: CLASSES for member in ensemble.simulations}
    generator = np.random.default_rng([ensemble.seed, NULL_STREAM])
    labels: dict[int, tuple[Label, ...]] = {}
    for split in Split:
        numbers = [member.number for member in ensemble.simulations if member.split is split]
        if len(numbers) < len(CLASSES):
            raise UserError(
                f"null is true, but the split {split} of {ensemble.name} has {len(numbers)} simulation(s), not one for each class: "
                "choose an ensemble of 10 simulations or more."
            )
        for place, index in enumerate(generator.permutation(len(numbers))):
            labels[numbers[index]] = (CLASSES[place % len(CLASSES)],)
    return labels


def check_same_recipe(present: Dataset, wanted: Recipe) -> None:
    """Raise UserError, naming what differs, unless the dataset was made with this recipe."""
    here, asked = asdict(present.recipe), asdict(wanted)
    differences = [f"{name} is {here[name]} there and {asked[name]} here" for name in here if here[name] != asked[name]]
    if differences:
        raise UserError(
            f"The dataset {present.name!r} was made differently ({'; '.join(differences)}): choose another name with "
            f"{option('name', 'NAME')}, or remove {present.folder} first."
        )


def make_dataset(
    folder: Path,
    ensemble: Ensemble,
    recipe: Recipe,
    pool: WorkerPool,
    progress: ShowProgress,
    glass_ensemble: Ensemble | None = None,
) -> Dataset:
    """Draw the dataset, or find that it is there already.

    The folder appears whole, in one step, when the last image is drawn; an interrupted build leaves nothing that the
    next command would not remove.

    Args:
        folder: where the dataset is or will be; its name is the dataset's.
        ensemble: complete ensemble to draw.
        recipe: what is drawn, and how.
        pool: where the drawing runs.
        progress: called with the progress.
        glass_ensemble: complete ensemble whose glasses are drawn, if it is another one.

    Raises:
        UserError: a dataset of this name was made differently, or the folder holds something else; or the samples cannot be matched.
    """
    sides = Sides(ensemble, glass_ensemble or ensemble)
    check_sides(sides)
    made_with: MadeWith = (
        {} if ensemble.engine is None else {"engine": f"{ensemble.engine} {ensemble.engine_version}".rstrip()}
    )

    def fill(partial: Path) -> tuple[list[Row], MadeWith]:
        if recipe.match != "none":
            samples, made_with["matching"] = matched_samples(sides, recipe, pool, progress)
        else:
            samples = all_samples(sides, recipe)
        if recipe.inherent:
            minimise_snapshots(sides, recipe, pool, progress)
            made_with["minimised_by"] = minimiser_of(sides)
        return _draw_all(partial, samples, recipe, pool, progress), made_with

    return publish_dataset(folder, recipe, fill)


def all_samples(sides: Sides, recipe: Recipe) -> list[Sample]:
    """The liquid and the glass of each simulation; for a null dataset one of them."""
    snapshots = {Label.GLASS: recipe.glass, Label.LIQUID: recipe.liquid}
    labels = {each.folder: labels_of(each, recipe.null) for each in sides.both}
    return [
        sides.sample(label, member, snapshots[label], recipe.inherent)
        for ensemble in sides.both
        for member in ensemble.simulations
        for label in labels[ensemble.folder][member.number]
        if sides.of(label) is ensemble
    ]


def publish_dataset(folder: Path, recipe: Recipe, fill: Callable[[Path], tuple[list[Row], MadeWith]]) -> Dataset:
    """Make a dataset's folder appear whole, or find that it is there already.

    Args:
        folder: where the dataset is or will be.
        recipe: what it is to show.
        fill: puts the images below a folder; returns the rows of the table in any order, and what `dataset.json` says of how they were made.

    Raises:
        UserError: a dataset of this name was made differently, or the folder holds something else.
    """
    check_dataset_name(folder.name)
    with locked(folder.parent, "making a dataset"):
        remove_partials(folder.parent)
        if folder.exists():
            return present_dataset(folder, recipe)
        # A new name each time: workers of a killed command may still be drawing into the old one for a moment.
        partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}{PARTIAL_SUFFIX}")
        try:
            for split in Split:
                for label in Label:
                    (partial / split / label).mkdir(parents=True)
            rows, made_with = fill(partial)
            # Tasks finish in any order; the table and the digest have one order.
            rows.sort(key=lambda row: (list(Split).index(row[0].split), row[0].label, row[0].simulation))
            records = [record for record, _ in rows]
            digest = content_digest((record.file_name, pixels) for record, pixels in rows)
            write_table(partial / TABLE, records)
            write_json(partial / DESCRIPTION, description(recipe, records, digest, made_with))
            partial.rename(folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    return Dataset(folder, recipe, digest, tuple(records), made_with.get("matching"))


def draw_samples(task: DrawTask) -> list[Row]:
    """Draw samples as PNG files; return their records and the SHA-256 of their pixels."""
    config = DrawConfig(image_size=task.recipe.image_size, window=task.recipe.window)
    drawn = []
    for path, samples in itertools.groupby(task.samples, lambda sample: sample.path):
        there = list(samples)
        found = read_configurations(path, [each.snapshot for each in there], with_log=False)
        for sample, configuration in zip(there, found, strict=True):
            pixels = draw(configuration.positions, configuration.types, configuration.length, config)
            file_name = file_name_of(sample.split, sample.label, sample.simulation)
            save_image(pixels, task.folder / file_name)
            record = Record(
                file_name,
                sample.label,
                sample.simulation,
                configuration.snapshot,
                temperature(configuration.snapshot),
                sample.split,
            )
            drawn.append((record, pixel_digest(pixels)))
    return drawn


def save_image(pixels: NDArray[np.uint8], path: Path) -> None:
    """Save RGB pixels as PNG."""
    from PIL import Image

    # Level 1 is three times as fast as the default and makes these images only a little larger. They are runs of one colour, and
    # looking for nothing but runs saves another fifth of the time and some bytes.
    Image.fromarray(pixels).save(path, compress_level=1, compress_type=zlib.Z_RLE)


def pixel_digest(pixels: np.ndarray) -> str:
    """SHA-256 of an image's pixels."""
    return hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest()


def _draw_all(
    partial: Path, samples: list[Sample], recipe: Recipe, pool: WorkerPool, progress: ShowProgress
) -> list[Row]:
    each = min(MOST_SAMPLES_PER_TASK, math.ceil(len(samples) / (TASKS_PER_WORKER * pool.size)))
    parts = (tuple(samples[start : start + each]) for start in range(0, len(samples), each))
    tasks = [DrawTask(part, recipe, partial) for part in parts]
    drawn: list[Row] = []
    for done, (_, rows) in enumerate(run_all(pool, draw_samples, tasks), start=1):
        drawn += rows
        progress(done, len(tasks))
    return drawn


def present_dataset(folder: Path, recipe: Recipe) -> Dataset:
    """The dataset that is in a folder; UserError if it was made differently, or the folder holds something else."""
    if not (folder / DESCRIPTION).exists():
        held = sorted(path.name for path in folder.iterdir())[:3] if folder.is_dir() else ["a file"]
        raise UserError(
            f"{folder} is not a dataset (found {listed(held)}, no {DESCRIPTION}): move it away or choose another name with "
            f"{option('name', 'NAME')}."
        )
    dataset = open_dataset(folder)
    check_same_recipe(dataset, recipe)
    return dataset
