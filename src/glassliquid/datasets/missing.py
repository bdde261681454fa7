"""What is said of a dataset that is not there."""

from collections.abc import Sequence
from pathlib import Path

from glassliquid.command_line import command_line, where
from glassliquid.errors import UserError, did_you_mean, listed


def no_dataset(folder: Path, known: Sequence[str]) -> UserError:
    """The error that says which there are, the nearest one, and the line that makes it.

    Args:
        folder: where it would be.
        known: names of the datasets that are there.
    """
    name, data_dir = folder.name, str(folder.parents[1])
    line = command_line("make_data", {"name": name} | where(folder.parents[1]))
    if not folder.parents[1].is_dir():
        return UserError(
            f"data_dir is {data_dir!r}, which does not exist, so there is no dataset {name!r}: pass another folder, or make the "
            f"dataset with {line} and the snapshot indices that you want."
        )
    return UserError(
        f"There is no dataset {name!r} in {folder.parent}{did_you_mean(name, known)} (there: {listed(known)}): make it with {line} and "
        "the snapshot indices that you want."
    )
