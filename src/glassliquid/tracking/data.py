"""Data as MLflow describes them, and the tags by which their runs are found."""

import warnings
from pathlib import Path
from typing import Any

from glassliquid.datasets.description import Dataset
from glassliquid.tracking import tag


def dataset_tags(dataset: Dataset) -> dict[str, str]:
    """The tags by which the runs of a dataset are found."""
    return {tag.DATASET: dataset.name, tag.DATASET_DIGEST: dataset.digest}


def mlflow_input(name: str, digest: str, folder: Path, context: str) -> Any:
    """Data as MLflow describes them, and what a run uses them for.

    Args:
        name: of the dataset.
        digest: of the pixels.
        folder: where it is.
        context: such as training.
    """
    from mlflow.entities import DatasetInput, InputTag
    from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

    return DatasetInput(
        _mlflow_dataset(name, digest, folder)._to_mlflow_entity(), [InputTag(MLFLOW_DATASET_CONTEXT, context)]
    )


def _mlflow_dataset(name: str, digest: str, folder: Path) -> Any:
    from mlflow.data.dataset_source_registry import resolve_dataset_source
    from mlflow.data.meta_dataset import MetaDataset

    with warnings.catch_warnings():
        # MLflow knows two equal readers for a local folder, and says so each time.
        warnings.simplefilter("ignore")
        source = resolve_dataset_source(str(folder))
    # MLflow's class leaves a property abstract without saying so to Python.
    return MetaDataset(source, name=name, digest=digest)  # type: ignore[abstract]
