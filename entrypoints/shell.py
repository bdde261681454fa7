"""What the command lines share: options out of settings, errors in one sentence, signals."""

import contextlib
import ctypes
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Any

import click
from click.shell_completion import CompletionItem

from entrypoints import STOP_SIGNALS, STOPPED, exit_code
from glassliquid.errors import Abandoned, Stopped, TimeIsUp, UserError, did_you_mean, one_line
from glassliquid.files import storage_fault
from glassliquid.parameters import Parameter, from_texts, parameters_of

TIME_IS_UP_EXIT_CODE = 75
"""EX_TEMPFAIL of sysexits.h: the same command is to be run again."""
RUN_ID_VARIABLE = "MLFLOW_RUN_ID"
"""Set by `mlflow run`."""
_PR_SET_PDEATHSIG = 1
USER_ERROR_EXIT_CODE = 2
LOOK_AGAIN_S = 0.05
IMPORT_SYSTEM = "<frozen importlib"
"""What the files of Python's import system are called."""


class EntryPoint(click.Command):
    """A command whose options are the parameters of settings."""

    def __init__(
        self, name: str, parameters: Iterable[Parameter], call: Callable[..., None], about: str | None
    ) -> None:
        self.parameters = tuple(parameters)
        super().__init__(name, callback=call, params=[_option(each) for each in self.parameters], help=about)


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

        return EntryPoint(Path(call.__code__.co_filename).stem, parameters_of(cls), main, about)

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
        shell_complete=completion(parameter.kind),
    )


def completion(kind: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """What a shell completes a value to: the choices and words that a parameter takes, or a path."""

    def complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        if kind.startswith("PATH"):
            return [CompletionItem(incomplete, type="file")]
        words = (word for word in kind.split("|") if not word.isupper())
        return [CompletionItem(word) for word in words if word.startswith(incomplete)]

    return complete


def run(command: click.Command) -> None:
    """Run a command and end the process: 0 when it succeeded, one sentence and another code when not.

    Mistakes of the user, storage that is full or read-only, and requests to stop end in a sentence; anything else is a
    defect of the program and keeps its traceback.
    """
    # First: what comes next may take seconds.
    _end_with_mlflow()
    name = command.name or ""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # In a log file too, lines stand in the order in which they were written, among those of the other stream.
        sys.stdout.reconfigure(line_buffering=True)
    try:
        command.main(standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.UsageError as error:
        _end(_usage(error), USER_ERROR_EXIT_CODE, name)
    except UserError as error:
        _end(str(error), USER_ERROR_EXIT_CODE, name)
    except TimeIsUp as ended:
        _end(str(ended), TIME_IS_UP_EXIT_CODE, name)
    except Stopped as stopped:
        flag = signal.getsignal(signal.SIGINT)
        received = flag.received if isinstance(flag, StopFlag) else []
        code = exit_code(received[0] if received else signal.SIGTERM)
        _end(str(stopped), code, name, at_once=isinstance(stopped, Abandoned))
    except (KeyboardInterrupt, click.Abort) as error:
        # click makes the one of the other.
        cause = error.__cause__ or error
        code = exit_code(cause.number if isinstance(cause, Interrupted) else signal.SIGINT)
        _end(STOPPED, code, name, at_once=_has_other_threads())
    except MemoryError:
        _end(
            "The machine's memory is full: run fewer commands at once, or choose a smaller batch_size.",
            USER_ERROR_EXIT_CODE,
            name,
        )
    except Exception as error:
        reason = (storage_fault(error) if isinstance(error, OSError) else None) or _lost_store(error)
        if reason is None:
            raise
        _end(reason, USER_ERROR_EXIT_CODE, name)


def _lost_store(error: Exception) -> str | None:
    """The sentence of a tracking or artifact store that was lost outside of any run; None if the error tells of something else."""
    from glassliquid.tracking.store import raise_if_lost

    try:
        raise_if_lost(error)
    except UserError as lost:
        return str(lost)
    return None


def _usage(error: click.UsageError) -> str:
    """What is wrong with a command line, with the nearest parameter for one that does not exist."""
    if isinstance(error, click.NoSuchOption) and error.ctx is not None:
        asked = error.option_name.lstrip("-").replace("-", "_")
        known = [parameter.name for parameter in error.ctx.command.params if parameter.name]
        what = f"There is no parameter {asked!r}{did_you_mean(asked, known)}:"
        return one_line(f"{what} see --help for the parameters of {error.ctx.command.name}.")
    return one_line(f"{error.format_message()} See --help for what is allowed.")


class Interrupted(KeyboardInterrupt):
    """A signal has asked the process to end."""

    def __init__(self, number: int) -> None:
        """Take the signal."""
        super().__init__()
        self.number = number


def interrupt_on_terminate() -> None:
    """Let SIGTERM (from a cluster, or from `mlflow run` when it is interrupted) and a closed terminal act as Ctrl-C does.

    In the middle of an import they wait for its end: what compiled modules make of an interrupt is another error.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        if _is_importing(frame) and hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, lambda _alarm, now: interrupt(number, now))
            signal.setitimer(signal.ITIMER_REAL, LOOK_AGAIN_S)
        else:
            raise Interrupted(number)

    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)


def _is_importing(frame: FrameType | None) -> bool:
    """Whether the code that runs was called by an import."""
    while frame is not None:
        if frame.f_code.co_filename.startswith(IMPORT_SYSTEM):
            return True
        frame = frame.f_back
    return False


class StopFlag:
    """A handler of signals that notes them."""

    def __init__(self) -> None:
        """Nothing was received yet."""
        self.received: list[int] = []

    def __call__(self, number: int, _frame: object) -> None:
        """Note a signal, and say so for the first."""
        if not self.received:
            with contextlib.suppress(OSError):  # the terminal may be gone
                # On a terminal the cursor stands behind a bar, or behind ^C.
                print("\n" * sys.stderr.isatty() + "Stopping after this iteration ...", file=sys.stderr, flush=True)
        self.received.append(number)


def stop_flag() -> Callable[[], bool]:
    """From now on SIGTERM, SIGINT and a closed terminal only raise a flag; the function returned tells whether it is up."""
    flag = StopFlag()
    for number in STOP_SIGNALS:
        signal.signal(number, flag)
    return lambda: bool(flag.received)


def _end_with_mlflow() -> None:
    """Get SIGTERM when the `mlflow run` that started this command dies: it does not hand on its own SIGTERM.

    Only Linux tells a process of its parent's death; elsewhere the command continues to its end.
    """
    if RUN_ID_VARIABLE in os.environ and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _end(sentence: str, code: int, entry_point: str, at_once: bool = False) -> None:
    """Print why the command ends, and end the process; at once, it waits for no thread and takes nothing down."""
    with contextlib.suppress(OSError):  # the terminal may be gone
        print(f"Error: {sentence}" if code == USER_ERROR_EXIT_CODE else sentence, file=sys.stderr, flush=True)
    _note_on_run(sentence, entry_point)
    if at_once:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


def _has_other_threads() -> bool:
    """Whether Python would wait for threads at its end, such as those of an upload that hangs."""
    return any(not thread.daemon and thread is not threading.main_thread() for thread in threading.enumerate())


def _note_on_run(sentence: str, entry_point: str) -> None:
    """If the run of `mlflow run` was not opened yet, its page would not say why it failed."""
    if run_id := os.environ.get(RUN_ID_VARIABLE):
        from glassliquid.tracking.given_run import note_error

        note_error(run_id, sentence, entry_point)
