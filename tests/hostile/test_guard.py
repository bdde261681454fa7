"""The guard itself: whatever an input must not do, it notices."""

import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from glassliquid.errors import UserError
from glassliquid.memory import keep_freed_memory
from tests.hostile import guard
from tests.hostile.guard import Sandbox, Violation

MOST_MIB = 64


def refuse(sentence: str) -> None:
    raise UserError(sentence)


def complain(text: str) -> None:
    """End as no command may, since UserError itself makes one line of everything."""
    print(f"Error: {text}", file=sys.stderr)
    sys.exit(2)


class Unfinished:
    def __del__(self) -> None:
        raise ValueError("left open")


def fail_in_a_thread() -> None:
    thread = threading.Thread(target=lambda: {}["no such key"])
    thread.start()
    thread.join()


def fill_memory() -> None:
    assert bytes([1]) * (2 * MOST_MIB << 20)


OFFENCES: dict[str, tuple[Callable[[Path], object], str]] = {
    "traceback": (lambda root: {}["no such key"], "KeyError"),
    "traceback of a thread": (lambda root: fail_in_a_thread(), "KeyError"),
    "traceback of a finalizer": (lambda root: Unfinished(), "left open"),
    "another exit code": (lambda root: sys.exit(1), "ended with 1"),
    "no error": (lambda root: sys.exit(2), "no sentence"),
    "two lines": (lambda root: complain("One line.\nAnother line."), "no sentence"),
    "a control character": (lambda root: complain("A bell \a rings."), "no sentence"),
    "no sentence": (lambda root: refuse("What was wrong"), "no sentence"),
    "an error that no user can fix": (lambda root: (root / "store" / "missing").read_text(), "FileNotFoundError"),
    "a file elsewhere": (lambda root: (root / "outside" / "new").write_text(""), "wrote"),
    "a file changed": (lambda root: (root / "outside" / "thesis.tex").open("r+").close(), "wrote"),
    "a file moved": (lambda root: (root / "outside" / "thesis.tex").rename(root / "store" / "mine"), "wrote"),
    "a link elsewhere": (lambda root: (root / "outside" / "link").symlink_to(root), "wrote"),
    "a folder elsewhere": (lambda root: (root / "new").mkdir(), "wrote"),
    "a program": (lambda root: subprocess.run(["true"], check=True), "ran"),
    "a shell": (lambda root: os.system("true"), "ran"),
    "a pickle": (lambda root: pickle.loads(pickle.dumps(Sandbox)), "unpickled"),
    "memory": (lambda root: fill_memory(), "MiB"),
    "waiting": (lambda root: time.sleep(5), "hung"),
}


def test_memory_that_was_freed_before_counts_again(tmp_path: Path):
    """Training runs keep what they free; an input after them uses it again."""
    keep_freed_memory()
    fill_memory()
    sandbox = Sandbox(tmp_path / "root")
    with pytest.raises(Violation, match="MiB"):
        sandbox.attempt("guard", fill_memory, MOST_MIB)


@pytest.mark.parametrize("name", OFFENCES)
def test_an_offence_is_noticed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(guard, "DEADLINE_S", 0.5)
    sandbox, (action, noticed) = Sandbox(tmp_path / "root"), OFFENCES[name]
    with pytest.raises(Violation, match=noticed):
        sandbox.attempt("guard", lambda: action(sandbox.root), MOST_MIB)


def test_what_is_allowed(tmp_path: Path):
    sandbox = Sandbox(tmp_path / "root")
    allowed: list[Callable[[], object]] = [
        lambda: (sandbox.data / "new").write_text("mine"),
        lambda: print("a warning", file=sys.stderr),
        lambda: sys.exit(0),
    ]
    for action in allowed:
        assert sandbox.attempt("guard", action, MOST_MIB) is None
    assert sandbox.attempt("guard", lambda: refuse("It was 3: pass 4."), MOST_MIB) == "It was 3: pass 4."
    tally = sandbox.tally("guard")
    assert (tally.generated, tally.accepted, tally.rejected, tally.faults) == (4, 3, 1, [])
