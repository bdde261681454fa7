"""images: somebody's images of glass and liquid."""

from pathlib import Path

from glassliquid.datasets.config import MakeDataConfig
from glassliquid.datasets.images import find_images, import_images, listing_digest
from glassliquid.datasets.source import MadeData, Source, recipe_of
from glassliquid.datasets.sources import SOURCES
from glassliquid.ensembles.workers import WorkerPool
from glassliquid.errors import UserError, one_line
from glassliquid.progress_bar import progress_bar


@SOURCES.register("images")
class Images(Source):
    """Converts the images; there is no ensemble."""

    unused = ("engine", "particles", "simulations", "cooling_steps", "snapshots", "inherent", "null", "first_step")

    def __init__(self, config: MakeDataConfig) -> None:
        """Find the images."""
        if config.input_folder is None:
            raise UserError("source is images, and input is none: pass the folder of the images as input.")
        self.config, self.input = config, config.input_folder
        images, _ = find_images(self.input)
        # The folder's name may be anything, and stands in texts from now on.
        name = config.ensemble or one_line(self.input.name)[:100]
        self.recipe = recipe_of(config, name, listing_digest(images, self.input, config.seed))

    def make(self, folder: Path, pool: WorkerPool) -> MadeData:
        """Convert, and print what could not be read."""
        seed, skip = self.config.seed, self.config.skip_unreadable
        with progress_bar(f"converting {folder.name}", "batches of images") as progress:
            dataset, left_out = import_images(folder, self.input, self.recipe, seed, skip, pool, progress)
        for each in left_out:
            print(f"Left out: {each.file} {each.reason}.")
        return MadeData(dataset, skipped=len(left_out))
