"""What the command lines share: options out of settings, errors in one sentence, signals."""

import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

import click

from glassliquid.errors import Abandoned, Stopped, UserError, one_line
from glassliquid.files import storage_fault
from glassliquid.parameters import Parameter, from_texts, parameters_of

STOPPED_EXIT_CODE = 143
RUN_ID_VARIABLE = "MLFLOW_RUN_ID"
"""Set by `mlflow run`."""
_END_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
_PR_SET_PDEATHSIG = 1
USER_ERROR_EXIT_CODE = 2


class EntryPoint(click.Command):
    """A command whose options are the parameters of settings."""

    def __init__(self, parameters: Iterable[Parameter], call: Callable[..., None], about: str | None) -> None:
        self.parameters = tuple(parameters)
        super().__init__("main", callback=call, params=[_option(each) for each in self.parameters], help=about)


def entry_point(cls: type[Any], about: str | None) -> Callable[[Callable[[Any], None]], EntryPoint]:
    """Make a function of checked settings a command, whose options are the settings' parameters.

    From its first moment a signal ends the command as Ctrl-C does.

    Args:
        cls: the class of settings that the function takes.
        about: what the command does, for `--help`.
    """

    def command(call: Callable[[Any], None]) -> EntryPoint:
        def main(**texts: str) -> None:
            interrupt_on_terminate()
            call(from_texts(cls, texts))

        return EntryPoint(parameters_of(cls), main, about)

    return command


def _option(parameter: Parameter) -> click.Option:
    """--batch-size and --batch_size are the same. The text is read with all others, by the class of settings."""
    spellings = dict.fromkeys((f"--{parameter.name.replace('_', '-')}", f"--{parameter.name}"))
    return click.Option(
        [*spellings, parameter.name],
        default=parameter.default,
        show_default=True,
        metavar=parameter.kind,
        help=parameter.sentence,
    )


def run(command: click.Command) -> None:
    """Run a command and end the process: 0 when it succeeded, one sentence and another code when not.

    Mistakes of the user, storage that is full or read-only, and requests to stop end in a sentence; anything else is a
    defect of the program and keeps its traceback.
    """
    # First: what comes next may take seconds.
    _end_with_mlflow()
    try:
        command.main(standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.UsageError as error:
        _end(one_line(f"{error.format_message()} See --help for what is allowed."), USER_ERROR_EXIT_CODE)
    except UserError as error:
        _end(str(error), USER_ERROR_EXIT_CODE)
    except Stopped as stopped:
        _end(str(stopped), STOPPED_EXIT_CODE, at_once=isinstance(stopped, Abandoned))
    except (KeyboardInterrupt, click.Abort):
        sentence = "Stopped; run the same command again to go on with what is missing."
        _end(sentence, STOPPED_EXIT_CODE, at_once=_has_other_threads())
    except MemoryError:
        _end(
            "The machine's memory is full: run fewer commands at once, or choose a smaller batch_size.",
            USER_ERROR_EXIT_CODE,
        )
    except Exception as error:
        reason = (storage_fault(error) if isinstance(error, OSError) else None) or _lost_store(error)
        if reason is None:
            raise
        _end(reason, USER_ERROR_EXIT_CODE)


def _lost_store(error: Exception) -> str | None:
    """The sentence of a tracking or artifact store that was lost outside of any run; None if the error tells of something else."""
    from glassliquid.tracking.store import raise_if_lost

    try:
        raise_if_lost(error)
    except UserError as lost:
        return str(lost)
    return None


def interrupt_on_terminate() -> None:
    """Let SIGTERM (from a cluster, or from `mlflow run` when it is interrupted) and a closed terminal act as Ctrl-C does."""

    def interrupt(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    for number in _END_SIGNALS:
        signal.signal(number, interrupt)


def stop_flag() -> Callable[[], bool]:
    """From now on SIGTERM, SIGINT and a closed terminal only raise a flag; the function returned tells whether it is up."""
    raised: list[int] = []

    def raise_flag(number: int, _frame: object) -> None:
        if not raised:
            with contextlib.suppress(OSError):  # the terminal may be gone
                print("Stopping after this iteration ...", file=sys.stderr, flush=True)
        raised.append(number)

    for number in (*_END_SIGNALS, signal.SIGINT):
        signal.signal(number, raise_flag)
    return lambda: bool(raised)


def _end_with_mlflow() -> None:
    """Get SIGTERM when the `mlflow run` that started this command dies: it does not hand on its own SIGTERM.

    Only Linux tells a process of its parent's death; elsewhere the command goes on to its end.
    """
    if RUN_ID_VARIABLE in os.environ and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _end(sentence: str, code: int, at_once: bool = False) -> None:
    """Print why the command ends, and end the process; at once, it waits for no thread and takes nothing down."""
    with contextlib.suppress(OSError):  # the terminal may be gone
        print(f"Error: {sentence}" if code == USER_ERROR_EXIT_CODE else sentence, file=sys.stderr, flush=True)
    _note_on_run(sentence)
    if at_once:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


def _has_other_threads() -> bool:
    """Whether Python would wait for threads at its end, such as those of an upload that hangs."""
    return any(not thread.daemon and thread is not threading.main_thread() for thread in threading.enumerate())


def _note_on_run(sentence: str) -> None:
    """If the run of `mlflow run` was not opened yet, its page would not say why it failed."""
    if run_id := os.environ.get(RUN_ID_VARIABLE):
        from glassliquid.tracking.given_run import note_error

        note_error(run_id, sentence)
