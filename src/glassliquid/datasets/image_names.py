"""Datasets from a folder of existing images: labels and simulations from the files' names, any size and mode.

The label is `glass` or `liquid`, as a whole word: the name of the folder that a file is in, or else in the file's own name, or in
that of a folder above. The simulation is the number that differs from file to file. So `glass.00012.png` and `liquid.00012.png` are
one simulation, and lie in one split. Folders called train, val and test are somebody's own split, which is kept.
"""

import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from glassliquid.datasets.description import LARGEST_NUMBER, Label
from glassliquid.datasets.picture import FORMATS, UnusableImage, count_pages
from glassliquid.ensembles.split import Split
from glassliquid.errors import UserError, listed
from glassliquid.numbering import UnclearNumbersError, numbers_found, numbers_told, stem_of

SPLITS = dict.fromkeys(("train", "training"), Split.TRAIN) | dict.fromkeys(("test", "testing"), Split.TEST)
SPLITS |= dict.fromkeys(("val", "valid", "validation", "dev"), Split.VALIDATION)
"""Names of folders that are somebody's own split."""

PAGE = "page"
"""Says that the pages of a file are simulations; in names of single pictures it is a word as any other."""

NEGATIONS = frozenset(("no", "non", "not", "un"))
"""Words that make a label its contrary, as in `not_glass`."""

_ENDINGS = tuple(ending for endings in FORMATS.values() for ending in endings)


@dataclass(frozen=True)
class FoundImage:
    """An image by its name."""

    file: str
    """Path relative to the folder, with slashes."""
    label: Label
    simulation: int
    split: Split | None = None
    """The split that its folder says; None if it is to be drawn."""
    page: int = 0
    """Which page of the file it is, counted from 1; 0: the only one."""

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.file}{f' (page {self.page})' if self.page else ''}"


@dataclass(frozen=True)
class Unreadable:
    """An image that cannot be used."""

    file: str
    reason: str


def find_images(
    folder: Path, labels: tuple[str, ...] | None = None, number: str | None = None
) -> tuple[list[FoundImage], list[Unreadable]]:
    """The images below a folder by name, and those whose names do not tell what they are or that are not a regular file.

    Hidden files, links to folders within and files with other endings are passed over.

    Args:
        folder: the folder.
        labels: further words for the labels, such as `solid:glass`, or names of folders that are no words, such as `0:glass`.
        number: where in the path the simulation's number is, as `numbering.numbers_told` takes it; `page`: the pages of files that
            have several are simulations, by their numbers; None: as found.

    Raises:
        UserError: there is no folder, or no image in it, or several numbers or splits that contradict each other.
    """
    if not folder.is_dir():
        kind = "one file" if folder.is_file() else "which is not a folder"
        raise UserError(f"input is {str(folder)!r}, {kind}: pass the folder that has the images.")
    words = {label.value: label for label in Label} | {
        word: Label(value) for word, value in (pair.split(":") for pair in labels or ())
    }
    classes = {word for word in words if not word.isalpha()}  # names of folders alone
    labelled: dict[str, Label] = {}
    unreadable: list[Unreadable] = []
    for file in sorted(_files(folder)):
        try:
            _check_file(folder, folder / file)
            labelled[file] = _label(PurePosixPath(file), words)
        except UnusableImage as error:
            unreadable.append(Unreadable(file, str(error)))
    if not labelled and not unreadable:
        raise UserError(
            f"{folder} has no images: their names must be like glass.00012.png and liquid.00012.png (endings: {listed(_ENDINGS)})."
        )
    found: dict[tuple[Label, int], FoundImage] = {}
    named: list[FoundImage] = []
    numbers = _numbers(folder, labelled, classes, number)
    for file, label in labelled.items():
        try:
            pages = count_pages(folder / file) if number == PAGE else 1
            for page in range(1, pages + 1):
                simulation = page if pages > 1 else _checked(numbers[file], number)
                image = FoundImage(file, label, simulation, _own_split(file), page if pages > 1 else 0)
                named.append(image)
                known = found.setdefault((label, image.simulation), image)
                if known is not image:
                    raise UnusableImage(f"is {label} of simulation {image.simulation}, but so is {known.name}")
        except UnusableImage as error:
            unreadable.append(Unreadable(file, str(error)))
    images = sorted(found.values(), key=lambda image: (image.simulation, image.label))
    _check_own_split(folder, sorted(named, key=lambda image: (image.simulation, image.label)))
    return images, sorted(unreadable, key=lambda each: each.file)


