"""Making the data that settings ask for, and finding a dataset that may have to be made first."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from glassliquid.datasets.config import MakeDataConfig
from glassliquid.datasets.description import CLASSES, Dataset, open_dataset
from glassliquid.datasets.source import MadeData, Source
from glassliquid.datasets.sources import SOURCES
from glassliquid.ensembles.cluster import open_pool
from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError
from glassliquid.files import tidy
from glassliquid.layout import Layout


def plan_data(config: MakeDataConfig) -> Source:
    """What the settings ask for, planned; nothing is written.

    Raises:
        UserError: it cannot be made of what is there.
    """
    source: Source = SOURCES.get(config.source)(config)
    return source


def make_data(config: MakeDataConfig, planned: Source | None = None) -> MadeData:
    """Make the ensemble and the dataset, or find them there; nothing is tracked.

    Raises:
        UserError: an ensemble or dataset of that name was made differently, or the engine cannot run here.
    """
    source = planned or plan_data(config)
    layout = config.layout
    with (
        _tidied(source.folders_of_ensembles),
        open_pool(config.workers, config.scheduler, layout.data_dir) as pool,
    ):
        return source.make(layout.dataset(config.name), pool)


def require_dataset(name: str, data_dir: Path, make_default: bool) -> Dataset:
    """Open a dataset; on a fresh clone the default one is made first.

    Raises:
        UserError: it is missing and not the default one, or damaged, or a split of it lacks a class.
    """
    default = MakeDataConfig(data_dir=data_dir)
    folder = Layout(data_dir).dataset(name)
    if not folder.exists() and name == default.name and make_default:
        # With the folder: a data_dir that was misspelt is seen, before it is filled for minutes.
        print(
            f"There is no dataset {name} in {folder.parent} yet: making it first, with the preset {default.preset}.",
            flush=True,
        )
        return make_data(default).dataset
    return check_both_classes(open_dataset(folder))


def check_both_classes(dataset: Dataset) -> Dataset:
    """The dataset itself; UserError if a split of it has one class alone: an accuracy on it would say nothing, and there is no ROC curve."""
    for split in Split:
        for label, count in zip(CLASSES, counts := dataset.class_counts(split), strict=True):
            if not count and any(counts):
                raise UserError(
                    f"The split {split} of the dataset {dataset.name} has no image of {label} (of {sum(counts)}), so nothing can be scored on it: remove {dataset.folder} and make it again with more images or another seed."
                )
    return dataset


@contextlib.contextmanager
def _tidied(folders: tuple[Path, ...]) -> Iterator[None]:
    """If the block fails, remove half-written files: leaving the pool has ended workers in the middle of them."""
    try:
        yield
    except BaseException:
        for folder in folders:
            tidy(folder)
        raise
