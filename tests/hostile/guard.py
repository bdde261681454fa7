"""Watches what one bad input does: what it writes, starts and unpickles, how long it takes, how much memory, how it ends."""

import contextlib
import ctypes
import io
import os
import re
import resource
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from entrypoints import shell
from tests.hostile.figures import Tally

DEADLINE_S = 120.0
"""Nothing takes seconds, and on a machine with other work ten times as long."""
SPARE_BYTES = 12 << 30
"""Address space that an input may ask for; what asks for more gets a MemoryError instead of the machine's memory."""
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {"os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.chmod", "os.chown", "shutil.rmtree"}
_PAIRS = {"os.rename", "os.link", "os.symlink"}
_STARTS = {"os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
LONGEST_SENTENCE = 2500
_TRACEBACK = "Traceback (most recent call last)"


class Hung(BaseException):
    """An input that was not done with by the deadline."""


class Violation(AssertionError):
    """An input did what no input may do."""


@dataclass
class Sandbox:
    """A folder in which commands may write to some places and not to others."""

    root: Path
    collect: bool = False
    tallies: dict[str, Tally] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for folder in (*self.allowed, self.outside):
            folder.mkdir(parents=True, exist_ok=True)
        (self.outside / "thesis.tex").write_text("ten years of work")

    @property
    def data(self) -> Path:
        """Stands for data_dir."""
        return self.root / "data"

    @property
    def allowed(self) -> tuple[Path, ...]:
        """data_dir, the artifact store with its database, and the system's folder of temporary files."""
        return self.data, self.root / "store", self.root / "tmp"

    @property
    def outside(self) -> Path:
        """Somebody's own files."""
        return self.root / "outside"

    @property
    def canary(self) -> Path:
        """Appears if hostile code runs."""
        return self.root / "canary"

    def tally(self, target: str) -> Tally:
        return self.tallies.setdefault(target, Tally(target))

    def attempt(
        self,
        target: str,
        action: Callable[[], object],
        most_mib: float,
        starts: tuple[str, ...] = ("git", "/usr/bin/git"),
        unpickles: bool = False,
    ) -> str | None:
        """Do something with one input, which must be accepted or end in one sentence.

        Args:
            target: what is attacked, for the figures.
            action: uses the input; checks what it is given, if anything. It runs as the body of an entry point, whose exit
                code and printed error count.
            most_mib: memory that it may take beyond what the process has.
            starts: programs that it may start.
            unpickles: whether Python's own unpickler may be used, as between the processes of a pool.

        Returns:
            The sentence; None if the input was accepted.
        """
        tally = self.tally(target)
        tally.generated += 1
        faults: list[str] = []
        sentence: str | None = None
        watch = _Watch(self, starts, unpickles)
        _give_memory_back()
        _reset_peak()
        before = _status("VmRSS")
        try:
            with watch, _temporary_files(self.root / "tmp"), _deadline(DEADLINE_S), _address_space():
                code, printed = _as_a_command(action)
            if code:
                error = re.search(r"^Error: (.*)\n\Z", printed, re.DOTALL | re.MULTILINE)
                sentence = error[1] if error else ""
                faults += [f"ended with {code}: {printed}"] * (code != shell.USER_ERROR_EXIT_CODE)
            if _TRACEBACK in printed:
                tally.tracebacks += 1
                faults.append(printed)
        except Hung:
            tally.hung += 1
            faults.append(f"hung: {traceback.format_exc()}")
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) or type(error).__module__.startswith("hypothesis"):
                raise
            tally.tracebacks += 1
            faults.append(f"traceback: {traceback.format_exc()}")
        peak = (_status("VmHWM") - before) / 1024
        tally.peak_mib = max(tally.peak_mib, round(peak, 1))
        if peak > most_mib:
            faults.append(f"took {peak:.0f} MiB, and {most_mib} are the bound")
        if watch.ran or self.canary.exists():
            tally.executed += 1
            self.canary.unlink(missing_ok=True)
            faults.append(f"ran {watch.ran or 'the canary'}")
        if watch.wrote or (changed := self._changed()):
            tally.wrote_outside += 1
            faults.append(f"wrote {watch.wrote or changed}")
        if sentence is not None:
            tally.rejected += 1
            faults += [f"no sentence: {sentence!r}"] * (not is_one_sentence(sentence))
        elif not faults:
            tally.accepted += 1
        if faults:
            if not self.collect:
                raise Violation("\n".join(faults))
            tally.faults += faults
        return sentence

    def _changed(self) -> str | None:
        """What C libraries write, Python's audit does not see."""
        here = {path.name for path in self.root.iterdir()} - {"data", "store", "tmp", "outside", "canary", "input"}
        text = (self.outside / "thesis.tex").read_text() if (self.outside / "thesis.tex").exists() else "gone"
        if here or text != "ten years of work" or len(list(self.outside.iterdir())) != 1:
            return f"{here or ''} {[path.name for path in self.outside.iterdir()]} {text[:40]!r}"
        return None


