"""Two commands never train in one run."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from glassliquid.errors import UserError
from glassliquid.files import locked_if_free
from glassliquid.sessions import run_lock as module
from glassliquid.sessions.run_lock import run_lock

HOLDER = """
import pathlib, sys, time
from glassliquid.sessions.run_lock import run_lock
with run_lock(pathlib.Path({runs!r}), "abc"):
    print("locked", flush=True)
    {wait}
"""
Start = Callable[[str], "subprocess.Popen[str]"]


def holder(start_python: Start, runs: Path, wait: str) -> "subprocess.Popen[str]":
    process = start_python(HOLDER.format(runs=str(runs), wait=wait))
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    return process


def test_a_run_in_which_another_command_trains_is_refused_until_that_one_has_died(
    tmp_path: Path, start_python: Start, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "WAIT_S", 0.1)
    other = holder(start_python, tmp_path, "sys.stdin.read()")
    with pytest.raises(UserError, match="The run abc is being continued by another command"), run_lock(tmp_path, "abc"):
        pytest.fail("both have it")
    with run_lock(tmp_path, "another"):
        pass
    other.kill()
    other.communicate()
    with run_lock(tmp_path, "abc"):
        pass


def test_a_command_that_has_the_lock_for_a_moment_is_waited_for(tmp_path: Path, start_python: Start):
    """Such as one that sends the run's waiting metrics."""
    holder(start_python, tmp_path, "time.sleep(1)")
    with run_lock(tmp_path, "abc"):
        pass


def test_a_command_has_the_lock_as_long_as_its_outermost_block(tmp_path: Path):
    with run_lock(tmp_path, "abc"):
        with run_lock(tmp_path, "abc"):
            pass
        with locked_if_free(tmp_path / "abc") as is_free:
            assert not is_free
    with locked_if_free(tmp_path / "abc") as is_free:
        assert is_free
