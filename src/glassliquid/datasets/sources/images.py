"""images: somebody's images of glass and liquid."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from glassliquid.datasets.config import MakeDataConfig
from glassliquid.datasets.description import Label
from glassliquid.datasets.image_names import find_images, kinds_of_names
from glassliquid.datasets.images import NAMED_IN_MESSAGE, import_images, kinds_of_pictures, listing_digest, split_of
from glassliquid.datasets.picture import FULL_RANGE, UnusableImage, convert, grey_range
from glassliquid.datasets.source import MadeData, Source, recipe_of
from glassliquid.datasets.sources import SOURCES
from glassliquid.ensembles.split import Split
from glassliquid.ensembles.workers import WorkerPool
from glassliquid.errors import UserError, listed, one_line
from glassliquid.progress_bar import progress_bar


@SOURCES.register("images")
class Images(Source):
    """Converts the images; there is no ensemble."""

    unused = (
        "engine",
        "particles",
        "simulations",
        "cooling_steps",
        "snapshots",
        "inherent",
        "null",
        "liquid_ensemble",
        "glass_ensemble",
        "match",
        "liquid_range",
        "match_tolerance",
        "files",
        "temperature",
        "first_step",
        "density",
        "sigma",
        "unterminated",
        "count_frames",
        "arrays",
    )

    def __init__(self, config: MakeDataConfig) -> None:
        """Find the images."""
        if config.input_folder is None:
            raise UserError("source is images, and input is none: pass the folder of the images as input.")
        self.config, self.input = config, config.input_folder
        self.found = find_images(self.input, config.labels, config.number)
        images, _ = self.found
        # The folder's name may be anything, and stands in texts from now on.
        name = config.ensemble or one_line(self.input.name)[:100]
        self.recipe = recipe_of(config, ensemble=name, ensemble_digest=listing_digest(images, self.input, config.seed))

    def rehearse(self) -> tuple[list[str], Any]:
        """How the names were understood, and the first picture."""
        images, unreadable = self.found
        remarks = list(self._remarks())
        remarks += [f"Cannot be used: {each.file} {each.reason}." for each in unreadable[:NAMED_IN_MESSAGE]]
        picture = None
        if images:
            first, page = self.input / images[0].file, images[0].page
            try:
                picture = convert(first, self.config.image_size, grey_range(first, page) or FULL_RANGE, page)
            except UnusableImage as error:
                remarks.append(f"Cannot be used: {images[0].file} {error}.")
        return remarks, picture

    def _remarks(self) -> Iterator[str]:
        """How the names were understood."""
        images, _ = self.found
        splits = [image.split or split_of(image.simulation, self.config.seed) for image in images]
        own = bool(images) and images[0].split is not None
        counts = listed(f"{splits.count(split)} for {split}" for split in Split)
        for label in Label:
            of_label = [image for image in images if image.label is label]
            example = f"{of_label[0].name} (simulation {of_label[0].simulation})" if of_label else "none"
            yield f"{len(of_label)} images of {label}, such as {example}."
        if self.config.number is None and (kinds := kinds_of_names(images)):
            yield (
                f"The names differ in more than numbers ({listed(kinds[:NAMED_IN_MESSAGE])}): if these are runs with several pictures each, one run would be in several "
                "splits; give the word before the number of the run, as number=WORD."
            )
        if difference := kinds_of_pictures(self.input, images):
            yield difference
        yield f"{counts}, {'as the folders say' if own else 'drawn by the numbers of the simulations'}."

    def make(self, folder: Path, pool: WorkerPool) -> MadeData:
        """Convert, and print what could not be read."""
        print("\n".join(self._remarks()), flush=True)
        seed, skip = self.config.seed, self.config.skip_unreadable
        with progress_bar(f"converting {folder.name}", "batches of images") as progress:
            dataset, left_out = import_images(folder, self.input, self.recipe, seed, skip, pool, progress, self.found)
        for each in left_out:
            print(f"Left out: {each.file} {each.reason}.")
        return MadeData(dataset, skipped=len(left_out))
