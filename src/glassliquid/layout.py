"""Where things lie under data_dir."""

from dataclasses import dataclass
from pathlib import Path

from glassliquid.datasets import description
from glassliquid.ensembles import ensemble
from glassliquid.files import check_name


@dataclass(frozen=True)
class Layout:
    """The folders of one data_dir."""

    data_dir: Path

    def ensemble(self, name: str) -> Path:
        """Folder of an ensemble."""
        return self.data_dir / ensemble.FOLDER / check_name("ensemble", name)

    def dataset(self, name: str) -> Path:
        """Folder of a dataset."""
        return self.data_dir / description.FOLDER / description.check_dataset_name(name)

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
