"""Errors that a user can repair."""

import difflib
import re
from collections.abc import Iterable

LONGEST_MESSAGE = 2000
"""Characters of an error message; what it quotes of a file or a parameter may be of any length."""
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, which could steer a terminal, other ends of lines, and halves of characters, which no file takes."""


class UserError(Exception):
    """A mistake or a state of the machine that the user can repair.

    The message is one sentence: what was wrong, the value, what is allowed, what to do. Entry points print it without
    a traceback and exit with a non-zero code. Whatever of other people's texts it quotes, it stays one printable line.
    """

    def __init__(self, message: str) -> None:
        """Take the sentence, with what cannot be printed in it escaped, and its middle left out if it is endless."""
        super().__init__(one_line(message))


class Diverged(UserError):
    """A training run whose loss, gradient or weights are not finite any more: with the same settings it ends there every time."""

    def __init__(self, what: str, remedy: str = "lower the learning rate") -> None:
        """Say what happened, without a full stop, and what to do."""
        super().__init__(f"{what}: {remedy}.")
        self.what = what


class Stopped(Exception):
    """The process was asked to stop (SIGTERM, SIGINT or a time limit) and has put its work in order."""


class TimeIsUp(Stopped):
    """The time that the user gave the command is over, and its work is in order but not done: the same command continues it."""


class Abandoned(Stopped):
    """The process was asked to stop while something hung; threads that wait for that may still be there."""


def one_line(text: str) -> str:
    """The text as one line of printable characters, its middle left out beyond 2,000 characters."""
    line = _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], " ".join(text.split("\n")))
    if len(line) <= LONGEST_MESSAGE:
        return line
    half = LONGEST_MESSAGE // 2 - 10
    return f"{line[:half]} [...] {line[-half:]}"


def first_line_of(error: BaseException) -> str:
    """What somebody else's error says, without what follows its first line; its type if it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def listed(values: Iterable[object]) -> str:
    """The values as a comma-separated list, for error messages; `(none)` when there are none."""
    return ", ".join(str(value) for value in values) or "(none)"


def check_choice(what: str, value: str, allowed: Iterable[str]) -> None:
    """Raise UserError, which suggests the nearest, unless `value` is one of `allowed`."""
    choices = list(allowed)
    if value not in choices:
        hint = did_you_mean(value, choices)
        raise UserError(f"{what} is {value!r}, which is not known{hint}: choose one of {listed(choices)}.")


def did_you_mean(value: str, known: Iterable[str]) -> str:
    """` (did you mean 'compact'?)` for what is nearly a known name; empty if nothing is near."""
    near = difflib.get_close_matches(value, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def check_positive(what: str, value: float) -> None:
    """Raise UserError unless `value` is greater than zero and finite."""
    if not 0 < value < float("inf"):
        raise UserError(f"{what} is {value}, but it must be greater than zero: pass a positive number.")


def check_range(what: str, value: float, low: float, high: float) -> None:
    """Raise UserError unless low <= value <= high."""
    if not low <= value <= high:
        raise UserError(f"{what} is {value}, outside the allowed range {low} to {high}: pass a value in that range.")
