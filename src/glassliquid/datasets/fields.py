"""The physical fields of the particles in a dataset's rows, cached beside the dataset."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from glassliquid.datasets.cache import cached_array
from glassliquid.datasets.configurations import sources_of
from glassliquid.datasets.description import Dataset, Record
from glassliquid.datasets.sides import Sides, open_sides
from glassliquid.ensembles.inherent import make_inherent
from glassliquid.ensembles.split import Split
from glassliquid.ensembles.workers import LocalPool, worker_count
from glassliquid.physics.fields import FIELDS, VERSION, particle_fields
from glassliquid.progress_bar import progress_bar
from glassliquid.trajectories.trajectory import read_configurations, read_inherent_energies


def load_fields(dataset: Dataset, split: Split) -> NDArray[np.float32]:
    """`physics.fields.FIELDS` of each particle in a split's rows, shape (rows, N, fields); a memory map.

    They are of the snapshot and of its inherent structure, whichever of them was drawn. Inherent structures that an ensemble
    lacks are made first, of the split's simulations alone.

    Raises:
        UserError: the dataset has no particles, or an ensemble of it is gone, is another one by now, or lacks files, or its box is
            too small.
    """
    files, sides = sources_of(dataset), open_sides(dataset)
    records = [dataset.records[place] for place in dataset.split_range(split)]
    _complete(sides, records)
    pairs = [[sides.path(each.label, sides.member(each), inherent) for inherent in (False, True)] for each in records]

    def fill(array: NDArray[np.float32]) -> None:
        for place, (record, paths) in enumerate(zip(records, pairs, strict=True)):
            snapshot, minimum = (read_configurations(path, [record.snapshot], with_log=False)[0] for path in paths)
            array[place] = particle_fields(snapshot.positions, minimum.positions, snapshot.types, snapshot.length)

    shape = (len(records), files.particles, len(FIELDS))
    names = tuple(str(path.relative_to(files.folder)) for paths in pairs for path in paths)
    sources = (files.folder, names)
    return cached_array(dataset, f"fields{VERSION}-{split}", shape, np.float32, fill, sources, files.refuse)


def _complete(sides: Sides, records: list[Record]) -> None:
    """Make the inherent structures that are lacking of some rows."""
    for ensemble in sides.both:
        own = [each for each in records if sides.of(each.label).folder == ensemble.folder]
        if not own:
            continue
        members = {(member := sides.member(each)).number: member for each in own}
        part = replace(ensemble, simulations=tuple(members.values()))
        snapshots = {each.snapshot for each in own}
        known = (read_inherent_energies(part.inherent_path(member)) for member in part.simulations)
        # Asked first: an ensemble that has them all need not be writable.
        if any(snapshots - energies.keys() for energies in known):
            with (
                LocalPool(min(worker_count(None), len(members))) as pool,
                progress_bar(f"minimising {ensemble.name}", "simulations") as progress,
            ):
                make_inherent(part, sorted(snapshots), pool, progress)
