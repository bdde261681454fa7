"""What the command lines share: options under both spellings, values in words, errors in one sentence."""

import contextlib
import ctypes
import math
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import click

from glassliquid.errors import Stopped, UserError, one_line
from glassliquid.files import storage_fault

STOPPED_EXIT_CODE = 143
RUN_ID_VARIABLE = "MLFLOW_RUN_ID"
"""Set by `mlflow run`."""
_END_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
_PR_SET_PDEATHSIG = 1
USER_ERROR_EXIT_CODE = 2
_MOST_DIGITS = 30
_LONGEST_TEXT = 1900
"""Characters of a parameter; all 201 snapshot indices, or forty models, are fewer."""


class _Value(click.ParamType):
    """A value read by `read`, which raises ValueError for what is not one; some words stand for None."""

    name = "value"

    def __init__(self, read: Callable[[str], Any], allowed: str, words: tuple[str, ...] = ()) -> None:
        self._read, self._allowed, self._words = read, allowed, words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002 - click's signature
        if not isinstance(value, str):
            return value
        if value in self._words:
            return None
        try:
            return self._read(value)
        except ValueError:
            name = param.name if param is not None else "a value"
            words = "".join(f" or {word}" for word in self._words)
            raise UserError(f"{name} is {value!r}: pass {self._allowed}{words}.") from None


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()] if text.lower() in ("true", "false") else _refuse()


def _refuse() -> bool:
    raise ValueError


def _number(text: str) -> float:
    number = float(text)
    if math.isnan(number):
        raise ValueError
    return number


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError
    return int(text)


def _text(text: str) -> str:
    # Neither a file system, nor a database, nor a terminal takes them well.
    if not text.strip() or len(text) > _LONGEST_TEXT or one_line(text) != text:
        raise ValueError
    return text


INTEGER = _Value(_whole, "a whole number")
NUMBER = _Value(_number, "a number such as 0.001")
BOOLEAN = _Value(_boolean, "true or false")
TEXT = _Value(_text, "a name")
AUTO_INTEGER = _Value(_whole, "a whole number", ("auto",))
AUTO_TEXT = _Value(_text, "a name", ("auto",))
OPTIONAL_INTEGER = _Value(_whole, "a whole number", ("none",))
OPTIONAL_NUMBER = _Value(_number, "a number such as 1.5", ("none",))
OPTIONAL_TEXT = _Value(_text, "a name", ("none",))


def option(name: str, kind: click.ParamType, default: str, text: str) -> Callable[[Any], Any]:
    """An option that MLproject declares under `name`; --batch-size and --batch_size are the same."""
    spellings = dict.fromkeys((f"--{name.replace('_', '-')}", f"--{name}"))
    return click.option(*spellings, name, type=kind, default=default, show_default=True, help=text)


model_option = option(
    "model",
    AUTO_TEXT,
    "auto",
    "Run id, runs:/..., models:/... or checkpoint file; auto is models:/glass-liquid@DATASET.",
)
"""One saved model, for the commands that use it on a dataset."""


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
        _end(str(stopped), STOPPED_EXIT_CODE)
    except (KeyboardInterrupt, click.Abort):
        _end("Stopped; run the same command again to go on with what is missing.", STOPPED_EXIT_CODE)
    except MemoryError:
        _end(
            "The machine's memory is full: run fewer commands at once, or choose a smaller batch_size.",
            USER_ERROR_EXIT_CODE,
        )
    except OSError as error:
        sentence = storage_fault(error)
        if sentence is None:
            raise
        _end(sentence, USER_ERROR_EXIT_CODE)


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


def _end(sentence: str, code: int) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone
        print(f"Error: {sentence}" if code == USER_ERROR_EXIT_CODE else sentence, file=sys.stderr, flush=True)
    _note_on_run(sentence)
    sys.exit(code)


def _note_on_run(sentence: str) -> None:
    """If the run of `mlflow run` was not opened yet, its page would not say why it failed."""
    if run_id := os.environ.get(RUN_ID_VARIABLE):
        from glassliquid.tracking.run import note_error

        note_error(run_id, sentence)
