"""A trainer without a tracked run, for tests of networks."""

from collections.abc import Mapping
from pathlib import Path

from glassliquid.sessions.training_run import TrainingSplits
from glassliquid.training.config import TrainConfig
from glassliquid.training.trainer import Trainer


class Nobody:
    """A recorder that keeps nothing."""

    def record(self, iteration: int, metrics: Mapping[str, float]) -> None:
        """Pass over the metrics."""


def trainer(splits: TrainingSplits, config: TrainConfig, folder: Path) -> Trainer:
    """A trainer that writes its checkpoints into a folder, which is made."""
    folder.mkdir(exist_ok=True)
    return Trainer(config, splits.data, splits.validate, Nobody(), folder, "run")
