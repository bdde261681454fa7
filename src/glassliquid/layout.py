"""Where things lie under data_dir, and what they may be called."""

import re
from dataclasses import dataclass
from pathlib import Path

from glassliquid.errors import UserError
from glassliquid.files import check_name


@dataclass(frozen=True)
class Layout:
    """The folders of one data_dir."""

    data_dir: Path

    @property
    def ensembles(self) -> Path:
        """Folder of all ensembles."""
        return self.data_dir / "ensembles"

    def ensemble(self, name: str) -> Path:
        """Folder of an ensemble."""
        return self.ensembles / check_name("ensemble", name)

    def dataset(self, name: str) -> Path:
        """Folder of a dataset."""
        return self.data_dir / "datasets" / check_dataset_name(name)

    @property
    def runs(self) -> Path:
        """Folder of the checkpoints and journals of training runs, one folder a run id."""
        return self.data_dir / "runs"

    @property
    def steps(self) -> Path:
        """Folder of the locks by which chains wait for each other, one folder a step's fingerprint."""
        return self.runs / ".steps"

    def pictures(self, name: str) -> Path:
        """Folder of what `visualize` draws of one model and dataset."""
        return self.data_dir / "pictures" / name

    def sweep(self, study: str) -> Path:
        """Folder of a sweep's study."""
        return self.data_dir / "sweeps" / check_name("study", study)

    def transition(self, ensemble: str, key: str) -> Path:
        """Folder of what the training runs of `transition` have found on an ensemble, with the settings that the key stands for."""
        return self.data_dir / "transitions" / f"{check_name('ensemble', ensemble)}-{key}"


def check_dataset_name(name: str, what: str = "dataset") -> str:
    """Return `name` if a dataset may have it: it is also the alias of the best model trained on the dataset.

    Args:
        name: the name.
        what: the parameter that gave it, for the message.

    Raises:
        UserError: it is not a plain name, or MLflow reserves it.
    """
    check_name(what, name)
    if "." in name or name == "latest" or re.fullmatch(r"[vV]\d+", name):
        raise UserError(
            f"{what} is {name!r}, which cannot be the alias of a registered model: use letters, digits, dashes and "
            "underscores, but neither latest nor a version such as v1."
        )
    return name
