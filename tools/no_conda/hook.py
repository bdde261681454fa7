"""Tell MLflow about the stand-in for conda, if this machine has no conda, and to keep a password off the screen.

`mlflow run` starts a conda project with conda and knows no setting to do otherwise, except where conda lives:
MLFLOW_CONDA_HOME. Python runs this file whenever it starts in the project's .venv, so that the literal
`mlflow run . -e train` works there, however the .venv was activated and without any `conda` on the PATH. It
only looks at the environment: a conda that is installed later, or a setting of the user's, wins at once.
"""

import os

HOME = ""  # tools/no_conda/install.py writes the folder here


def name_stand_in() -> None:
    """Set MLFLOW_CONDA_HOME, unless there is a real conda or the user has set it."""
    current = os.environ.get("MLFLOW_CONDA_HOME", "")
    if current and "glassliquid-no-conda" not in current:
        return
    folders = os.environ.get("PATH", "").split(os.pathsep)
    if "CONDA_EXE" in os.environ or any(os.access(os.path.join(f, "conda"), os.X_OK) for f in folders):
        # Another clone's .venv may have handed its own stand-in down to this process.
        os.environ.pop("MLFLOW_CONDA_HOME", None)
    else:
        os.environ["MLFLOW_CONDA_HOME"] = HOME


def hide_password() -> None:
    """Let MLflow not print the address of a run's page where the server's address, a part of it, holds a password."""
    if "@" in os.environ.get("MLFLOW_TRACKING_URI", ""):
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")


name_stand_in()
hide_password()