def kinds_of_names(images: list[FoundImage]) -> list[str]:
    """Kinds of names that pictures of one label have beside each other, each many times: `glass/runA_#`, `glass/runB_#`.

    Letters may number runs as digits do, and then what follows counts frames. Empty if there is one kind for each label and split.
    """
    members: dict[tuple[Label, Split | None], Counter[str]] = {}
    for image in images:
        kind = re.sub(r"\d+", "#", stem_of(image.file))
        members.setdefault((image.label, image.split), Counter())[kind] += 1
    for kinds in members.values():
        if len(many := [kind for kind, count in kinds.items() if count > 1]) > 1:
            return many
    return []


def _files(folder: Path) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            if not name.startswith(".") and name.lower().endswith(_ENDINGS):
                yield Path(parent, name).relative_to(folder).as_posix()


def _check_file(folder: Path, path: Path) -> None:
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UnusableImage("is a link that leads out of the folder")
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise UnusableImage(f"cannot be opened ({error.strerror})") from error
    # Opening a pipe would wait forever.
    if not stat.S_ISREG(mode):
        raise UnusableImage("is not a regular file")


def _label(name: PurePosixPath, words: Mapping[str, Label]) -> Label:
    """The label that a path tells: by a folder called after it, by the file's name, or by a word in the name of a folder."""
    folders = list(reversed(name.parts[:-1]))
    names = [own for part in folders for own in (part.lower(), "".join(_words(part)))]
    of_class = next((words[own] for own in names if own in words), None)
    for part in (name.name, *folders):
        labels = {words[word] for word in _words(part) if word in words}
        if labels and NEGATIONS.intersection(_words(part)):
            raise UnusableImage(f"has both a label and its opposite in {part!r}")
        if len(labels) > 1:
            raise UnusableImage(f"has both glass and liquid in {part!r}")
        if labels and part == name.name and of_class not in (None, *labels):
            raise UnusableImage(f"is called {min(labels)}, but lies in a folder of {of_class}")
        if of_class or labels:
            return of_class or min(labels)
    raise UnusableImage(
        "has neither glass nor liquid in its name or its folder's (use labels=WORD:glass for another word; a word with digits, "
        "as in 1:glass, is the name of a folder)"
    )


def _words(text: str) -> list[str]:
    """The words of a name, in small letters."""
    return re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text.rpartition(".")[0] or text).lower())


def _numbers(
    folder: Path, labelled: Mapping[str, Label], classes: set[str], number: str | None
) -> dict[str, int | None]:
    """The simulations' numbers; those in the names of folders that stand for labels are none."""
    bare = {
        file: "/".join(labelled[file].value if part.lower() in classes else part for part in file.split("/"))
        for file in labelled
    }
    names = list(dict.fromkeys(bare.values()))
    try:
        found = numbers_found(names) if number is None else numbers_told(names, number)
        return {file: found[name] for file, name in bare.items()}
    except UnclearNumbersError as error:
        raise UserError(f"{folder}: {error}; all images of a simulation must be in one split.") from error


def _checked(simulation: int | None, pattern: str | None) -> int:
    if simulation is None:
        raise UnusableImage(
            f"has no number in its name {f'where {pattern!r} says' if pattern else 'that would tell its simulation'}"
        )
    if simulation > LARGEST_NUMBER:
        raise UnusableImage(
            f"has the number {str(simulation)[:20]} in its name, but the largest allowed is {LARGEST_NUMBER:,}"
        )
    return simulation


def _own_split(file: str) -> Split | None:
    """The split that the nearest folder called after one says."""
    return next((SPLITS[part] for part in reversed(file.lower().split("/")[:-1]) if part in SPLITS), None)


def _check_own_split(folder: Path, images: list[FoundImage]) -> None:
    """Raise UserError if only some images lie in folders of a split, or a simulation's in two."""
    for image in images:
        if (image.split is None) != (images[0].split is None):
            without, within = (image, images[0]) if image.split is None else (images[0], image)
            raise UserError(
                f"{folder} has {within.file} in a folder of a split, and {without.file} in none: put all images into train, val "
                "and test, or rename the folders."
            )
    first: dict[int, FoundImage] = {}
    for image in images:
        if (other := first.setdefault(image.simulation, image)).split is not image.split:
            raise UserError(
                f"{folder} has simulation {image.simulation} in two splits, {other.file} and {image.file}: number the simulations "
                "differently, or give the word before their number, as number=WORD."
            )
