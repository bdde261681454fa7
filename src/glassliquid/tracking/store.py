"""Which tracking server or database is used, and how long its failures may take."""

import os
from pathlib import Path

from glassliquid.errors import UserError
from glassliquid.files import locked

DATABASE = "mlflow.db"

_SETTINGS = {
    # MLflow's own limits let one call hang for four minutes when the server is gone.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    # Bars for copies that take a moment bury the results.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def connect(folder: Path | None = None) -> str:
    """Set MLflow's tracking store up for this process and return its address.

    It is MLFLOW_TRACKING_URI if that is set (`mlflow run` sets it), else the database `mlflow.db` in `folder`, by
    default the present one. A fresh database gets its tables under a lock, because MLflow's own set-up fails when
    two processes do it at once.

    Raises:
        UserError: the store cannot be reached.
    """
    import mlflow

    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    where = Path.cwd() if folder is None else folder
    address = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{where.resolve() / DATABASE}"
    mlflow.set_tracking_uri(address)
    try:
        if address.startswith("sqlite:///"):
            # Without a word: the workers of a sweep come here for every trial, and each is through in a moment.
            with locked(_lock_folder(Path(address.removeprefix("sqlite:///")).parent), None):
                mlflow.MlflowClient().search_experiments(max_results=1)
        else:
            mlflow.MlflowClient().search_experiments(max_results=1)
    except Exception as error:
        if isinstance(error, UserError):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise UserError(
            f"The tracking store {address} cannot be used ({reason}): start the server or correct MLFLOW_TRACKING_URI."
        ) from error
    return address


def _lock_folder(folder: Path) -> Path:
    return folder / "mlruns"
