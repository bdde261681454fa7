"""Files that appear whole or not at all, safe names, locks, and faults of the storage."""

import errno
import json
import os
import stat
import threading
import time

import pytest

from glassliquid.errors import UserError
from glassliquid.files import (
    PARTIAL_SUFFIX,
    check_name,
    csv_text,
    locked,
    raise_if_full,
    read_json,
    remove_partials,
    replacing,
    storage_fault,
    write_json,
    write_text,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "deep" / "down" / "file.txt"
    with replacing(path) as partial:
        partial.write_text("new")
        assert not path.exists()
        assert partial.parent == path.parent  # a move within one file system is one step
        assert partial.name.endswith(PARTIAL_SUFFIX)
    assert path.read_text() == "new"
    assert names(path.parent) == ["file.txt"]


def test_the_old_content_is_there_until_the_new_is(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with replacing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_old_file_and_no_partial(tmp_path, error):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(error, match="cut short"), replacing(path) as partial:
        partial.write_text("half of the n")
        raise error("cut short")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]


@pytest.mark.parametrize("where", ["os.fsync", "pathlib.Path.replace", "pathlib.Path.write_text"])
def test_a_full_disk_leaves_the_old_file_and_no_partial(tmp_path, monkeypatch, where):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    write_text(tmp_path / "file.txt", "old")
    monkeypatch.setattr(where, full)
    with pytest.raises(OSError, match="No space left"):
        write_text(tmp_path / "file.txt", "new")
    monkeypatch.undo()
    assert (tmp_path / "file.txt").read_text() == "old"
    assert names(tmp_path) == ["file.txt"]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_files_follow_the_umask(tmp_path, mask, mode):
    """So that colleagues can read a shared data_dir as they read other files there."""
    before = os.umask(mask)
    try:
        write_text(tmp_path / "file.txt", "x")
        assert stat.S_IMODE((tmp_path / "file.txt").stat().st_mode) == mode
        assert os.umask(mask) == mask  # and it is left as it was
    finally:
        os.umask(before)


def test_concurrent_writers_never_show_a_mixture(tmp_path):
    path = tmp_path / "file.txt"
    contents = [letter * 100_000 for letter in "abcd"]
    write_text(path, contents[0])
    writers = [
        threading.Thread(target=lambda text=text: [write_text(path, text) for _ in range(5)]) for text in contents
    ]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert path.read_text() in contents
    assert names(tmp_path) == ["file.txt"]


def test_partials_are_removed_and_nothing_else(tmp_path):
    (tmp_path / f".a.gsd.xyz{PARTIAL_SUFFIX}").write_text("half")
    (tmp_path / f".set{PARTIAL_SUFFIX}" / "train").mkdir(parents=True)
    (tmp_path / f"mine{PARTIAL_SUFFIX}").write_text("a visible file is the user's")
    (tmp_path / ".hidden").write_text("so is this")
    target = tmp_path / "target"
    target.mkdir()
    (target / "keep").write_text("reached through a link")
    (tmp_path / f".link{PARTIAL_SUFFIX}").symlink_to(target)
    remove_partials(tmp_path)
    assert names(tmp_path) == [".hidden", f"mine{PARTIAL_SUFFIX}", "target"]
    assert names(target) == ["keep"]


def test_partials_of_a_folder_that_is_not_there_are_none(tmp_path):
    remove_partials(tmp_path / "missing")
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["data_liquid5", "a", "5", "A.b-c_d", "x" * 100])
def test_good_names(name):
    assert check_name("name", name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "-rf", "_x", "a/b", "a\\b", "a b", "a\n", "x" * 101, "é", "a\0", "../x", "/x"]
)
def test_names_that_could_leave_their_folder_are_refused(name):
    with pytest.raises(UserError, match=r"^name is .*: use up to 100 letters, digits, dots, dashes and underscores"):
        check_name("name", name)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "the disk is full: free some space"),
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.EROFS, "the file system is read-only: choose another data_dir"),
        (errno.EACCES, "permission is denied"),
        (errno.ENOTDIR, "a file is where a folder should be"),
    ],
)
def test_faults_of_the_storage_have_a_sentence(number, sentence):
    error = OSError(number, os.strerror(number), "data/ensembles/demo")
    fault = storage_fault(error)
    assert fault is not None
    assert fault.startswith("Cannot write data/ensembles/demo: ")
    assert sentence in fault
    assert "run the same command again" in fault


@pytest.mark.parametrize("error", [OSError("no number"), ConnectionResetError(errno.ECONNRESET, "reset")])
def test_other_errors_are_no_faults_of_the_storage(error):
    assert storage_fault(error) is None


def test_json_round_trip_ends_with_a_newline(tmp_path):
    value = {"a": [1, 2.5, None, True], "b": {"c": "é"}}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json", "a test") == value
    assert (tmp_path / "x.json").read_text().endswith("}\n")


def test_json_that_cannot_be_written_leaves_the_old(tmp_path):
    write_json(tmp_path / "x.json", {"old": 1})
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(tmp_path / "x.json", {"new": object()})
    assert json.loads((tmp_path / "x.json").read_text()) == {"old": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"has no x\.json, so it is not a test: choose another folder"),
        (b"", r"x\.json is damaged \(.*\): it is not a test; remove its folder"),
        (b'{"a": ', r"x\.json is damaged"),
        (b"\xff\xfe", r"x\.json is damaged"),
        (b"[" * 100_000, r"x\.json is damaged"),
        (b"[1]", r"x\.json does not describe a test"),
        (b"null", r"x\.json does not describe a test"),
    ],
    ids=["missing", "empty", "half", "not text", "deep", "list", "null"],
)
def test_json_of_something_else_is_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_json(tmp_path / "x.json", "a test")


HOLD = """
import sys
from pathlib import Path
from glassliquid.files import locked
with locked(Path(%r), "testing"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.faults
def test_a_lock_is_waited_for_and_freed_by_the_death_of_its_holder(tmp_path, start_python, capfd):
    holder = start_python(HOLD % str(tmp_path))
    assert holder.stdout.readline() == "held\n"
    killed_at = []

    def kill():
        killed_at.append(time.monotonic())
        holder.kill()

    timer = threading.Timer(0.5, kill)
    timer.start()
    with locked(tmp_path, "testing"):
        assert killed_at
    said = capfd.readouterr().err
    assert said.count(f"Another command is testing in {tmp_path}; waiting") == 1
    timer.join()


def test_a_free_lock_says_nothing(tmp_path, capfd):
    for _ in range(2):
        with locked(tmp_path / "new", "testing"):
            assert (tmp_path / "new").is_dir()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_found_behind_other_errors(number: int):
    with pytest.raises(OSError, match=os.strerror(number)):
        try:
            try:
                raise OSError(number, os.strerror(number), "x")
            except OSError as error:
                raise RuntimeError("could not be copied") from error
        except RuntimeError as error:
            raise_if_full(error)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        raise_if_full(RuntimeError("copying failed: [Errno 28] No space left on device: 'x'"))
    raise_if_full(FileNotFoundError(errno.ENOENT, "x"))


def test_a_table_is_quoted_where_a_value_needs_it_and_ends_its_lines_with_a_line_feed():
    assert csv_text(("a", "b"), [(1, 'x, "y"'), ("", 0.1)]) == 'a,b\n1,"x, ""y"""\n,0.1\n'