def _as_a_command(action: Callable[[], object]) -> tuple[int | str | None, str]:
    """Do something as the body of an entry point; the exit code, and what is printed as errors are."""

    def callback() -> None:
        action()

    code: int | str | None = 0
    before, sys.argv = sys.argv, ["entry point"]
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed), _printed_errors():
            shell.run(click.Command("entry point", callback=callback))
    except SystemExit as ended:
        code = ended.code
    finally:
        sys.argv = before
    return code, printed.getvalue()


def is_one_sentence(text: str) -> bool:
    """Whether a message is one line of text without control characters, not endless, and ends as a sentence does."""
    return bool(text.strip()) and not _CONTROL.search(text) and len(text) <= LONGEST_SENTENCE and text.endswith(".")


class _Watch:
    """Hears of writes, started programs and unpickled classes through Python's audit events, from all threads."""

    def __init__(self, sandbox: Sandbox, starts: tuple[str, ...], unpickles: bool) -> None:
        self._allowed = tuple(os.path.realpath(folder) for folder in sandbox.allowed)
        self._starts, self._unpickles = starts, unpickles
        self.wrote: list[str] = []
        self.ran: list[str] = []

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & _WRITES and isinstance(path, str | bytes | os.PathLike):
                self._wrote(path, follow=not flags & getattr(os, "O_NOFOLLOW", 0), how=event)
        elif event in _CHANGES:
            self._wrote(arguments[0], follow=False, how=event)
        elif event in _PAIRS:
            self._wrote(arguments[1], follow=False, how=event)
            if event == "os.rename":
                self._wrote(arguments[0], follow=False, how=event)
        elif event in _STARTS:
            program = arguments[1][0] if event == "subprocess.Popen" and arguments[1] else arguments[0]
            if str(program) not in self._starts:
                self.ran.append(f"{event} {arguments[:2]!r}"[:300])
        elif event == "pickle.find_class" and not self._unpickles:
            self.ran.append(f"unpickled {arguments[0]}.{arguments[1]}")

    def _wrote(self, path: Any, follow: bool, how: str) -> None:
        if isinstance(path, int):
            return
        text = os.fsdecode(path)
        if "\0" in text or text == os.devnull or "__pycache__" in text:
            return
        whole = os.path.abspath(text)  # noqa: PTH100 - pathlib would follow links
        folder, name = os.path.split(whole)
        real = os.path.realpath(whole) if follow else f"{os.path.realpath(folder)}{os.sep}{name}"
        if not any(real == root or real.startswith(root + os.sep) for root in self._allowed):
            self.wrote.append(f"{real} ({how})")

    def __enter__(self) -> None:
        _WATCHES.append(self)

    def __exit__(self, *exception: object) -> None:
        _WATCHES.remove(self)


_WATCHES: list[_Watch] = []


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if _WATCHES and (event == "open" or event in _HEARD):
        for watch in tuple(_WATCHES):
            watch.hear(event, arguments)


_HEARD = _CHANGES | _PAIRS | _STARTS | {"pickle.find_class"}
sys.addaudithook(_hear)


@contextlib.contextmanager
def _printed_errors() -> Iterator[None]:
    """Errors in other threads and in finalizers are printed, as outside of pytest, which keeps them for itself."""
    before = threading.excepthook, sys.unraisablehook
    threading.excepthook, sys.unraisablehook = threading.__excepthook__, sys.__unraisablehook__
    try:
        yield
    finally:
        threading.excepthook, sys.unraisablehook = before


@contextlib.contextmanager
def _temporary_files(folder: Path) -> Iterator[None]:
    before = tempfile.tempdir
    tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


@contextlib.contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Raise Hung in the block after a while; the alarm that pytest-timeout has set continues afterwards."""

    def ring(_number: int, _frame: object) -> None:
        raise Hung

    handler = signal.signal(signal.SIGALRM, ring)
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, left)


@contextlib.contextmanager
def _address_space() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_status("VmSize") * 1024 + SPARE_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _give_memory_back() -> None:
    """Return what was freed before to the system: an input that used it again would seem to take nothing."""
    with contextlib.suppress(AttributeError):  # not every C library can
        ctypes.CDLL(None).malloc_trim(0)


def _reset_peak() -> None:
    """Let the kernel count the peak of this process's memory from now on."""
    Path("/proc/self/clear_refs").write_text("5")


def _status(name: str) -> int:
    """A figure of this process's memory [KiB]."""
    text = Path("/proc/self/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+)", text)[1])  # type: ignore[index]
