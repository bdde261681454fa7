"""Folders for temporary files: gone at the end, and removed after a killed process, never under a living one."""

import os
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from glassliquid.files import ABANDONED_AFTER_S
from glassliquid.scratch import own_folder, temporary_files_apart

HOLDER = """
import os, pathlib, sys, tempfile
from glassliquid.scratch import own_folder
with own_folder(pathlib.Path({parent!r}), "mine-") as folder:
    (folder / "content").mkdir()
    print(folder, flush=True)
    sys.stdin.read()
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def later(folder: Path) -> None:
    """Let a folder look as it does long after it was made."""
    long_ago = time.time() - 2 * ABANDONED_AFTER_S
    os.utime(folder, (long_ago, long_ago))


def test_a_folder_is_there_in_its_block_and_gone_afterwards(tmp_path: Path):
    with pytest.raises(ZeroDivisionError), own_folder(tmp_path / "deep", "mine-") as folder:
        (folder / "below").mkdir()
        (folder / "below" / "file").write_text("x")
        assert folder.parent == tmp_path / "deep" and folder.name.startswith("mine-")
        raise ZeroDivisionError
    assert names(tmp_path / "deep") == []


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_has_is_not(tmp_path: Path, start_python: Callable):
    living, killed, fresh = (start_python(HOLDER.format(parent=str(tmp_path))) for _ in range(3))
    folders = [Path(process.stdout.readline().strip()) for process in (living, killed, fresh)]
    for process in (killed, fresh):
        process.send_signal(signal.SIGKILL)
        process.wait()
    foreign = tmp_path / "other"
    foreign.mkdir()
    link = tmp_path / "mine-link"
    link.symlink_to(foreign)
    for folder in (folders[0], folders[1], foreign):
        later(folder)
    with own_folder(tmp_path, "mine-") as mine:
        # The fresh one is too young to tell it from one whose process has not come to lock it.
        assert set(names(tmp_path)) == {mine.name, folders[0].name, folders[2].name, "other", "mine-link"}
    later(folders[2])
    with own_folder(tmp_path, "mine-"):
        assert folders[0].exists() and not folders[2].exists()
    living.communicate()
    assert names(tmp_path) == ["mine-link", "other"]


@pytest.mark.parametrize("name", ["mine-data", "mine-main0001", "mine-2026_11"])
@pytest.mark.parametrize("content", ["thesis.tex", ".lock", "ensembles"])
def test_a_folder_that_somebody_else_made_stays_whatever_its_name(tmp_path: Path, name: str, content: str):
    """A data_dir or a clone among the temporary files may be called much as ours are."""
    theirs = tmp_path / name
    theirs.mkdir()
    (theirs / content).write_text("ten years of work")
    later(theirs)
    with own_folder(tmp_path, "mine-"):
        assert names(theirs) == [content]


def test_an_empty_folder_of_a_process_that_was_killed_at_once_is_removed(tmp_path: Path):
    for name in ("mine-abcdefgh", "mine-theirs"):
        (tmp_path / name).mkdir()
        later(tmp_path / name)
    with own_folder(tmp_path, "mine-") as mine:
        assert set(names(tmp_path)) == {mine.name, "mine-theirs"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can make another user's folder")
def test_folders_of_another_user_are_left_alone(tmp_path: Path):
    other = tmp_path / "mine-of-another"
    other.mkdir()
    os.chown(other, 12345, 12345)
    later(other)
    with own_folder(tmp_path, "mine-"):
        assert other.exists()


def test_libraries_put_their_temporary_files_into_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with temporary_files_apart():
        left = Path(tempfile.mkdtemp())
        assert left.parent.parent == tmp_path
        with temporary_files_apart():  # a run inside a run
            assert Path(tempfile.mkdtemp()).parent == left.parent
        assert left.exists()
    assert tempfile.gettempdir() == str(tmp_path)
    assert names(tmp_path) == []
