"""config: the parameters of an earlier run as a file that `glassliquid ... --config` takes."""

import shlex
from collections.abc import Callable, Iterable, Sequence

from glassliquid.errors import UserError, listed
from glassliquid.parameter_file import written
from glassliquid.parameters import Parameter
from glassliquid.tracking.metrics import is_run_id
from glassliquid.tracking.store import connect
from glassliquid.tracking.stored import find_run

TRAINING_PARTS = ("trial", "replicate")
"""Stages of training runs inside a sweep."""


def run(run_id: str, entry_points: Sequence[str], parameters_of: Callable[[str], Iterable[Parameter]]) -> str:
    """The file of a run's parameters.

    Args:
        run_id: the run.
        entry_points: the names of those that there are.
        parameters_of: gives the parameters of one.

    Raises:
        UserError: there is no such run, or it is none of this project.
    """
    connect()
    found = find_run(run_id) if is_run_id(run_id) else None
    if found is None:
        raise UserError(f"There is no run {run_id!r} in the tracking store: check the id on the MLflow page.")
    entry_point = "train" if found.stage in TRAINING_PARTS else found.stage
    if entry_point not in entry_points:
        raise UserError(
            f"The run {run_id} does not belong to an entry point ({found.stage or 'it has no stage'}): choose a run of {listed(entry_points)}."
        )
    texts = {name: unquoted(text) for name, text in found.params.items() if text != "None"}
    about = f"The parameters of the run {run_id} ({found.name}), for glassliquid {entry_point} --config"
    return written(entry_point, texts, parameters_of(entry_point), about)


def unquoted(text: str) -> str:
    """A parameter as it was typed: `mlflow run` keeps it as a shell would want it, `'a b'`."""
    try:
        words = shlex.split(text)
    except ValueError:  # it was kept as it is, with one quote in it
        return text
    return words[0] if len(words) == 1 else text
