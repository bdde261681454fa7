"""The command lines, one module per entry point of MLproject: parse, build a config, call the package.

Started as `python -m entrypoints.train` in the folder of a clone, they run the code of that clone, whatever else is
installed: its `src` goes to the front of Python's path here.
"""

import gc
import os
import signal
import sys
from pathlib import Path

STOPPED = "Stopped; run the same command again to continue with what is missing."
STOP_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGINT") if hasattr(signal, name))


def exit_code(number: int) -> int:
    """What a command that a signal has stopped ends with: 130 after Ctrl-C, else 143."""
    return 130 if number == signal.SIGINT else 143


def _end_at_once(number: int, _frame: object) -> None:
    """Nothing has begun: Python is still importing what reads the command line."""
    os.write(sys.__stderr__.fileno() if sys.__stderr__ is not None else 2, f"{STOPPED}\n".encode())
    os._exit(exit_code(number))


def _is_command_line() -> bool:
    """Whether this process is a command, and not a test or a worker that imports one."""
    words = sys.orig_argv[1:3]
    return (words[:1] == ["-m"] and words[1].startswith(f"{__name__}.")) or Path(
        words[0] if words else ""
    ).stem == "glassliquid"


if _is_command_line():
    # Until `glassliquid.memory.collect_garbage`.
    gc.disable()
    for _number in STOP_SIGNALS:
        if signal.getsignal(_number) is not signal.SIG_IGN:
            signal.signal(_number, _end_at_once)

SOURCE = str(Path(__file__).resolve().parents[1] / "src")
if sys.path[:1] != [SOURCE]:
    sys.path.insert(0, SOURCE)

# PyTorch's threads spin while they wait for one another at every layer. On a machine that does anything else besides,
# a small network then trains at an eighth of its speed; with a short spin at two thirds, and alone at its full speed
# within the noise (docs/LOG.md). GNU OpenMP, which PyTorch's wheels for Linux bring, reads this when it is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
# A research tool does not report its use to anybody; MLflow's thread for that also changes the environment at any time.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
