"""Command lines for a user to paste, written the way in which this process was started."""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

CONSOLE = "glassliquid"
"""The console command."""
CONSOLE_VARIABLE = "GLASSLIQUID_CONSOLE"
"""Set by a chain that the console command has started, for its steps; never set by hand."""
USUAL_FOLDER = "data"
"""The data_dir that a command line need not name."""
MANAGER = "--env-manager"


def command_line(entry_point: str, parameters: Mapping[str, str], flags: Sequence[str] = ()) -> str:
    """The line that starts an entry point: `mlflow run ...`, or `glassliquid ...` if this process was started so.

    Args:
        entry_point: its name.
        parameters: its parameters, as texts.
        flags: further words for `mlflow run`; the manager of environments that was given to the one that started this process
            need not be among them.
    """
    if by_console():
        options = (word for name, text in parameters.items() for word in (f"--{name.replace('_', '-')}", text))
        return shlex.join([CONSOLE, entry_point, *options])
    values = (word for name, text in parameters.items() for word in ("-P", f"{name}={text}"))
    manager = [] if MANAGER in flags else _typed_manager()
    return shlex.join(["mlflow", "run", project_address(), "-e", entry_point, *manager, *flags, *values])


def option(name: str, value: object) -> str:
    """One parameter as the user would add it to the command line that started this process."""
    return f"--{name.replace('_', '-')} {value}" if by_console() else f"-P {name}={value}"


def where(data_dir: Path) -> dict[str, str]:
    """The parameter data_dir of a command line; none for the folder that it need not name."""
    return {} if str(data_dir) == USUAL_FOLDER else {"data_dir": str(data_dir)}


def by_console() -> bool:
    """Whether this process is the console command, or a step of a chain that is."""
    return Path(sys.argv[0]).stem == CONSOLE or CONSOLE_VARIABLE in os.environ


def project_address() -> str:
    """What names the project where the user is: `.`, or its path if `mlflow run PROJECT` was started in another folder.

    MLflow starts a command in the project's folder; where it was itself started only its process tells.
    """
    import psutil

    project = Path(__file__).resolve().parents[2]
    if not (project / "MLproject").is_file():  # the package is installed elsewhere
        project = Path.cwd()
    try:
        there = Path(psutil.Process(os.getppid()).cwd())
    except (OSError, psutil.Error):
        return "."
    return "." if there == project else str(project)


def _typed_manager() -> list[str]:
    """`--env-manager NAME` as the user has typed it; empty if it was left out, or this process was started otherwise."""
    import psutil

    try:
        words = psutil.Process(os.getppid()).cmdline()
    except (OSError, psutil.Error):
        return []
    return [MANAGER, words[words.index(MANAGER) + 1]] if MANAGER in words[:-1] else []
