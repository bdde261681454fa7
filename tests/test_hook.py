"""What Python does in the project's .venv before anything else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HOOK = Path(__file__).parents[1] / "tools" / "no_conda" / "hook.py"
VARIABLE = "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"
PROGRAM = f"import os, runpy; runpy.run_path({str(HOOK)!r}); print(os.environ.get({VARIABLE!r}))"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"MLFLOW_TRACKING_URI": "https://anna:hidden@tracking.group"}, "true"),
        ({"MLFLOW_TRACKING_URI": "https://anna:hidden@tracking.group", VARIABLE: "false"}, "false"),
        ({"MLFLOW_TRACKING_URI": "https://tracking.group"}, "None"),
        ({}, "None"),
    ],
)
def test_a_run_page_is_not_printed_where_its_address_holds_a_password(variables: dict[str, str], expected: str):
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    done = subprocess.run(
        [sys.executable, "-S", "-c", PROGRAM], env={**kept, **variables}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == expected
